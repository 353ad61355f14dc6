"""The paper's Figure 1: how MINT comes to its two explanations, from one explanation's intermediate results."""

from benchmarks.studies.paper_figures.figures import Plate, about, perturbed
from benchmarks.studies.paper_figures.sheet import (
    SIDE,
    Sheet,
    coloured,
    evidence,
    number,
    outline,
    outline_both,
    signed,
)
from benchmarks.studies.paper_figures.subjects import Subject

COLUMNS = (0.25, 2.45, 4.7, 7.25, 9.95, 12.15)  # inches from the left
TOP, MIDDLE, BOTTOM = 0.5, 2.85, 5.2  # inches from the top
SMALL = 0.7  # inches, a perturbed sample
STEP = SMALL + 0.05


def pipeline(subject: Subject) -> Plate:
    """Draw every step from the input to the two explanations, with arrows."""
    explanation, image = subject.explanation, subject.case.image
    coarse, fine = explanation.superpixels.coarse.numpy(), explanation.superpixels.fine.numpy()
    a_c, a_f = explanation.a_c.numpy(), explanation.a_f.numpy()
    u_c, u_f = explanation.u_c.numpy(), explanation.u_f.numpy()
    sheet = Sheet(COLUMNS[-1] + SIDE + 0.2, BOTTOM + SIDE + 0.45)
    first, second, third, fourth, fifth, sixth = COLUMNS

    given = f"{subject.case.target_name}\ng(X) = {explanation.answer:.2f}"
    sheet.panel(image, first, MIDDLE, title="input X", note=given)
    saliency = evidence(image, explanation.saliency.numpy())
    sheet.panel(saliency, second, MIDDLE, title="saliency M of the deep layer", note="gradient $\\times$ activation")

    outline(sheet.panel(image, third, TOP, title=f"coarse super-pixels, p = {len(a_c)}"), coarse, width=1.4)
    outline_both(sheet.panel(image, third, BOTTOM, title=f"fine super-pixels, q = {len(a_f)}"), coarse, fine)

    axes = sheet.panel(coloured(a_c[coarse], "viridis", 0, a_c.max()), fourth, TOP, title="deep features $a^c$")
    number(axes, coarse, [f"{value:.2g}" for value in a_c])
    features, span = coloured(a_f[fine], "viridis", 0, a_f.max()), f"{a_f.min():.2g} to {a_f.max():.2g}"
    sheet.panel(features, fourth, BOTTOM, title="shallow features $a^f$", note=f"{span} (dark to bright)")
    title = f"perturbed samples, K = {len(explanation.states)}, with $g(Z_k)$"
    for place, (picture, answer) in enumerate(perturbed(subject, 6)):
        i, j = divmod(place, 3)
        left, top = fourth + SIDE / 2 + (j - 1.5) * STEP, MIDDLE + i * (SMALL + 0.2) - 0.05
        sheet.panel(picture, left, top, SMALL, note=f"{answer:.2f}", title=title if place == 1 else "")

    axes = sheet.panel(signed(u_c[coarse]), fifth, TOP, title="importances $u^c = w^c a^c$")
    number(axes, coarse, [f"{value:.2f}" for value in u_c])
    span = f"{u_f.min():.2g} to {u_f.max():.2g}"
    sheet.panel(signed(u_f[fine]), fifth, BOTTOM, title="importances $u^f = w^f a^f$", note=f"{span} (blue to red)")
    surrogate = "linear surrogate\nat both scales,\n$L_1$ penalties,\n$w^f T = w^c$\n(Eq. 17)"
    box = {"boxstyle": "round,pad=0.45", "facecolor": "0.94", "edgecolor": "0.4"}
    sheet.write(fifth + SIDE / 2, MIDDLE + SIDE / 2, surrogate, ha="center", va="center", fontsize=9, bbox=box)

    chosen = explanation.chosen_coarse is not None
    found = "the most important region" if chosen else "none: all importances are minimal"
    sheet.panel(explanation.coarse_picture(), sixth, TOP, title="coarse explanation", note=found)
    sheet.panel(explanation.fine_picture(), sixth, BOTTOM, title="fine explanation", note="features of its parts")
    _arrows(sheet, f"{explanation.parameters['coverage']:.0%} of $u^f$")
    caption = (
        f"{about([subject])} Every picture is an intermediate result of this one explanation. The coarse scale is at "
        "the top and the fine scale at the bottom; what both share is between them. Look at three things: how the "
        "saliency decides the coarse region; how the coarse super-pixels' borders are kept in the fine partition; and "
        "how a coarse weight is the sum of its fine weights, while the importances do not add up in this way."
    )
    return Plate("1-pipeline", "Figure 1: the pipeline", caption, sheet.figure)


def _arrows(sheet: Sheet, chosen: str) -> None:
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
        sheet.arrow(start, end, text)
    cut = (second + SIDE + third) / 2 - 0.12, (middle + upper) / 2 - 0.35
    sheet.write(*cut, "GrabCut,\nSLIC", fontsize=7.5, ha="right")
    masked = third + SIDE + 0.2, (middle + lower) / 2 - 0.02
    sheet.write(*masked, "mask at\nrandom", fontsize=7.5, ha="right", va="bottom")
