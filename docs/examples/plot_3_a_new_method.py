"""
A new method against the baselines
==================================

You have a method that says which pixels matter. Is it better than what there is? It takes a file, a check and a command.
"""

# %%
# The file
# --------
#
# A method is called with the network, normalised images (n, c, h, w) and the classes to explain (n,), and gives maps
# (n, h, w): a number for each pixel, the higher the more important. A function will do; a method with parameters is a
# frozen dataclass with a ``__call__``. This is ``docs/yours/method.py``:
#
# .. literalinclude:: ../yours/method.py
#    :language: python
#
# ``explaining`` puts the network into evaluation mode and back, and says in a sentence what is wrong with the input.
# ``read_scores`` reads the network's answer for the class.

# %%
# The check
# ---------
#
# ``check_attributor`` calls the method many times and reports every clause of the contract that it breaks: are the
# maps finite, do they depend on the other pictures of the batch, does the method leave the network as it was? No output
# means that all is well.

from pathlib import Path

import matplotlib.pyplot as plt
import torch

import mint
from baselines import GradCAM
from benchmarks.__main__ import main
from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.networks import load_network
from benchmarks.registry import METHOD, find
from mint.contract import check_attributor

ROOT = Path(mint.__file__).parents[1]  # the checkout
mine = find(METHOD, f"{ROOT}/docs/yours/method.py:gradient_times_input")
network = load_network("scenes-resnet")
cases = [case for case in DATASETS["scenes"](network, DataOptions()) if not case.difficult][:3]
images = torch.stack([network.tensor(case.image) for case in cases])
targets = torch.tensor([case.target for case in cases])
check_attributor(mine, network.module, images, targets)

# %%
# Look first
# ----------
#
# Numbers hide mistakes that a look at the maps shows at once. The white line runs around the object of the class.

small = mint.Segmentation(kernel_size=2)  # for pictures of 112 pixels
methods = {
    "gradient_times_input": mine,
    "MINT": mint.MINT(samples=500, segmentation=small),
    "Grad-CAM": GradCAM(),
}
maps = {name: method(network.module, images, targets) for name, method in methods.items()}
figure, axes = plt.subplots(3, 4, figsize=(8, 6.3), layout="constrained")
for i, case in enumerate(cases):
    shown = {case.target_name: case.image, **{name: found[i] for name, found in maps.items()}}
    for axis, (name, picture) in zip(axes[i], shown.items(), strict=True):
        axis.imshow(picture, cmap="inferno", vmin=0)
        axis.contour(case.region, levels=[0.5], colors="white", linewidths=0.8)
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=9)

# %%
# The command
# -----------
#
# It puts the method into the tables of a plan, beside the plan's own methods. In a terminal, in the checkout::
#
#     python -m benchmarks run --plan quick --method docs/yours/method.py:gradient_times_input --out /tmp/mine
#
# This takes about four minutes on two cores. Here runs a smaller one: four pictures, one network, three methods beside
# yours.

import tempfile

out = tempfile.mkdtemp()
command = (
    f"run --plan smoke --networks scenes-resnet --methods mint,gradcam,random --controls none "
    f"--method {ROOT}/docs/yours/method.py:gradient_times_input --out {out}"
)
status = main(command.split())

# %%
# What it says
# ------------
#
# Each column is a metric, and the arrow says which way is better. A star marks the best and what no test tells apart from
# it. ``best null`` is the best of the methods that know nothing of the network: whatever is not better than it has shown
# nothing. The last lines are about your method: where it is ahead of the best of the others and of MINT, where it is
# behind, and how many pictures would decide the rest; ``--against gradcam`` names others. Four pictures decide nothing; the
# plan ``quick`` has 16 on each of two networks, and ``held-out`` 300.
#
# The folder that ``--out`` names holds the report: ``README.md``, and ``index.html`` with every plot and picture. How to
# read it is the subject of a later page.
