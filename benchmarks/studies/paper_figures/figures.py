"""The paper's Figures 2 to 8: the super-pixels, perturbed samples, and MINT beside Grad-CAM and LIME."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from benchmarks.studies.paper_figures.sheet import draw_rows, evidence, only, outline, outline_both
from benchmarks.studies.paper_figures.subjects import Subject, measured
from mint import Explanation

# The colours of GrabCut's seeds, from sure background to sure foreground.
SEEDS = np.array([(30, 50, 140), (110, 160, 235), (255, 190, 60), (215, 30, 30)])
LIME_SHOWN = 5
"""Super-pixels shown of LIME's explanation, as in its authors' image tutorial."""


@dataclass(frozen=True)
class Plate:
    """A figure with its words: part of the file's name, one line, a caption, and perhaps a table, in Markdown."""

    name: str
    title: str
    caption: str
    figure: Figure
    table: str = ""


def about(subjects: Sequence[Subject]) -> str:
    """Say in Markdown how the subjects, all of one network, were explained, and which classes they are."""
    first = subjects[0]
    classes = ", ".join(dict.fromkeys(f"{each.case.target_name} ({each.case.picture})" for each in subjects))
    samples, seed = len(first.explanation.states), first.explanation.parameters["seed"]
    return f"Network `{first.network.name}`; {classes}; {samples} samples, seed {seed}."


def segmentation(subjects: Sequence[Subject]) -> Plate:
    """Draw Figure 2: input, saliency, seeds, foreground, and both partitions, a row for each subject."""
    rows = []
    for subject in subjects:
        explanation, image = subject.explanation, subject.case.image
        route, coarse = explanation.superpixels.route, explanation.superpixels.coarse.numpy()
        # Where the saliency has no positive value there is no foreground at all.
        foreground = (coarse == 0) & (route != "slic")
        kinds = seeds(explanation)
        tinted = np.rint(0.45 * image.mean(axis=2, keepdims=True) + 0.55 * SEEDS[kinds]).astype(np.uint8)
        rows.append(
            [
                ("input", image, subject.case.target_name),
                ("saliency M", evidence(image, explanation.saliency.numpy()), ""),
                ("GrabCut's seeds", tinted, f"{(kinds >= 2).mean():.0%} foreground"),
                ("foreground", only(image, foreground), f"by {route}, {foreground.mean():.0%} of the picture"),
                ("coarse partition", image, f"p = {len(explanation.u_c)}"),
                ("fine partition", image, f"q = {len(explanation.u_f)}"),
            ]
        )
    figure, drawn = draw_rows(rows, head=0.28, between=0.3)
    for subject, axes in zip(subjects, drawn, strict=True):
        coarse, fine = subject.explanation.superpixels.coarse.numpy(), subject.explanation.superpixels.fine.numpy()
        if subject.case.region is not None:
            outline(axes[0], subject.case.region)
        outline(axes[4], coarse, width=1.4)
        outline_both(axes[5], coarse, fine)
    caption = (
        f"{about(subjects)} Seeds: red is sure foreground, orange is probable foreground, light blue is probable "
        "background and dark blue is sure background. The saliency's share of its maximum decides which. GrabCut makes "
        "the foreground of them, which is one coarse super-pixel; SLIC divides the background. Quickshift's fine "
        "super-pixels (yellow) never cross a coarse border (white)."
    )
    return Plate("2-segmentation", "Figure 2: nested super-pixels", caption, figure)


def seeds(explanation: Explanation) -> np.ndarray:
    """Return what GrabCut started from: (h, w), 0 sure and 1 probable background, 2 probable and 3 sure foreground."""
    options, positive = explanation.parameters["segmentation"], np.maximum(explanation.saliency.numpy(), 0)
    strength = positive / (positive.max() or 1)
    thresholds = ("probable_background", "probable_foreground", "sure_foreground")
    return np.asarray(np.sum([strength > options[name] for name in thresholds], axis=0))


