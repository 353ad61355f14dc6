"""One map under every profile: ``python -m benchmarks.studies.protocols``.

Explains a few cases by a few methods and scores each map by this suite's metrics and by every profile of
``metrics.removal.peers``: the same maps, the same network, one protocol after another. The table, with the
conventions that make the difference, and a plot of the curves go to ``results/profiles``. Where the directory holds
``conclusions.md``, written by hand, the page begins with it.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

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
from benchmarks.metrics.metric import Direction
from benchmarks.networks.network import NETWORKS, Network, load_network
from benchmarks.plans import PLANS
from benchmarks.registry import look_up
from benchmarks.report import tables
from benchmarks.report.conclusions import read_conclusions
from benchmarks.report.plots import DOTS_PER_INCH, panels_of, styles
from benchmarks.report.tables import ARROWS, Entry, Table
from benchmarks.results.provenance import git_state, now, versions
from benchmarks.run.methods import bind
from benchmarks.run.timing import device_name
from mint.contract import Attributor, InputError, attribute

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
"""Curves of fewer points show them."""

BEST: Mapping[Direction, Callable[[Iterable[float]], float]] = {"higher": max, "lower": min}


@dataclass(frozen=True)
class Scored:
    """One case's maps under every metric: ``found[metric][method]``.

    ``together`` counts the pictures that went through the network for all metrics of one map; ``apart``, for each
    metric on its own.
    """

    case: Case
    found: Mapping[str, Mapping[str, Measurement]]
    together: int
    apart: int


@contextmanager
def _counted(network: Network) -> Iterator[list[int]]:
    seen: list[int] = []
    handle = network.module.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    try:
        yield seen
    finally:
        handle.remove()


def score_case(
    network: Network, case: Case, methods: Mapping[str, Attributor], metrics: Mapping[str, Metric]
) -> Scored:
    """Explain a case by every method and score each map by every metric."""
    image = network.tensor(case.image)
    target = torch.tensor([case.target], device=image.device)
    maps = {name: attribute(method, network.module, image[None], target)[0] for name, method in methods.items()}
    context = Context(network, case, image)
    found: dict[str, dict[str, Measurement]] = {name: {} for name in metrics}
    with _counted(network) as together:
        for method, saliency in maps.items():
            for name, metric in metrics.items():
                found[name][method] = metric(context, saliency)
    with _counted(network) as apart:
        for metric in metrics.values():
            metric(Context(network, case, image), next(iter(maps.values())))
    return Scored(case, found, sum(together) // len(maps), sum(apart))


def conventions(metric: Metric) -> list[str]:
    """Say in a few words how a metric goes about it: points, removed pixels, answer and class, area, ties."""
    if isinstance(metric, RemovalProfile):
        answer = f"{metric.score}, {metric.follows} class"
        return [metric.points, _removed(metric.removed), answer, metric.area, metric.ties]
    if isinstance(metric, PointingProfile):
        near = "on the region" if metric.tolerance <= 1 else f"under {metric.tolerance:g} px away"
        return ["the maximum", "", near, f"mean over {metric.average}", f"{metric.ties} maximum"]
    if hasattr(metric, "tolerance"):
        return ["the maximum", "", f"under {metric.tolerance:g} px away, at 224", "mean over classes", "first maximum"]
    answer = f"{getattr(metric, 'score', '')}, target class"
    return [
        "a picture row a step",
        _removed(getattr(metric, "baseline", "")),
        answer,
        "trapezoid",
        "by index, mirrored",
    ]


def _removed(removed: object) -> str:
    return removed if isinstance(removed, str) else "imputed, with noise"


def score_table(scored: Sequence[Scored], metrics: Mapping[str, Metric]) -> Table:
    """Put every metric in a row: each method's score of the first case, its mean over all, and the conventions."""
    methods = list(next(iter(scored[0].found.values())))
    header = ["metric", *methods, "points", "removed", "answer", "area", "ties"]
    rows = []
    for name, metric in metrics.items():
        means = mean_scores(scored, name, metric)
        entries = [Entry(f"{name} {ARROWS[metric.direction]}")]
        for method in methods:
            first = scored[0].found[name][method].score
            best = means[method] == BEST[metric.direction](means.values())
            entries.append(Entry(_digits(means[method]), f"{_digits(first)}", best))
        rows.append([*entries, *(Entry(text) for text in conventions(metric))])
    title = f"Mean over {len(scored)} cases; in small, the first case, {scored[0].case.key}"
    return Table("profiles", title, header, rows)


def mean_scores(scored: Sequence[Scored], name: str, metric: Metric) -> dict[str, float]:
    """Average each method's scores under one metric as the metric asks, over the cases that it applies to."""
    rows = pd.DataFrame(
        {method: each.found[name][method].score for method in each.found[name]} | {"class": each.case.target}
        for each in scored
    )
    classes = rows.pop("class")
    means = rows.groupby(classes if metric.average == "classes" else rows.index).mean().mean()
    return {str(method): float(mean) for method, mean in means.items()}


def _digits(score: float) -> str:
    return f"{score:.1f}" if abs(score) >= 10 else f"{score:.3f}"


