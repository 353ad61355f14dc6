"""MINT: multi-scale interpretation of convolutional networks.

Source: X. Cui, D. Wang, Z. J. Wang, "Multi-Scale Interpretation Model for Convolutional Neural Networks:
Building Trust Based on Hierarchical Interpretation", IEEE Transactions on Multimedia 21(9):2263-2276, 2019.

Here is what a user of MINT calls. What the author of another method calls is in :mod:`mint.contract`.
"""

from mint.display import Display
from mint.explanation import Explanation
from mint.fidelity import UntilSettled
from mint.method import MINT
from mint.overlay import OverlayMINT
from mint.parameters import InputError
from mint.superpixels import Segmentation
from mint.surrogate import Surrogate

__all__ = [
    "MINT",
    "Display",
    "Explanation",
    "InputError",
    "OverlayMINT",
    "Segmentation",
    "Surrogate",
    "UntilSettled",
]
__version__ = "0.1.0"
