"""One picture and class, explained by MINT and by the two methods that its paper compares it with, and measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
import torch

from baselines import LIME, GradCAM
from benchmarks.datasets import Case
from benchmarks.networks.network import Network
from benchmarks.run.binding import bind
from benchmarks.studies.paper_figures.sources import Group, ranking
from benchmarks.studies.settings import part_for
from mint import MINT, Display, Explanation
from mint.contract import attribute


@dataclass(frozen=True)
class Subject:
    """A case of a network with what three methods say about it.

    ``top`` tells whether the case's class is the network's first; ``gradcam`` and ``lime`` are maps, float32 (h, w).
    """

    network: Network
    case: Case
    top: bool
    explanation: Explanation
    gradcam: np.ndarray
    lime: np.ndarray


def explain(group: Group, case: Case, samples: int, seed: int) -> Subject:
    """Explain a case of a group by MINT, Grad-CAM and LIME, set as the benchmark's plans have them.

    ``samples`` and ``seed`` are MINT's and LIME's.
    """
    network, image = group.network, group.network.tensor(case.image)
    methods, target = part_for(network.name).methods, torch.tensor([case.target], device=image.device)
    mint = cast(MINT, bind(methods["mint"], network, seed=seed))
    mint = replace(mint, samples=samples, shown=Display(minimal_importance=group.minimal_importance))
    gradcam, lime = (
        attribute(bind(method, network, seed=seed), network.module, image[None], target)[0].cpu().numpy()
        for method in (GradCAM(), replace(cast(LIME, methods["lime"]), samples=samples))
    )
    top = ranking(network, case.image)[0] == case.target
    return Subject(network, case, top, mint.explain(network.module, image, case.target), gradcam, lime)


def measured(subjects: Sequence[Subject]) -> str:
    """Make a Markdown table with a row for each subject; a dash where a number does not apply.

    Of the coarse region chosen: its share of the picture, how much of the object it covers, and how much of it is
    object. Of the positive fine importances: the share on the object. Of both surrogates: R^2 on samples held out.
    """
    rows = []
    for subject in subjects:
        explanation, region = subject.explanation, subject.case.region
        chosen, fidelity = explanation.chosen_coarse, explanation.fidelity
        coarse = (explanation.superpixels.coarse == (-1 if chosen is None else chosen)).numpy()
        row = {
            "picture": subject.case.picture,
            "class": subject.case.target_name,
            "g": f"{explanation.answer:.2g}",
            "largest u_c": f"{float(explanation.u_c.max()):.2g}",
            "foreground by": explanation.superpixels.route,
            "coarse region": "none" if chosen is None else f"{coarse.mean():.0%}",
            "object covered": "-" if chosen is None or region is None else f"{coarse[region].mean():.0%}",
            "object in region": "-" if chosen is None or region is None else f"{region[coarse].mean():.0%}",
            "fine importance on object": "-" if region is None else f"{share_inside(explanation, region):.0%}",
            "coarse R²": f"{fidelity.coarse_held_out:.2f}",
            "fine R²": f"{fidelity.fine_held_out:.2f}",
        }
        rows.append(row)
    table: str = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return table


def share_inside(explanation: Explanation, region: np.ndarray) -> float:
    """Return the share of the positive fine importance, spread evenly over each super-pixel, that is in a region."""
    positive = explanation.u_f.clamp(min=0).numpy()
    fine = explanation.superpixels.fine.numpy()
    inside = np.bincount(fine[region], minlength=len(positive)) / np.bincount(fine.ravel())
    return float(positive @ inside / (positive.sum() or 1))
