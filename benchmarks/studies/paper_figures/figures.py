"""The paper's figures: how MINT comes to its two explanations, and MINT beside Grad-CAM and LIME."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from benchmarks.studies.paper_figures import sheet
from benchmarks.studies.paper_figures.sheet import SIDE, evidence, only, outline, outline_both
from benchmarks.studies.paper_figures.subjects import Subject, measured
from mint import Explanation

# The colours of GrabCut's seeds, from sure background to sure foreground.
SEEDS = np.array([(30, 50, 140), (110, 160, 235), (255, 190, 60), (215, 30, 30)])
# The places of the pipeline's panels, in inches from the left and from the top.
COLUMNS = (0.25, 2.45, 4.7, 7.25, 9.95, 12.15)
TOP, MIDDLE, BOTTOM = 0.5, 2.85, 5.2
SMALL, STEP = 0.7, 0.75  # inches: a perturbed sample, and from one to the next
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


def pipeline(subject: Subject) -> Plate:
    """Draw Figure 1: every step from the input to the two explanations, with arrows."""
    explanation, image = subject.explanation, subject.case.image
    coarse, fine = explanation.superpixels.coarse.numpy(), explanation.superpixels.fine.numpy()
    a_c, a_f, u_c, u_f = (getattr(explanation, name).numpy() for name in ("a_c", "a_f", "u_c", "u_f"))
    page = sheet.Sheet(COLUMNS[-1] + SIDE + 0.2, BOTTOM + SIDE + 0.45)
    first, second, third, fourth, fifth, sixth = COLUMNS

    given = f"{subject.case.target_name}\ng(X) = {explanation.answer:.2f}"
    page.panel(image, first, MIDDLE, title="input X", note=given)
    saliency = evidence(image, explanation.saliency.numpy())
    page.panel(saliency, second, MIDDLE, title="saliency M of the deep layer", note="gradient $\\times$ activation")

    outline(page.panel(image, third, TOP, title=f"coarse super-pixels, p = {len(a_c)}"), coarse, width=1.4)
    outline_both(page.panel(image, third, BOTTOM, title=f"fine super-pixels, q = {len(a_f)}"), explanation.superpixels)

    axes = page.panel(sheet.coloured(a_c[coarse], "viridis", 0, a_c.max()), fourth, TOP, title="deep features $a^c$")
    sheet.number(axes, coarse, [f"{value:.2g}" for value in a_c])
    features, span = sheet.coloured(a_f[fine], "viridis", 0, a_f.max()), f"{a_f.min():.2g} to {a_f.max():.2g}"
    page.panel(features, fourth, BOTTOM, title="shallow features $a^f$", note=f"{span} (dark to bright)")
    title = f"perturbed samples, K = {len(explanation.states)}, with $g(Z_k)$"
    for place, (picture, answer) in enumerate(perturbed(subject, 6)):
        i, j = divmod(place, 3)
        left, top = fourth + SIDE / 2 + (j - 1.5) * STEP, MIDDLE + i * (SMALL + 0.2) - 0.05
        page.panel(picture, left, top, SMALL, note=f"{answer:.2f}", title=title if place == 1 else "")

    axes = page.panel(sheet.signed(u_c[coarse]), fifth, TOP, title="importances $u^c = w^c a^c$")
    sheet.number(axes, coarse, [f"{value:.2f}" for value in u_c])
    span = f"{u_f.min():.2g} to {u_f.max():.2g} (blue to red)"
    page.panel(sheet.signed(u_f[fine]), fifth, BOTTOM, title="importances $u^f = w^f a^f$", note=span)
    surrogate = "linear surrogate\nat both scales,\n$L_1$ penalties,\n$w^f T = w^c$\n(Eq. 17)"
    box = {"boxstyle": "round,pad=0.45", "facecolor": "0.94", "edgecolor": "0.4"}
    page.write(fifth + SIDE / 2, MIDDLE + SIDE / 2, surrogate, ha="center", va="center", fontsize=9, bbox=box)

    chosen = explanation.chosen_coarse is not None
    found = "the most important region" if chosen else "none: all importances are minimal"
    page.panel(explanation.coarse_picture(), sixth, TOP, title="coarse explanation", note=found)
    page.panel(explanation.fine_picture(), sixth, BOTTOM, title="fine explanation", note="features of its parts")
    _arrows(page, f"{explanation.parameters['shown']['coverage']:.0%} of $u^f$")
    caption = (
        f"{about([subject])} Every picture is an intermediate result of this one explanation. The coarse scale is at "
        "the top and the fine scale at the bottom; what both share is between them. Look at three things: how the "
        "saliency decides the coarse region; how the coarse super-pixels' borders are kept in the fine partition; and "
        "how a coarse weight is the sum of its fine weights, while the importances do not add up in this way."
    )
    return Plate("1-pipeline", "Figure 1: the pipeline", caption, page.figure)


def _arrows(page: sheet.Sheet, chosen: str) -> None:
    first, second, third, fourth, fifth, sixth = COLUMNS
    middle, upper, lower = MIDDLE + SIDE / 2, TOP + SIDE / 2, BOTTOM + SIDE / 2
    gap, box = 0.07, fifth + SIDE / 2 - 0.62
    for start, end, text in (
        ((first + SIDE + gap, middle), (second - gap, middle), "derivative"),
        ((second + SIDE + gap, middle - 0.4), (third - gap, upper + 0.3), ""),
        ((third + SIDE / 2, TOP + SIDE + gap), (third + SIDE / 2, BOTTOM - 0.28), "Quickshift\ninside each"),
        ((third + SIDE + gap, upper), (fourth - gap, upper), "mean in each"),
        ((third + SIDE + gap, lower), (fourth - gap, lower), "mean in each"),
        ((third + SIDE + gap, lower - 0.6), (fourth + SIDE / 2 - 1.5 * STEP - gap, middle + 0.55), ""),
        ((fourth + SIDE + gap, upper + 0.45), (box - 0.05, middle - 0.42), ""),
        ((fourth + SIDE / 2 + 1.5 * STEP + gap, middle), (box - 0.08, middle), ""),
        ((fourth + SIDE + gap, lower - 0.45), (box - 0.05, middle + 0.42), ""),
        ((fifth + SIDE / 2, middle - 0.62), (fifth + SIDE / 2, TOP + SIDE + gap), ""),
        ((fifth + SIDE / 2, middle + 0.62), (fifth + SIDE / 2, BOTTOM - 0.28), ""),
        ((fifth + SIDE + gap, upper), (sixth - gap, upper), "highest"),
        ((fifth + SIDE + gap, lower), (sixth - gap, lower), chosen),
    ):
        page.arrow(start, end, text)
    cut = (second + SIDE + third) / 2 - 0.12, (middle + upper) / 2 - 0.35
    page.write(*cut, "GrabCut,\nSLIC", fontsize=7.5, ha="right")
    masked = third + SIDE + 0.2, (middle + lower) / 2 - 0.02
    page.write(*masked, "mask at\nrandom", fontsize=7.5, ha="right", va="bottom")


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
    figure, drawn = sheet.draw_rows(rows, head=0.28, between=0.3)
    for subject, axes in zip(subjects, drawn, strict=True):
        if subject.case.region is not None:
            outline(axes[0], subject.case.region)
        outline(axes[4], subject.explanation.superpixels.coarse.numpy(), width=1.4)
        outline_both(axes[5], subject.explanation.superpixels)
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
    thresholds = [options[name] for name in ("probable_background", "probable_foreground", "sure_foreground")]
    return np.asarray(np.searchsorted(thresholds, positive / (positive.max() or 1)))


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
    figure, _ = sheet.draw_rows([shown[:5], shown[5:]], head=0.06, between=0.28)
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
    figure, drawn = sheet.draw_rows(rows, head=0.28, between=0.42)
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
