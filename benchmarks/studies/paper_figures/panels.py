"""The paper's Figures 4 to 8: the input beside Grad-CAM, LIME and MINT's coarse and fine explanation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.studies.paper_figures.drawing import evidence, only, outline, rows
from benchmarks.studies.paper_figures.measured import measured
from benchmarks.studies.paper_figures.plate import Plate, about
from benchmarks.studies.paper_figures.subjects import Subject

LIME_SHOWN = 5
"""Super-pixels shown of LIME's explanation, as in its authors' image tutorial."""


def panels(subjects: Sequence[Subject], rule: str) -> Plate:
    """Draw Figures 4 and 5: a row for each picture, with the network's first class."""
    name = subjects[0].network.entry.name
    caption = (
        f"{about(subjects)} {rule} {_how(subjects)} Does the coarse region cover the object, and does "
        "the fine one show its texture or parts?"
    )
    return Plate(f"4-panels-{name}", f"Figures 4 and 5: {name}", caption, _draw(subjects), measured(subjects))


def two_classes(subjects: Sequence[Subject], rule: str) -> Plate:
    """Draw Figure 6: two classes of one picture, a row each."""
    caption = f"{about(subjects)} {rule} {_how(subjects)} Do the two classes have regions of their own?"
    return Plate("6-two-classes", "Figure 6: two classes in one picture", caption, _draw(subjects), measured(subjects))


def absent_class(subjects: Sequence[Subject], rule: str) -> Plate:
    """Draw Figures 7 and 8: for each picture its own class, then one that it does not show."""
    least = subjects[0].explanation.parameters["shown"]["minimal_importance"]
    caption = (
        f"{about(subjects)} {rule} {_how(subjects)} Here MINT has `minimal_importance={least:g}`: it "
        "chooses no coarse region where no importance reaches that. The default rule asks only for 5 % of the class's "
        "own probability, which any class reaches, however improbable. Grad-CAM and LIME always show "
        "something, as they are scaled to their maximum; and so does the fine picture."
    )
    return Plate(
        "7-absent-class", "Figures 7 and 8: a class that is not there", caption, _draw(subjects), measured(subjects)
    )


def _draw(subjects: Sequence[Subject]) -> Figure:
    sheet, places = rows(len(subjects), 5, head=0.28, between=0.42)
    for subject, row in zip(subjects, places, strict=True):
        explanation, image = subject.explanation, subject.case.image
        first = ", first" if subject.top else ""
        drawn = sheet.row(
            row,
            [
                ("input", image, f"{subject.case.target_name}\ng = {_short(explanation.answer)}{first}"),
                ("Grad-CAM", evidence(image, subject.gradcam), ""),
                (
                    "LIME",
                    only(image, strongest(subject.lime, LIME_SHOWN)),
                    f"largest weight\n{_short(float(subject.lime.max()))}",
                ),
                (
                    "coarse MINT",
                    explanation.coarse_picture(),
                    f"largest importance\n{_short(float(explanation.u_c.max()))}",
                ),
                (
                    "fine MINT",
                    explanation.fine_picture(),
                    f"{len(explanation.chosen_fine)} of {len(explanation.u_f)}\nsuper-pixels",
                ),
            ],
            titled=row is places[0],
        )
        if subject.case.region is not None:
            outline(drawn[0], subject.case.region)
        if explanation.chosen_coarse is None:
            middle = (0.5, 0.5)
            drawn[3].annotate("none", middle, xycoords="axes fraction", ha="center", va="center", color="white")
    return sheet.figure


def _how(subjects: Sequence[Subject]) -> str:
    return (
        f"Grad-CAM is scaled to its maximum; of LIME the {LIME_SHOWN} super-pixels of the largest positive weight are "
        "shown; of MINT the most important coarse super-pixel, and the shallow layer's features inside the fine ones "
        f"that hold {subjects[0].explanation.parameters['shown']['coverage']:.0%} of the positive importance."
    )


def strongest(values: np.ndarray, count: int) -> np.ndarray:
    """Mark the regions of a map that is constant on each, (h, w), with the ``count`` largest positive values."""
    levels = np.unique(values[values > 0])[-count:]
    return np.isin(values, levels)


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.005 else f"{value:.0e}"
