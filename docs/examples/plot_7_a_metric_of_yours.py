"""
A metric of yours
=================

A metric turns a map into a number. Yours stands in the tables beside the others, with the same intervals and tests.
"""

# %%
# The file
# --------
#
# A metric is a frozen dataclass that inherits from ``Metric``. It says which way is better (``direction``), and measures
# the map of one case. The map comes checked: it has the picture's size, and no NaN. ``context`` has the picture, the
# network, and the region of the class. This is ``docs/yours/metric.py``: how much of a map lies at the border, where
# no object of the scenes is.
#
# .. literalinclude:: ../yours/metric.py
#    :language: python

# %%
# The check
# ---------
#
# ``check_metric`` reports every clause that is broken: does the metric give the same number again, does it leave the map
# and the network as they were, does it refuse a map of another size?

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import mint
from baselines import GradCAM, Random, Sobel
from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.metrics import Context, Pointing, check_metric
from benchmarks.networks import load_network
from benchmarks.registry import METRIC, find

ROOT = Path(mint.__file__).parents[1]  # the checkout
border = find(METRIC, f"{ROOT}/docs/yours/metric.py:BorderShare")
network = load_network("scenes-resnet")
cases = DATASETS["scenes"](network, DataOptions())[:8]
contexts = [Context(network, case, network.tensor(case.image)) for case in cases]
images = torch.stack([context.image for context in contexts])
targets = torch.tensor([case.target for case in cases])
check_metric(border, contexts[:2], list(GradCAM()(network.module, images[:2], targets[:2])))

# %%
# Does it tell methods apart?
# ---------------------------
#
# A metric is worth something if it knows a method that looks at the network from one that does not. Below, each dot is a
# picture, and the line is the mean.

methods = {
    "MINT": mint.MINT(samples=300),
    "Grad-CAM": GradCAM(),
    "sobel": Sobel(),
    "random": Random(),
}
figure, axis = plt.subplots(figsize=(8, 2.8), layout="constrained")
for row, (name, method) in enumerate(methods.items()):
    maps = method(network.module, images, targets)
    pairs = list(zip(contexts, maps, strict=True))
    share = np.array([border(context, saliency).score for context, saliency in pairs])
    hits = np.array([Pointing()(context, saliency).score for context, saliency in pairs])
    print(f"{name:9} border share {share.mean():.3f}   pointing {hits.mean():.2f}")
    axis.plot(share, np.full(len(share), row), "o", alpha=0.5)
    axis.plot([share.mean()] * 2, [row - 0.3, row + 0.3], color="black")
axis.set(yticks=range(len(methods)), yticklabels=methods, xlabel="border share, lower is better")
axis.invert_yaxis()

# %%
# This one is not worth much. Random noise has on the border what the border has of the picture, and MINT and Grad-CAM
# have less. But ``sobel``, a filter for edges that never asks the network, has less than both. Pointing knows better.
# This is why every table has methods that know nothing.
#
# In the tables
# -------------
#
# ::
#
#     python -m benchmarks run --plan quick --metric docs/yours/metric.py:BorderShare --out /tmp/mine
#
# A metric that compares with the region inherits from ``RegionMetric``, one that asks a method for more than its map
# inherits from ``MethodMetric``. Declare ``judges = False`` if a better number is not a better explanation, ``subsets``
# and ``average`` if the mean is to be taken otherwise.