def perturbed(subject: Subject, count: int) -> list[tuple[np.ndarray, float]]:
    """Return the picture, then samples from the strongest answer to the weakest, ``count`` in all, with the answers."""
    explanation = subject.explanation
    present = explanation.states.numpy()[:, explanation.superpixels.fine.numpy()]
    # Zero in the network's normalised input is the colour of absent pixels.
    absent = np.rint(255 * np.array(subject.network.preprocess.mean)).astype(np.uint8)
    chosen = spread(explanation.answers.numpy(), count)
    return [(only(subject.case.image, present[k], absent), float(explanation.answers[k])) for k in chosen]


def spread(answers: np.ndarray, count: int) -> list[int]:
    """Choose index 0, then others from the largest answer to the smallest in even steps of rank."""
    order = 1 + np.argsort(-answers[1:], kind="stable")
    ranks = np.linspace(0, len(order) - 1, count - 1).round().astype(int)
    return [0, *order[ranks].tolist()]


def samples(subject: Subject) -> Plate:
    """Draw Figure 3: the picture and nine perturbed samples, with the class's probability of each."""
    shown = [("", picture, f"g = {answer:.3f}") for picture, answer in perturbed(subject, 10)]
    figure, _ = draw_rows([shown[:5], shown[5:]], head=0.06, between=0.28)
    caption = (
        f"{about([subject])} The first picture is the whole one. The others are nine of the samples, from the one with "
        "the highest probability of the class to the one with the lowest, in even steps of rank. Absent super-pixels "
        "have the mean colour, which is zero in the network's input. Compare what is present in the first ones with "
        "what is missing in the last ones."
    )
    return Plate("3-samples", "Figure 3: perturbed samples with their probabilities", caption, figure)


def compared(name: str, title: str, subjects: Sequence[Subject], words: str) -> Plate:
    """Draw Figures 4 to 8: input, Grad-CAM, LIME, coarse and fine MINT; ``words`` end the caption."""
    rows = []
    for subject in subjects:
        explanation, image = subject.explanation, subject.case.image
        first = ", first" if subject.top else ""
        lime, coarse = float(subject.lime.max()), float(explanation.u_c.max())
        kept = f"{len(explanation.chosen_fine)} of {len(explanation.u_f)}\nsuper-pixels"
        rows.append(
            [
                ("input", image, f"{subject.case.target_name}\ng = {_short(explanation.answer)}{first}"),
                ("Grad-CAM", evidence(image, subject.gradcam), ""),
                ("LIME", only(image, strongest(subject.lime, LIME_SHOWN)), f"largest weight\n{_short(lime)}"),
                ("coarse MINT", explanation.coarse_picture(), f"largest importance\n{_short(coarse)}"),
                ("fine MINT", explanation.fine_picture(), kept),
            ]
        )
    figure, drawn = draw_rows(rows, head=0.28, between=0.42)
    for subject, axes in zip(subjects, drawn, strict=True):
        if subject.case.region is not None:
            outline(axes[0], subject.case.region)
        if subject.explanation.chosen_coarse is None:
            middle = (0.5, 0.5)
            axes[3].annotate("none", middle, xycoords="axes fraction", ha="center", va="center", color="white")
    how = (
        f"Grad-CAM is scaled to its maximum. LIME shows the {LIME_SHOWN} super-pixels of the largest positive weight. "
        "Coarse MINT shows the most important coarse super-pixel; fine MINT shows the shallow layer's features inside "
        f"the fine super-pixels that hold {subjects[0].explanation.parameters['shown']['coverage']:.0%} of the "
        "positive importance."
    )
    return Plate(name, title, f"{about(subjects)} {how} {words}", figure, measured(subjects))


def strongest(values: np.ndarray, count: int) -> np.ndarray:
    """Mark the regions of a map that is constant on each, (h, w), with the ``count`` largest positive values."""
    return np.isin(values, np.unique(values[values > 0])[-count:])


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.005 else f"{value:.0e}"
