"""The paper's Figure 1: how MINT comes to its two explanations, from one explanation's intermediate results."""

from benchmarks.studies.paper_figures.drawing import Sheet, coloured, evidence, number, only, outline, signed
from benchmarks.studies.paper_figures.plate import Plate, about, mean_colour, spread_samples
from benchmarks.studies.paper_figures.subjects import Subject

SIDE = 1.5  # inches
COLUMNS = (0.25, 2.45, 4.7, 7.25, 9.95, 12.15)  # inches from the left
TOP, MIDDLE, BOTTOM = 0.5, 2.85, 5.2  # inches from the top
SMALL = 0.7  # inches, a perturbed sample


def pipeline(subject: Subject) -> Plate:
    """Draw every step from the input to the two explanations, with arrows."""
    explanation, image = subject.explanation, subject.case.image
    coarse, fine = explanation.superpixels.coarse.numpy(), explanation.superpixels.fine.numpy()
    a_c, a_f = explanation.a_c.numpy(), explanation.a_f.numpy()
    u_c, u_f = explanation.u_c.numpy(), explanation.u_f.numpy()
    sheet = Sheet(COLUMNS[-1] + SIDE + 0.2, BOTTOM + SIDE + 0.45)
    first, second, third, fourth, fifth, sixth = COLUMNS

    name, answer = subject.case.target_name, explanation.answer
    sheet.panel(image, first, MIDDLE, title="input X", note=f"{name}\ng(X) = {answer:.2f}")
    saliency = evidence(image, explanation.saliency.numpy())
    sheet.panel(saliency, second, MIDDLE, title="saliency M of the deep layer", note="gradient $\\times$ activation")

    axes = sheet.panel(image, third, TOP, title=f"coarse super-pixels, p = {len(a_c)}")
    outline(axes, coarse, width=1.4)
    axes = sheet.panel(image, third, BOTTOM, title=f"fine super-pixels, q = {len(a_f)}")
    outline(axes, fine, width=0.6, halo=False, colour="yellow")
    outline(axes, coarse, width=1.2)

    axes = sheet.panel(coloured(a_c[coarse], "viridis", 0, a_c.max()), fourth, TOP, title="deep features $a^c$")
    number(axes, coarse, [f"{value:.2g}" for value in a_c])
    sheet.panel(
        coloured(a_f[fine], "viridis", 0, a_f.max()), fourth, BOTTOM, title="shallow features $a^f$",
        note=f"{a_f.min():.2g} to {a_f.max():.2g} (dark to bright)",
    )  # fmt: skip
    _samples(sheet, subject, fourth + SIDE / 2, MIDDLE)

    axes = sheet.panel(signed(u_c[coarse]), fifth, TOP, title="importances $u^c = w^c a^c$")
    number(axes, coarse, [f"{value:.2f}" for value in u_c])
    sheet.panel(
        signed(u_f[fine]), fifth, BOTTOM, title="importances $u^f = w^f a^f$",
        note=f"{u_f.min():.2g} to {u_f.max():.2g} (blue to red)",
    )  # fmt: skip
    middle = fifth + SIDE / 2, MIDDLE + SIDE / 2
    surrogate = "linear surrogate\nat both scales,\n$L_1$ penalties,\n$w^f T = w^c$\n(Eq. 17)"
    box = {"boxstyle": "round,pad=0.45", "facecolor": "0.94", "edgecolor": "0.4"}
    sheet.write(*middle, surrogate, ha="center", va="center", fontsize=9, bbox=box)

    chosen = explanation.chosen_coarse is not None
    found = "the most important region" if chosen else "none: all importances are minimal"
    sheet.panel(explanation.coarse_picture(), sixth, TOP, title="coarse explanation", note=found)
    sheet.panel(explanation.fine_picture(), sixth, BOTTOM, title="fine explanation", note="features of its parts")
    _arrows(sheet, f"{explanation.parameters['shown']['coverage']:.0%} of $u^f$")
    caption = (
        f"{about([subject])} Every picture is an intermediate result of this one explanation. Top: the coarse scale, "
        "bottom: the fine one; what both share is between them. Look at how the saliency decides the coarse region, "
        "at the coarse super-pixels' borders in the fine partition, and at the importances: the coarse ones are not "
        "the fine ones' sums, but their weights are."
    )
    return Plate("1-pipeline", "Figure 1: the pipeline", caption, sheet.figure)


def _samples(sheet: Sheet, subject: Subject, centre: float, top: float) -> None:
    explanation, step = subject.explanation, SMALL + 0.05
    present = explanation.states.numpy()[:, explanation.superpixels.fine.numpy()]
    for place, k in enumerate(spread_samples(explanation.answers.numpy(), 6)):
        i, j = divmod(place, 3)
        picture = only(subject.case.image, present[k], mean_colour(subject.network))
        left = centre + (j - 1.5) * step
        sheet.panel(
            picture, left, top + i * (SMALL + 0.2) - 0.05, SMALL, note=f"{explanation.answers[k]:.2f}",
            title=f"perturbed samples, K = {len(present)}, with $g(Z_k)$" if place == 1 else "",
        )  # fmt: skip


def _arrows(sheet: Sheet, chosen: str) -> None:
    first, second, third, fourth, fifth, sixth = COLUMNS
    middle, upper, lower = MIDDLE + SIDE / 2, TOP + SIDE / 2, BOTTOM + SIDE / 2
    gap = 0.07
    sheet.arrow((first + SIDE + gap, middle), (second - gap, middle), "derivative")
    sheet.arrow((second + SIDE + gap, middle - 0.4), (third - gap, upper + 0.3))
    sheet.write(
        (second + SIDE + third) / 2 - 0.12, (middle + upper) / 2 - 0.35, "GrabCut,\nSLIC", fontsize=7.5, ha="right"
    )
    sheet.arrow((third + SIDE / 2, TOP + SIDE + gap), (third + SIDE / 2, BOTTOM - 0.28), "Quickshift\ninside each")
    sheet.arrow((third + SIDE + gap, upper), (fourth - gap, upper), "mean in each")
    sheet.arrow((third + SIDE + gap, lower), (fourth - gap, lower), "mean in each")
    sheet.arrow((third + SIDE + gap, lower - 0.6), (fourth + SIDE / 2 - 1.5 * (SMALL + 0.05) - gap, middle + 0.55))
    sheet.write(
        third + SIDE + 0.2, (middle + lower) / 2 - 0.02, "mask at\nrandom", fontsize=7.5, ha="right", va="bottom"
    )
    box = fifth + SIDE / 2 - 0.62
    sheet.arrow((fourth + SIDE + gap, upper + 0.45), (box - 0.05, middle - 0.42))
    sheet.arrow((fourth + SIDE / 2 + 1.5 * (SMALL + 0.05) + gap, middle), (box - 0.08, middle))
    sheet.arrow((fourth + SIDE + gap, lower - 0.45), (box - 0.05, middle + 0.42))
    sheet.arrow((fifth + SIDE / 2, middle - 0.62), (fifth + SIDE / 2, TOP + SIDE + gap))
    sheet.arrow((fifth + SIDE / 2, middle + 0.62), (fifth + SIDE / 2, BOTTOM - 0.28))
    sheet.arrow((fifth + SIDE + gap, upper), (sixth - gap, upper), "highest")
    sheet.arrow((fifth + SIDE + gap, lower), (sixth - gap, lower), chosen)
