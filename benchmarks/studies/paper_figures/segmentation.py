"""The paper's Figure 2: from the saliency to nested super-pixels."""

from collections.abc import Sequence

import numpy as np

from benchmarks.studies.paper_figures.drawing import evidence, marked, only, outline, rows
from benchmarks.studies.paper_figures.plate import Plate, about
from benchmarks.studies.paper_figures.subjects import Subject
from mint import Explanation

# From sure background to sure foreground.
SEEDS = ((30, 50, 140), (110, 160, 235), (255, 190, 60), (215, 30, 30))


def segmentation(subjects: Sequence[Subject]) -> Plate:
    """Draw input, saliency, seeds, foreground, and both partitions; a row for each subject."""
    sheet, places = rows(len(subjects), 6, head=0.28, between=0.3)
    for subject, row in zip(subjects, places, strict=True):
        explanation, image = subject.explanation, subject.case.image
        route = explanation.superpixels.route
        coarse, fine = explanation.superpixels.coarse.numpy(), explanation.superpixels.fine.numpy()
        # Where the saliency has no positive value there is no foreground at all.
        foreground = (coarse == 0) & (route != "slic")
        kinds = seeds(explanation)
        drawn = sheet.row(
            row,
            [
                ("input", image, subject.case.target_name),
                ("saliency M", evidence(image, explanation.saliency.numpy()), ""),
                ("GrabCut's seeds", marked(image, kinds, SEEDS), f"{(kinds >= 2).mean():.0%} foreground"),
                ("foreground", only(image, foreground), f"by {route}, {foreground.mean():.0%} of the picture"),
                ("coarse partition", image, f"p = {coarse.max() + 1}"),
                ("fine partition", image, f"q = {fine.max() + 1}"),
            ],
            titled=row is places[0],
        )
        if subject.case.region is not None:
            outline(drawn[0], subject.case.region)
        outline(drawn[4], coarse, width=1.4)
        outline(drawn[5], fine, width=0.6, halo=False, colour="yellow")
        outline(drawn[5], coarse, width=1.2)
    caption = (
        f"{about(subjects)} Seeds: red and orange are sure and probable foreground, light and dark blue probable and "
        "sure background, by the saliency's share of its maximum. GrabCut turns them into the foreground, one coarse "
        "super-pixel; SLIC cuts the background; Quickshift's pieces (yellow) never cross a coarse border (white)."
    )
    return Plate("2-segmentation", "Figure 2: nested super-pixels", caption, sheet.figure)


def seeds(explanation: Explanation) -> np.ndarray:
    """Return what GrabCut started from: (h, w), 0 sure and 1 probable background, 2 probable and 3 sure foreground."""
    positive = np.maximum(explanation.saliency.numpy(), 0)
    strength = positive / (positive.max() or 1)
    options = explanation.parameters["segmentation"]
    thresholds = ("probable_background", "probable_foreground", "sure_foreground")
    kinds: np.ndarray = np.sum([strength > options[name] for name in thresholds], axis=0)
    return kinds
