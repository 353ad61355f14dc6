"""Numbers to what the panels show: is the object where MINT says it is, and can its surrogate be believed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.studies.paper_figures.subjects import Subject


def measured(subjects: Sequence[Subject]) -> str:
    """Make a Markdown table with a row for each subject; a dash where a number does not apply.

    Of the coarse region chosen: its share of the picture, how much of the object it covers, and how much of it is
    object. Of the positive fine importances: the share on the object. Of both surrogates: R^2 on samples held out.
    """
    table: str = pd.DataFrame([_row(subject) for subject in subjects]).to_markdown(index=False, disable_numparse=True)
    return table


def _row(subject: Subject) -> dict[str, str]:
    explanation, region = subject.explanation, subject.case.region
    chosen, fidelity = explanation.chosen_coarse, explanation.fidelity
    coarse = (explanation.superpixels.coarse == (-1 if chosen is None else chosen)).numpy()
    return {
        "picture": subject.case.picture,
        "class": subject.case.target_name,
        "g": f"{explanation.answer:.2g}",
        "largest u_c": f"{float(explanation.u_c.max()):.2g}",
        "foreground by": explanation.superpixels.route,
        "coarse region": "none" if chosen is None else f"{coarse.mean():.0%}",
        "object covered": "-" if chosen is None or region is None else f"{coarse[region].mean():.0%}",
        "object in region": "-" if chosen is None or region is None else f"{region[coarse].mean():.0%}",
        "fine importance on object": "-" if region is None else f"{share_inside(subject):.0%}",
        "coarse R²": f"{fidelity.coarse_held_out:.2f}",
        "fine R²": f"{fidelity.fine_held_out:.2f}",
    }


def share_inside(subject: Subject) -> float:
    """Return the share of the positive fine importance, spread evenly over each super-pixel, that is in the region."""
    assert subject.case.region is not None
    positive = subject.explanation.u_f.clamp(min=0).numpy()
    fine = subject.explanation.superpixels.fine.numpy()
    inside = np.bincount(fine[subject.case.region], minlength=len(positive)) / np.bincount(fine.ravel())
    return float(positive @ inside / (positive.sum() or 1))