def draw_curves(scored: Scored, metrics: Mapping[str, Metric]) -> Figure:
    """Draw every method's curve under every metric that has one, for one case."""
    shown = {name: each for name, each in scored.found.items() if all(one.curve for one in each.values())}
    figure, panels = panels_of(len(shown), 3.6, 2.9, across=4)
    for axes, (name, found) in zip(panels, shown.items(), strict=True):
        looks = styles(found)
        for method, measurement in found.items():
            assert measurement.curve is not None
            look = looks[method]
            (line,) = axes.plot(*measurement.curve, color=look.colour, lw=1.6, label=method)
            line.set(dashes=look.dashes or (None, None), marker="." if len(measurement.curve[0]) < FEW else "")
        axes.set_title(f"{name} {ARROWS[metrics[name].direction]}")
        axes.set_ylabel(getattr(metrics[name], "score", ""))
        axes.set_xlim(0, 1)
        axes.axhline(0, color="#BBBBBB", lw=0.7, zorder=0)
    figure.supxlabel("share of the pixels removed, or inserted")
    return figure


def findings(scored: Sequence[Scored], metrics: Mapping[str, Metric]) -> list[str]:
    """Say in sentences what the table shows of protocols: how far numbers of one name spread, and who wins."""
    lines = []
    for kind, names in {
        "deletion": [name for name in metrics if name.endswith(("deletion", "morf"))],
        "insertion": [name for name in metrics if name.endswith("insertion")],
    }.items():
        if len(names) < 2:
            continue
        method = next(iter(scored[0].found[names[0]]))
        means = {name: mean_scores(scored, name, metrics[name])[method] for name in names}
        low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        lines.append(
            f"- The same maps of {method} score {_digits(means[low])} by {low} and {_digits(means[high])} by {high}: "
            f"all of it called {kind}, and all of it protocol."
        )
    winners: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        means = mean_scores(scored, name, metric)
        best = BEST[metric.direction](means.values())
        winners.setdefault(" and ".join(method for method in means if means[method] == best), []).append(name)
    told = "; ".join(f"{method} by {', '.join(names)}" for method, names in winners.items())
    lines.append(f"- Best mean: {told}.")
    lines.append(
        f"- One map was scored by all {len(metrics)} rows for {scored[0].together} pictures through the network; each "
        f"row on its own would have asked for {scored[0].apart} in all."
    )
    return lines


def write(scored: Sequence[Scored], metrics: Mapping[str, Metric], network: Network, directory: Path) -> str:
    """Write the page, its table as Markdown and CSV, and the plot; return the page."""
    directory.mkdir(parents=True, exist_ok=True)
    table = score_table(scored, metrics)
    (directory / "profiles.md").write_text(tables.markdown(table), encoding="utf-8")
    rows = ["metric,method,case,score"]
    for each in scored:
        for name, found in each.found.items():
            rows += [f"{name},{method},{each.case.key},{found[method].score:.6g}" for method in found]
    (directory / "profiles.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    figure = draw_curves(scored[0], metrics)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(directory / "curves.png", dpi=DOTS_PER_INCH)
    tools = "\n".join(
        f"| {name} | {profile.tool} {profile.version} | `{profile.call}` |" for name, profile in PROFILES.items()
    )
    page = "\n".join(
        [
            "# The same maps under every protocol",
            "",
            *read_conclusions(directory),
            f"{network.entry.name}, {len(scored)} cases, {device_name(network.device)}; torch {versions()['torch']}; "
            f"{now()}; commit {git_state()['commit']}. Made by `python -m benchmarks.studies.protocols`.",
            "",
            "Every row scores the same maps of the same network. The first rows are this suite's own metrics; each of "
            "the others is a profile: what one tool does, in one version, when it is called as shown below. Those of "
            "torch-cam, Quantus, pytorch-grad-cam, PnPXAI, Xplique and TorchRay agree with the tools themselves to "
            "1e-4 (`tests/peers`, which also says where they differ, and why); RISE, which was never released, is "
            "followed from its source.",
            "",
            *findings(scored, metrics),
            "",
            f"## {table.title}",
            "",
            tables.markdown(table),
            f"## The curves of {scored[0].case.key}",
            "",
            "![Every method's curve under every profile](curves.png)",
            "",
            "## What each profile stands for",
            "",
            "| profile | tool | call |",
            "|:--|:--|:--|",
            tools,
            "",
        ]
    )
    (directory / "README.md").write_text(page, encoding="utf-8")
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Score maps under every profile, from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.protocols", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--plan", default="quick", choices=sorted(PLANS), help="its first part gives methods and data")
    parser.add_argument("--network", default="scenes-resnet", choices=sorted(NETWORKS))
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights of the network, in place of its own")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of a data set that is not shipped")
    parser.add_argument("--limit", type=int, default=8, help="cases; the curves are the first one's")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("results") / "profiles")
    options = parser.parse_args(arguments)
    metrics: Mapping[str, Metric] = {**OWN, **PROFILES}
    try:
        if options.limit < 1:
            raise InputError(f"--limit is a number of cases, 1 or more, not {options.limit}.")
        network = load_network(options.network, weights=options.weights, device=options.device)
        part = PLANS[options.plan].parts[0]
        methods = {name: bind(look_up("method", name, part.methods), network.entry) for name in options.methods}
        dataset = DATASETS[part.dataset](network, DataOptions(options.data))
        cases = [dataset[index] for index in range(min(options.limit, len(dataset)))]
        score = partial(score_case, network, methods=methods, metrics=metrics)
        scored = [score(case) for case in tqdm(cases, unit="case")]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(write(scored, metrics, network, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
