"""How other tools score the same maps: ``python -m benchmarks study protocols``.

A few cases are explained by a few methods, and each map is scored by this suite's metrics and by every profile of
``metrics.removal.peers``: the same maps of the same network, one protocol after another. The page has a table with the
conventions that make the difference, and a plot of the curves.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import pandas as pd
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.arguments import several
from benchmarks.datasets import DATASETS, Case, DataOptions
from benchmarks.metrics import (
    PROFILES,
    SRG,
    Context,
    Deletion,
    Insertion,
    LeRF,
    Measurement,
    Metric,
    Pointing,
    PointingProfile,
    RemovalProfile,
)
from benchmarks.networks.network import Network, load_network
from benchmarks.plans import PLANS
from benchmarks.registry import look_up
from benchmarks.report.plots import DOTS_PER_INCH, panels_of, styles
from benchmarks.run.binding import bind
from benchmarks.studies.commandline import add_cases, finish, made_by, study_parser, write_page
from mint.contract import Attributor, attribute
from mint.scores import score_name

METHODS = ("mint", "gradcam", "lime", "occlusion", "random")
OWN: Mapping[str, Metric] = {
    "deletion": Deletion(),
    "insertion": Insertion(),
    "lerf": LeRF(),
    "srg": SRG(),
    "pointing": Pointing(),
}
"""This suite's metrics that a profile has a counterpart of; they come first."""

FEW = 30
"""A curve of fewer points is drawn with its points."""

BEST: Mapping[str, tuple[str, Callable[[Iterable[float]], float]]] = {"higher": ("↑", max), "lower": ("↓", min)}


Found = Mapping[str, Mapping[str, Measurement]]
"""One case's measurements: ``found[metric][method]``."""


def score_case(network: Network, case: Case, methods: Mapping[str, Attributor], metrics: Mapping[str, Metric]) -> Found:
    """Explain a case by every method and score each map by every metric."""
    image = network.tensor(case.image)
    target = torch.tensor([case.target], device=image.device)
    maps = {name: attribute(method, network.module, image[None], target)[0] for name, method in methods.items()}
    context = Context(network, case, image)
    return {
        name: {method: metric(context, saliency) for method, saliency in maps.items()}
        for name, metric in metrics.items()
    }


def conventions(metric: Metric) -> dict[str, str]:
    """Say in a few words how a metric proceeds: points, removed pixels, answer and class, area, ties."""
    told: tuple[str, str, str, str, str]
    if isinstance(metric, PointingProfile):
        near = "on the region" if metric.tolerance <= 1 else f"under {metric.tolerance:g} px away"
        told = "the maximum", "", near, f"mean over {metric.average}", f"{metric.ties} maximum"
    elif isinstance(metric, Pointing):
        near = f"under {metric.tolerance:g} px away, at 224"
        told = "the maximum", "", near, "mean over classes", "first maximum"
    elif isinstance(metric, RemovalProfile):
        removed = str(metric.removed) if isinstance(metric.removed, str) else "imputed, with noise"
        told = metric.points, removed, f"{score_name(metric.score)}, {metric.follows} class", metric.area, metric.ties
    else:
        removed, answer = getattr(metric, "baseline", ""), f"{getattr(metric, 'score', '')}, target class"
        told = "a picture row a step", removed, answer, "trapezoid", "by index, mirrored"
    return dict(zip(("points", "removed", "answer", "area", "ties"), told, strict=True))


