"""
A network of yours
==================

Methods and metrics work on classifiers in PyTorch: torchvision's by their name, and your own by a function that returns
it. A method that does not suit a network refuses it with a sentence.
"""

# %%
# One of torchvision's
# --------------------
#
# It needs no file. The weights are torchvision's, downloaded once, or a file of yours::
#
#     python -m benchmarks run --plan imagenet --data DIR --networks densenet121
#     python -m benchmarks run --plan imagenet --data DIR --networks resnet50 --weights resnet50=FILE
#
# The file
# --------
#
# A network is a function without arguments. It returns the module with the size, mean and standard deviation of its
# input, and its class names. This is ``docs/yours/network.py``. Its weights are set by hand, so that we know what it
# looks at: pixels that are red, green or blue. A good explanation has to show these, and nothing else.
#
# .. literalinclude:: ../yours/network.py
#    :language: python

# %%
# The check
# ---------
#
# ``load_network`` makes the network ready. ``check_network`` reports every clause that it breaks; no output means that
# all is well. The two layers that MINT reads, a shallow and a deep one, are found by following a picture through the
# network. Where they are not what you want, name them: ``MINT(layers=("shallow", "deep"))``.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import mint
from benchmarks.networks import check_network, load_network

ROOT = Path(mint.__file__).parents[1]  # the checkout
network = load_network(f"{ROOT}/docs/yours/network.py:colours")
check_network(network)
print("input", network.input_size, "classes", network.classes, "layers", network.layers)

# %%
# Explain it
# ----------
#
# A gray picture with a red and a blue square. We ask for red, and then for blue.

generator = np.random.default_rng(0)
picture = generator.integers(90, 160, (48, 48, 1), dtype=np.uint8).repeat(3, axis=2)
picture[6:20, 6:20] = (230, 20, 20)
picture[26:40, 24:38] = (20, 20, 230)
image = network.tensor(picture)
print(dict(zip(network.classes, network.module(image[None]).softmax(1)[0].tolist(), strict=True)))

red, blue = (
    mint.MINT(samples=500).explain(network.module, image, network.classes.index(c))
    for c in ("red", "blue")
)
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
axes[0].imshow(picture)
axes[0].set_title("the picture")
for axis, name, explanation in zip(axes[1:], ("red", "blue"), (red, blue), strict=True):
    importance = explanation.importance_map()
    largest = float(importance.abs().max())
    drawn = axis.imshow(importance, cmap="RdBu_r", vmin=-largest, vmax=largest)
    axis.set_title(f"MINT's importance for {name}")
    figure.colorbar(drawn, ax=axis, shrink=0.8)
for axis in axes:
    axis.set(xticks=[], yticks=[])

# %%
# What is to be seen: each class has its own square, in red. The other square is blue: it speaks *against* the class,
# because the probability of red falls where there is more blue. To explain a class by itself, explain its logit:
# ``MINT(response="logit")``.
#
# A network that you explain needs pictures that it knows. The next page brings a data set for this one.
