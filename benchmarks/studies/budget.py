"""What more forward passes buy: ``python -m benchmarks study budget``.

Every method that asks the network again and again explains the same cases with more and more forward passes, and each
map is scored. How often a method asks is measured: its parameters allow some numbers only, and Score-CAM has no more
channels than the layer. A budget at which a method asks hardly more often than at the one before is passed over.

The maps and scores are a run's own cells, so a study that was killed goes on where it was.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from baselines import FeatureAblation
from benchmarks.analysis import statistics
from benchmarks.analysis.scores import Column, estimate, read_columns
from benchmarks.arguments import positive, several
from benchmarks.datasets import Case, DataOptions, check_options
from benchmarks.metrics import Metric, Pointing
from benchmarks.networks.network import Network, load_network
from benchmarks.plans import SMALL_NETWORKS
from benchmarks.plans.methods import BUDGETED
from benchmarks.plans.metrics import CURVES
from benchmarks.registry import DATASET, METHOD, expand, find, look_up, name_of
from benchmarks.report.plots import OPEN, look, panels_of, save_picture, styles
from benchmarks.results.provenance import device_name, versions
from benchmarks.results.records import REMOVAL, Records, with_removal
from benchmarks.run.binding import bind
from benchmarks.run.identity import code_digest, method_identity
from benchmarks.run.loop import Results, as_records, run
from benchmarks.run.plan import Options, Part, Plan
from benchmarks.run.store import Entry, Label, Store, key_of
from benchmarks.run.timing import counting
from benchmarks.studies.commandline import add_cases, finish, made_by, study_parser, write_page
from benchmarks.studies.settings import part_for
from mint.app.classifiers import usable_device
from mint.contract import Attributor

BUDGETS = (50, 100, 200, 500, 1000, 2000)
METRICS: Mapping[str, Metric] = {**CURVES, "pointing": Pointing()}
SHOWN = (REMOVAL, "srg", "road", "pointing")
WANTED = 0.95
"""The share of its own best score that a method is to reach."""
MORE = 1.1
"""How many times as many forward passes as before a budget must give, to be tried."""
SUPERPIXELS = 45
"""About how many super-pixels Quickshift finds with the kernel of the plans."""

# Feature ablation asks once for each super-pixel: here, smaller ones are cut for a larger budget.
WAYS: Mapping[str, Callable[[int, float], Attributor]] = {
    **BUDGETED,
    "feature-ablation": lambda forwards, kernel_size: FeatureAblation(
        kernel_size=max(1.0, round(kernel_size * sqrt(SUPERPIXELS / forwards), 2))
    ),
}
"""What makes each method for a number of forward passes and a kernel of Quickshift, as in `BUDGETED`."""
DEFAULT = tuple(name for name in WAYS if name not in ("occlusion-engine", "extremal-perturbation"))
"""All but the one whose map another one has, too, and the one that would take nine tenths of the time: it also goes
backwards through the network each time."""

Budgeted = Mapping[tuple[str, int], float]
"""By method and budget, how often the network is asked."""


def label(method: str, budget: int) -> str:
    """Name a method with a budget."""
    return f"{method} @ {budget}"


def forwards_of(method: Attributor, network: Network, case: Case, store: Store) -> int:
    """Count the pictures that a method puts to the network to explain a case; the store keeps it."""
    known: dict[str, Any] = {"kind": "forwards", "versions": versions(), "weights": network.weights_sha256}
    known |= {"device": network.device.type, "method": method_identity(method), "code": code_digest(forwards_of)}
    key = key_of({**known, "case": case.digest})
    if found := store.read([key]):
        return int(found[key].arrays["forwards"])
    with counting(network.module) as counts:
        target = torch.tensor([case.target], device=network.device)
        method(network.module, network.tensor(case.image)[None], target)
    label = Label("", network.name, repr(method), "", "forwards", device_name(network.device))
    store.write([Entry(key, label, {"forwards": np.array(counts["forwards"])})])
    return counts["forwards"]


def count_forwards(
    network: Network, dataset: str, data: DataOptions, methods: Mapping[str, Mapping[int, Attributor]], store: Store
) -> Budgeted:
    """Measure on the first case how often every method asks at every budget; leave out budgets that add little."""
    (case,) = islice(find(DATASET, dataset)(network, data), 1)
    found: dict[tuple[str, int], float] = {}
    for name, by_budget in tqdm(methods.items(), desc=f"{network.name}: counting forwards", unit="method"):
        most = 0.0
        for budget, method in by_budget.items():
            count = forwards_of(bind(method, network), network, case, store)
            if count >= MORE * most:
                found[name, budget] = most = count
    return found


def budget_rows(records: Records, asked: Mapping[tuple[str, str], Budgeted]) -> pd.DataFrame:
    """Average every method's scores at every budget.

    Returns
    -------
    pandas.DataFrame
        dataset, network, metric, method, budget, ``forwards`` measured, ``mean`` with its 95 % interval ``low`` and
        ``high`` over pictures, and ``n`` cases averaged.
    """
    rows = []
    for column in _shown(records):
        place = {"dataset": column.dataset, "network": column.network, "metric": column.metric}
        for (method, budget), forwards in asked[column.setting].items():
            each = estimate(column, label(method, budget))
            row = {"method": method, "budget": budget, "forwards": forwards}
            rows.append(place | row | {"mean": each.mean, "low": each.low, "high": each.high, "n": each.n})
    return pd.DataFrame(rows)


def _shown(records: Records) -> list[Column]:
    chosen = [column for column in read_columns(records) if column.metric in SHOWN and column.subset == "all"]
    return sorted(chosen, key=lambda column: SHOWN.index(column.metric))


def reached(means: np.ndarray, forwards: np.ndarray) -> np.ndarray:
    """Find the fewest forward passes at which the score is `WANTED` times its own best.

    Parameters
    ----------
    means : numpy.ndarray
        (rows, budgets): scores of which higher ones are better.
    forwards : numpy.ndarray
        (budgets,), ascending.

    Returns
    -------
    numpy.ndarray
        (rows,); NaN where the best score is not above 0, or there is none.
    """
    best = means.max(axis=1, keepdims=True)
    first = (means >= WANTED * best).argmax(axis=1)
    return np.where(best[:, 0] > 0, forwards[first], np.nan)


def reached_table(records: Records, asked: Mapping[tuple[str, str], Budgeted]) -> pd.DataFrame:
    """Say of every method, under every metric, with how many forward passes it is nearly as good as at its best.

    In brackets is the interval in which 95 % of the resamples of pictures lie; then comes the best mean score.
    """
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for column in _shown(records):
        budgets = asked[column.setting]
        for method in dict.fromkeys(name for name, _ in budgets):
            # Without those budgets at which it has no score of any case.
            found = {
                forwards: each
                for (name, budget), forwards in budgets.items()
                if name == method and (each := estimate(column, label(method, budget))).n
            }
            cell = "\N{EN DASH}"
            if found:
                counts, means = np.array([*found]), np.array([[each.mean for each in found.values()]])
                drawn = reached(np.stack([each.replicates for each in found.values()], axis=1), counts)
                (fewest,) = reached(means, counts)
                count = "\N{EN DASH}" if np.isnan(fewest) else f"{fewest:.0f}{_interval(drawn)}"
                cell = f"{count}, {means.max():.3f}"
            rows.setdefault((*column.setting, method), {})[column.metric] = cell
    heads = [{"network": f"{network} on {dataset}", "method": method} for dataset, network, method in rows]
    return pd.DataFrame([head | cells for head, cells in zip(heads, rows.values(), strict=True)])


def _interval(drawn: np.ndarray) -> str:
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return ""
    tail = 100 * (1 - statistics.LEVEL) / 2
    low, high = np.percentile(known, [tail, 100 - tail], method="nearest")
    return f" ({low:.0f} to {high:.0f})"


@look("whitegrid", **OPEN)
def draw_budgets(rows: pd.DataFrame) -> Figure:
    """Draw scores over forward passes: a row of panels for each network, one for each metric, with a line a method."""
    looks = styles(rows["method"].unique())
    settings = rows[["dataset", "network"]].drop_duplicates().to_numpy().tolist()
    metrics = [metric for metric in SHOWN if rows[rows["metric"] == metric]["mean"].notna().any()]
    figure, panels = panels_of(len(settings) * len(metrics), 3.9, 4.2, across=len(metrics))
    places = [(*setting, metric) for setting in settings for metric in metrics]
    for axes, (dataset, network, metric) in zip(panels, places, strict=True):
        here = rows[(rows["dataset"] == dataset) & (rows["network"] == network) & (rows["metric"] == metric)]
        for method, line in here.groupby("method", sort=False):
            own = looks[str(method)]
            axes.fill_between(line["forwards"], line["low"], line["high"], color=own.colour, alpha=0.1, linewidth=0)
            (drawn,) = axes.plot(line["forwards"], line["mean"], color=own.colour, lw=1.7, ms=5, label=method)
            drawn.set(dashes=own.dashes or (None, None), marker=own.marker)
        ticks = sorted(rows["budget"].unique())
        axes.set(xscale="log", title=f"{metric} \N{UPWARDS ARROW}", xlabel="forward passes", ylabel=f"{network}, mean")
        axes.set_xticks(ticks, labels=map(str, ticks))
        axes.minorticks_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False)
    return figure


def main(arguments: Sequence[str]) -> int:
    """Run the study from the command line; return the exit status."""
    parser = study_parser("budget", several=True)
    add_cases(parser, limit=12)
    parser.add_argument("--dataset", metavar="NAME", help="a registered data set (default: the network's in the plans)")
    parser.add_argument("--budgets", **several(positive), default=BUDGETS, metavar="N,M", help="forward passes")
    parser.add_argument(
        "--methods",
        **several(),
        default=DEFAULT,
        metavar="NAME",
        help="names or @GROUP (default: all but extremal-perturbation and occlusion-engine)",
    )
    options = parser.parse_args(arguments)
    return finish(_study, options, arguments)


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    with closing(Store(options.out / "cells")) as store:
        records, results, asked = _run(options, store)
    rows = budget_rows(records, asked)
    rows.to_csv(options.out / "budget.csv", index=False, float_format="%.5g")
    save_picture(draw_budgets(rows), options.out / "budget.png")
    cases = ", ".join(dict.fromkeys(f"{each['cases']['all']} cases of {each['dataset']}" for each in results.inputs))
    failed = [f"* {each.network}, {each.method}, {each.step}, {each.case}: {each.reason}" for each in results.failures]
    parts_of_page = [
        f"{cases} a network; {made_by('budget', arguments, usable_device(options.device))}",
        "Each method explains the same cases with more and more forward passes. They are counted on the first case, "
        "not assumed. A method stops where it cannot ask more often. Other costs are not on the axis.",
        "![Scores over forward passes](budget.png)",
        "Lines are means over the cases, bands 95 % intervals of a bootstrap over pictures. All scores are better when "
        "higher. The numbers are in [budget.csv](budget.csv).",
        f"## How many forward passes reach {WANTED:.0%} of a method's own best",
        "The fewest forward passes tried at which the mean score is that high; in brackets where 95 % of the "
        "bootstrap's resamples lie; then the method's best mean score. A method whose best score is not above 0 has "
        "a dash. The fewer cases, the wider the brackets: where they hold all budgets, nothing is known.",
        reached_table(records, asked).to_markdown(index=False, disable_numparse=True),
        *(["## What failed", "\n".join(failed)] if failed else []),
    ]
    return write_page("What more forward passes buy", parts_of_page, options.out / "README.md")


def _run(options: argparse.Namespace, store: Store) -> tuple[Records, Results, dict[tuple[str, str], Budgeted]]:
    """Count forward passes through every network, then run the plan of all methods at all budgets."""
    device, data = str(usable_device(options.device)), DataOptions(options.data)
    named, _ = expand(METHOD, options.methods)
    ways = {name: look_up("method with a budget", name, WAYS) for name in named}
    networks = options.network or SMALL_NETWORKS
    places = {name: options.dataset or part_for(name).dataset for name in networks}
    for dataset in places.values():
        check_options(find(DATASET, dataset), data)
    parts, asked = [], {}
    for name, dataset in places.items():
        kernel_size: float = getattr(part_for(name).methods["lime"], "kernel_size")  # noqa: B009
        methods = {
            way: {budget: make(budget, kernel_size) for budget in sorted(set(options.budgets))}
            for way, make in ways.items()
        }
        network = load_network(name, weights=options.weights, device=device)
        counts = count_forwards(network, dataset, data, methods, store)
        asked[name_of(dataset), network.name] = counts
        chosen = {label(*each): methods[each[0]][each[1]] for each in counts}
        parts.append(Part(dataset, (name,), chosen, METRICS, limit=options.limit, remembering=True, nulls=()))
    plan = Plan("budget", "Scores over forward passes.", tuple(parts))
    weights = {name_of(name): options.weights for name in networks if options.weights}
    how = Options(data=options.data, device=device, weights=weights)
    results = run(plan, how, store)
    return with_removal(as_records(plan, how, results, {})), results, asked
