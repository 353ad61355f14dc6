"""Draw overview.jpg, the picture of the README: ``python -m docs.pictures.overview`` (needs the extra ``photos``)."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from baselines import LIME, GradCAM, Occlusion
from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.networks import load_network
from mint import MINT, Display, Segmentation

ROWS = (
    ("scenes-resnet", "scenes", "scene-0003.checked-star", 2.0),
    ("efficientnet-lite0", "photos-single", "bull-mastiff", 4.0),
)
TITLES = ("input", "MINT: where", "MINT: which parts", "Grad-CAM", "LIME", "occlusion")


def main() -> None:
    """Explain one scene and one photograph."""
    figure, axes = plt.subplots(len(ROWS), 6, figsize=(9.2, 3.55), layout="constrained")
    for row, (name, dataset, wanted, kernel_size) in zip(axes, ROWS, strict=True):
        network = load_network(name)
        case = next(c for c in DATASETS[dataset](network, DataOptions()) if wanted in c.key)
        image, target = network.tensor(case.image), torch.tensor([case.target])
        shown = Display(minimal_importance=0.05)
        mint = MINT(samples=1000, segmentation=Segmentation(kernel_size=kernel_size), shown=shown)
        explanation = mint.explain(network.module, image, case.target)
        others = (GradCAM(), LIME(samples=1000, kernel_size=kernel_size), Occlusion())
        maps = [method(network.module, image[None], target)[0] for method in others]
        row[0].imshow(case.image)
        row[0].set_xlabel(f"{case.target_name}, {explanation.answer:.0%}")
        row[1].imshow(explanation.coarse_picture())
        gray = case.image.mean(axis=2)
        for axis, saliency in zip(row[2:], (explanation.importance_map(), *maps), strict=True):
            axis.imshow(gray, cmap="gray", vmin=-60, vmax=320)
            largest = float(saliency.abs().max())
            axis.imshow(saliency, cmap="RdBu_r", vmin=-largest, vmax=largest, alpha=0.65)
    for axis, title in zip(axes[0], TITLES, strict=True):
        axis.set_title(title, fontsize=11)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    file = Path(__file__).parent / "overview.jpg"
    figure.savefig(file, dpi=200, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