def mean_scores(scores: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Average each method's scores, a column, under each metric, a row, over the cases that the metric applies to.

    A metric that asks for it is averaged within each class first. ``scores`` has the columns metric, method, case,
    class and score.
    """
    rows = {}
    for name, metric in metrics.items():
        wide = scores[scores["metric"] == name].pivot(index=["case", "class"], columns="method", values="score")
        rows[name] = wide.groupby("class" if metric.average == "classes" else "case").mean().mean()
    return pd.DataFrame(rows).T[scores["method"].unique()]


def score_table(scores: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Put every metric in a row: each method's mean, the best in bold, its first case's score, and the conventions."""
    first = scores[scores["case"] == scores["case"].iloc[0]].pivot(index="metric", columns="method", values="score")
    rows = []
    for name, means in mean_scores(scores, metrics).iterrows():
        metric = metrics[str(name)]
        arrow, best = BEST[metric.direction]
        row = {"metric": f"{name} {arrow}"}
        for method, mean in means.items():
            stars = "**" if mean == best(means) else ""
            row[str(method)] = f"{stars}{_digits(mean)}{stars} {_digits(first.loc[name, method])}"
        rows.append(row | conventions(metric))
    return pd.DataFrame(rows)


def _digits(score: float) -> str:
    return f"{score:.1f}" if abs(score) >= 10 else f"{score:.3f}"


def draw_curves(found: Found, metrics: Mapping[str, Metric]) -> Figure:
    """Draw every method's curve under every metric that has one, for one case."""
    shown = [name for name, each in found.items() if all(one.curve for one in each.values())]
    figure, panels = panels_of(len(shown), 3.6, 2.9, across=4)
    for axes, name in zip(panels, shown, strict=True):
        looks = styles(found[name])
        for method, measurement in found[name].items():
            assert measurement.curve is not None
            look = looks[method]
            (line,) = axes.plot(*measurement.curve, color=look.colour, lw=1.6, label=method)
            line.set(dashes=look.dashes or (None, None), marker="." if len(measurement.curve[0]) < FEW else "")
        axes.set(title=f"{name} {BEST[metrics[name].direction][0]}", ylabel=getattr(metrics[name], "score", ""))
        axes.set_xlim(0, 1)
        axes.axhline(0, color="#BBBBBB", lw=0.7, zorder=0)
    figure.supxlabel("share of the pixels removed, or inserted")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def main(arguments: Sequence[str]) -> int:
    """Score maps under every profile, from the command line; return the exit status."""
    parser = study_parser("protocols", network="scenes-resnet")
    add_cases(parser, limit=8)
    parser.add_argument("--plan", default="quick", metavar="NAME", help="its first part gives methods and data (quick)")
    parser.add_argument("--methods", **several(), default=METHODS, metavar="A,B", help=f"({','.join(METHODS)})")
    options = parser.parse_args(arguments)
    return finish(_study, options, arguments)


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    metrics: Mapping[str, Metric] = {**OWN, **PROFILES}
    part = look_up("plan", options.plan, PLANS).parts[0]
    chosen = {name: look_up("method", name, part.methods) for name in options.methods}
    network = load_network(options.network, weights=options.weights, device=options.device)
    methods = {name: bind(method, network) for name, method in chosen.items()}
    cases = list(islice(DATASETS[part.dataset](network, DataOptions(options.data)), options.limit))
    found = [score_case(network, case, methods, metrics) for case in tqdm(cases, unit="case")]
    scores = pd.DataFrame(
        {"metric": name, "method": method, "case": case.key, "class": case.target, "score": measurement.score}
        for case, measurements in zip(cases, found, strict=True)
        for name, by_method in measurements.items()
        for method, measurement in by_method.items()
    )
    scores.to_csv(options.out / "scores.csv", index=False, float_format="%.6g", na_rep="nan")
    draw_curves(found[0], metrics).savefig(options.out / "curves.png", dpi=DOTS_PER_INCH)
    tools = pd.DataFrame(
        {"profile": name, "tool": f"{each.tool} {each.version}", "call": f"`{each.call}`"}
        for name, each in PROFILES.items()
    )
    parts = [
        f"{options.network}, {len(cases)} cases; {made_by('protocols', arguments, network.device)}",
        "Every row scores the same maps of the same network. The first rows are this suite's own metrics. Each of the "
        "other rows is a profile: what one tool does, in one version, when it is called as shown below. The profiles "
        "of torch-cam, Quantus, pytorch-grad-cam, PnPXAI, Xplique and TorchRay agree with the tools themselves to "
        "1e-4 (`tests/peers` checks this, and says where the tools differ, and why). RISE was never released, so its "
        "profile follows its source.",
        f"## Scores of {len(cases)} cases",
        f"The mean over all cases, the best in bold; after it the score of the first case, {cases[0].key}.",
        score_table(scores, metrics).to_markdown(index=False, disable_numparse=True),
        f"## The curves of {cases[0].key}",
        "![Every method's curve under every profile](curves.png)",
        "## What each profile stands for",
        tools.to_markdown(index=False, disable_numparse=True),
    ]
    return write_page("The same maps under every protocol", parts, options.out / "README.md")
