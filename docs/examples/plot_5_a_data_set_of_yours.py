"""
A data set of yours
===================

Methods are compared on *cases*: a picture, the class that is explained, and the region of that class if it is known.
Pointing and the other measures of place need the region; deletion, insertion and ROAD do without.
"""

# %%
# The file
# --------
#
# A data set is a function of a network and options that gives cases. ``options.directory`` is what ``--data`` says, and
# ``options.seed`` what ``--seed`` says. Pictures have the size of the network's input. This is
# ``docs/yours/dataset.py``: noise with one coloured square, whose pixels are the region.
#
# .. literalinclude:: ../yours/dataset.py
#    :language: python

# %%
# The check
# ---------
#
# ``check_dataset`` looks at the first cases and reports every clause that is broken: two cases of one name, a picture of
# another size, a class that the network does not have.

from pathlib import Path

import matplotlib.pyplot as plt

import mint
from benchmarks.__main__ import main
from benchmarks.datasets import DataOptions, check_dataset
from benchmarks.networks import load_network
from benchmarks.registry import DATASET, find

ROOT = Path(mint.__file__).parents[1]  # the checkout
squares = find(DATASET, f"{ROOT}/docs/yours/dataset.py:squares")
network = load_network(f"{ROOT}/docs/yours/network.py:colours")
check_dataset(squares, network)

figure, axes = plt.subplots(1, 6, figsize=(8, 1.7), layout="constrained")
for axis, case in zip(axes, squares(network, DataOptions()), strict=False):
    axis.imshow(case.image)
    axis.contour(case.region, levels=[0.5], colors="white")
    axis.set(xticks=[], yticks=[], title=case.key)

# %%
# Measure on it
# -------------
#
# The data set and the network of the page before, in a plan::
#
#     python -m benchmarks run --plan smoke --networks docs/yours/network.py:colours \
#       --datasets docs/yours/dataset.py:squares --out /tmp/squares
#
# Here with three of the plan's methods:

import tempfile

yours = f"{ROOT}/docs/yours"
command = (
    f"run --plan smoke --networks {yours}/network.py:colours --datasets {yours}/dataset.py:squares "
    f"--methods mint,gradcam,random --controls none --out {tempfile.mkdtemp()}"
)
status = main(command.split())

# %%
# The network looks at nothing but the square, so a method that explains it has to point there: ``pointing`` has to be 1.
# On real networks nobody knows what they look at, and pointing measures how far a method agrees with the people who drew
# the regions.
#
# Folders of yours in ImageNet's layout need no file: ``--plan imagenet --data DIR``.
