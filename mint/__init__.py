"""MINT: multi-scale interpretation of convolutional networks, and the contract its rivals meet too.

Source: X. Cui, D. Wang, Z. J. Wang, "Multi-Scale Interpretation Model for Convolutional Neural Networks:
Building Trust Based on Hierarchical Interpretation", IEEE Transactions on Multimedia 21(9):2263-2276, 2019.
"""

from mint.contract import Attributor, InputError, attribute, check_attributor, explaining
from mint.explanation import Explanation
from mint.method import MINT
from mint.overlay import OverlayMINT
from mint.superpixels import Segmentation

__all__ = [
    "MINT",
    "Attributor",
    "Explanation",
    "InputError",
    "OverlayMINT",
    "Segmentation",
    "attribute",
    "check_attributor",
    "explaining",
]
__version__ = "0.1.0"
