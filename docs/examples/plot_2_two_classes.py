"""
Two classes in one picture
==========================

A picture may hold objects of several classes. An explanation is always of *one* class: what speaks for the star is not
what speaks for the disc. A method that shows the same parts for both explains neither.
"""

# %%
# One picture, two questions
# --------------------------
#
# The network finds two classes probable. ``explain_classes`` explains both. With ``shared=True`` it hides the same
# parts for both classes, so that two explanations cost as much as one; without it everything is done twice, as
# the paper does. These pictures are half as wide as those of ImageNet, so the kernel that cuts the fine parts is
# half as wide, too: 2 pixels in place of 4.

import matplotlib.pyplot as plt

from baselines import GradCAM
from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.networks import load_network
from mint import MINT, Segmentation

network = load_network("scenes-vgg")
cases = [
    case for case in DATASETS["scenes"](network, DataOptions()) if case.picture == "scene-0055"
]
image = network.tensor(cases[0].image)
probabilities = network.module(image[None]).softmax(1)[0]
for case in cases:
    print(f"{probabilities[case.target]:.2f}  {case.target_name}")

targets = [case.target for case in cases]
mint = MINT(samples=1000, segmentation=Segmentation(kernel_size=2))
explanations = mint.explain_classes(network.module, image, targets, shared=True)
print(explanations[0].cost.forwards, "pictures through the network for both")

# %%
# Do the answers differ?
# ----------------------
#
# A white line runs around the object that is asked about. The columns after it are MINT's coarse answer, MINT's
# importances, and Grad-CAM.

import torch

gradcam = GradCAM()
maps = gradcam(network.module, image.expand(len(cases), *image.shape), torch.tensor(targets))
titles = ("asked about", "coarse", "importance", "Grad-CAM")
figure, axes = plt.subplots(len(cases), 4, figsize=(8, 2.2 * len(cases)), layout="constrained")
for row, case, explanation, saliency in zip(axes, cases, explanations, maps, strict=True):
    importance = explanation.importance_map()
    largest = float(importance.abs().max())
    row[0].imshow(case.image)
    row[0].contour(case.region, levels=[0.5], colors="white")
    row[1].imshow(explanation.coarse_picture())
    row[2].imshow(importance, cmap="RdBu_r", vmin=-largest, vmax=largest)
    row[3].imshow(saliency, cmap="inferno")
    row[0].set_ylabel(case.target_name)
    for axis in row:
        axis.set(xticks=[], yticks=[])
for axis, title in zip(axes[0], titles, strict=True):
    axis.set_title(title)

# %%
# In numbers
# ----------
#
# How much of the positive importance lies on the object that was asked about, and how much on the other one?

for case, explanation in zip(cases, explanations, strict=True):
    positive = explanation.importance_map().clamp(min=0)
    print(f"asked about {case.target_name}")
    for each in cases:
        share = float(positive[torch.from_numpy(each.region)].sum() / positive.sum())
        print(f"  {share:4.0%} on the {each.target_name}")

# %%
# None of it is on the wrong object. The rest lies beside the object: on ground that shares a super-pixel with it, and
# on small importances that are noise of the sampling.
