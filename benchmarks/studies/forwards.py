"""How many forward passes an explanation needs: ``python -m benchmarks study forwards``.

There are two studies:

* **Settling.** MINT runs once with many samples. A surrogate fitted to the first K of them is compared with the one
  fitted to all, by the rank correlation of the fine importances u_f. The same run tells where ``UntilSettled()`` would
  have stopped. (The first K are part of all, which helps them a little: with K = 500 of 5000 they are a tenth.) A
  second run with another seed tells how well two complete runs agree.
* **Sharing.** The classes of one picture are explained one by one, as in the paper, and together from one set of
  samples. The study compares the maps, and their scores.

The rows of every picture are kept in a store: a second run computes only what is missing.
"""

import argparse
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.arguments import positive, several
from benchmarks.datasets import DATASETS, Case, DataOptions, check_options
from benchmarks.metrics import Context, Deletion, Insertion
from benchmarks.networks.network import Network, load_network
from benchmarks.plans import SMALL_NETWORKS
from benchmarks.registry import look_up
from benchmarks.report.plots import panels_of
from benchmarks.results.provenance import device_name, versions
from benchmarks.run.binding import bind
from benchmarks.run.identity import code_digest, method_identity
from benchmarks.run.store import Entry, Label, Store, key_of
from benchmarks.studies.commandline import add_cases, finish, made_by, study_parser, write_page
from benchmarks.studies.settings import by_picture, part_for
from mint import MINT, Explanation, Surrogate
from mint.app.classifiers import usable_device
from mint.fidelity import rank_correlation, split_half_agreement

COUNTS = (100, 200, 300, 400, 500, 700, 1000, 1500, 2000, 3000, 4000, 5000)
TICKS = (100, 200, 500, 1000, 2000, 5000)
ASKED = 500
WANTED = 0.95
LEVELS = (0.8, 0.85, 0.9, 0.95)


def samplings(base: MINT) -> dict[str, MINT]:
    """Name the ways of sampling that the settling study compares."""
    found = {name: replace(base, sampling=name) for name in ("coins", "antithetic", "hierarchical")}
    for name in ("hierarchical", "antithetic"):
        found[f"{name} + intercept"] = replace(found[name], surrogate=Surrogate(intercept=True))
    return found


def settle(explanation: Explanation, counts: Iterable[int] = COUNTS) -> pd.DataFrame:
    """Compare the surrogates of the first samples of an explanation with that of all.

    Returns a row for each of the ``counts`` that the explanation reaches, and for all: samples, correlation,
    split_half.
    """
    every, rows = len(explanation.states), []
    for count in sorted({*(each for each in counts if each < every), every}):
        first = explanation.samples.take(slice(count))
        solution = explanation.surrogate(replace(first, proximity=first.proximity / first.proximity.sum()))
        correlation = rank_correlation(solution.w_f * explanation.a_f, explanation.u_f)
        settled = split_half_agreement(explanation.surrogate, first)
        rows.append({"samples": count, "correlation": correlation, "split_half": settled})
    return pd.DataFrame(rows)


def settling_rows(network: Network, cases: Sequence[Case], methods: Mapping[str, MINT]) -> pd.DataFrame:
    """Run the settling study on one case: columns setting, samples, correlation, split_half, again.

    ``again`` is the rank correlation of u_f between two complete runs of different seeds.
    """
    (case,), found = cases, {}
    image = network.tensor(case.image)
    for name, method in methods.items():
        one, other = (
            replace(method, seed=seed).explain(network.module, image, case.target)
            for seed in (method.seed, method.seed + 1)
        )
        found[name] = settle(one).assign(again=rank_correlation(other.u_f, one.u_f))
    return pd.concat(found, names=["setting", "row"]).reset_index("setting")


def sharing_rows(network: Network, cases: Sequence[Case], methods: Mapping[str, MINT]) -> pd.DataFrame:
    """Run the sharing study on the cases of one picture, by one method: one row for each class and way."""
    (method,) = methods.values()
    image, targets = network.tensor(cases[0].image), [case.target for case in cases]
    anew, shared = (method.explain_classes(network.module, image, targets, shared=way) for way in (False, True))
    forwards = {"anew": anew[0].cost.forwards * len(cases), "shared": shared[0].cost.forwards}
    rows = []
    for case, *both in zip(cases, anew, shared, strict=True):
        maps = {way: each.saliency_map(method.shown.scale) for way, each in zip(forwards, both, strict=True)}
        agreement = rank_correlation(maps["anew"].flatten(), maps["shared"].flatten())
        context = Context(network, case, image)
        for way, saliency in maps.items():
            inserted, deleted = (metric(steps=28)(context, saliency).score for metric in (Insertion, Deletion))
            row = {"way": way, "class": case.target_name, "difference": inserted - deleted, "agreement": agreement}
            rows.append(row | {"forwards of the picture": forwards[way]})
    return pd.DataFrame(rows)


def settling_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tell, for each network and setting, when the correlation wanted is reached, and where auto stops."""
    lines = []
    for (network, setting), group in rows.groupby(["network", "setting"], sort=False):
        last = group.groupby("case")[["samples", "correlation", "again"]].last()
        curves = group.pivot_table(index="case", columns="samples", values="correlation")
        mean = curves.mean().to_frame().T
        line = {
            "network": network,
            "sampling": setting,
            "cases": len(curves),
            f"correlation at {ASKED}": f"{mean[ASKED].item():.3f}" if ASKED in curves else "\N{EN DASH}",
            f"mean reaches {WANTED}": _median_first(mean),
            f"median case reaches {WANTED}": _median_first(curves),
            "two complete runs": f"{last['again'].mean():.3f}",
        }
        for level in LEVELS:
            # Where auto stops, to the resolution of the counts tried; a case that never settles takes all samples.
            settled = group[group["split_half"] >= level].groupby("case")[["samples", "correlation"]].first()
            stops = settled.combine_first(last)
            where = f"{stops['samples'].median():.0f}, {stops['correlation'].mean():.3f}"
            line[f"auto at {level}: K, correlation"] = where
        lines.append(line)
    return pd.DataFrame(lines)


def _median_first(curves: pd.DataFrame) -> str:
    """Say after how many samples, the columns, the median row reaches the correlation wanted."""
    reached = curves >= WANTED
    first = float(np.median(np.where(reached.any(axis=1), reached.idxmax(axis=1).astype(float), np.inf)))
    return f"{first:.0f}" if np.isfinite(first) else f"> {curves.columns[-1]}"


def sharing_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare the two ways: mean insertion - deletion, their paired difference, agreement and cost."""
    lines = []
    for network, group in rows.groupby("network", sort=False):
        scores = group.pivot_table(index=["picture", "class"], columns="way", values="difference")
        paired = (scores["shared"] - scores["anew"]).groupby("picture").mean()
        error = paired.std(ddof=1) / np.sqrt(len(paired))
        forwards = group.groupby(["picture", "way"])["forwards of the picture"].first().groupby("way").mean()
        lines.append(
            {
                "network": network,
                "pictures": len(paired),
                "classes": len(scores),
                "anew: ins - del": f"{scores['anew'].mean():.3f}",
                "shared: ins - del": f"{scores['shared'].mean():.3f}",
                "shared - anew": f"{paired.mean():+.3f} ± {1.96 * error:.3f}",
                "rank correlation of the maps": f"{group['agreement'].mean():.2f}",
                "forwards anew": f"{forwards['anew']:.0f}",
                "forwards shared": f"{forwards['shared']:.0f}",
            }
        )
    return pd.DataFrame(lines)


def draw_settling(rows: pd.DataFrame) -> Figure:
    """Draw the rank correlation with all samples over their number, one panel for each network."""
    networks = rows["network"].unique()
    figure, panels = panels_of(len(networks), 3.8, 5.2, across=len(networks), sharey=True)
    for axes, network in zip(panels, networks, strict=True):
        part = rows[rows["network"] == network]
        sns.lineplot(part, x="samples", y="correlation", hue="setting", style="setting", markers=True, ax=axes, seed=0)
        axes.axhline(WANTED, color="0.4", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_xticks(TICKS, labels=map(str, TICKS))
        axes.minorticks_off()
        axes.set_title(f"{network}, {part['case'].nunique()} cases")
        axes.set(xlabel="samples K", ylabel=f"rank correlation of u_f with all {rows['samples'].max()}")
        axes.legend(title=None, frameon=False, loc="lower right")
    return figure


def study(
    network: Network, cases: Sequence[Case], methods: Mapping[str, MINT], sharing: MINT, store: Store
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run both studies through one network and return all rows of each; the store keeps those of every picture."""
    name = network.name
    known = {"versions": versions(), "weights": network.weights_sha256, "device": network.device.type}
    known |= {"code": code_digest(settling_rows)}

    def kept(compute: Callable[..., pd.DataFrame], cases: Sequence[Case], methods: Mapping[str, MINT]) -> pd.DataFrame:
        identity = {**known, "kind": compute.__name__, "cases": [case.digest for case in cases]}
        identity |= {"methods": {name: method_identity(method) for name, method in methods.items()}}
        key = key_of(identity)
        if found := store.read([key]):
            return pd.read_parquet(io.BytesIO(found[key].arrays["parquet"].tobytes()))
        rows = compute(network, cases, methods)
        file = np.frombuffer(rows.to_parquet(), dtype=np.uint8)
        label = Label("", name, "mint", "", compute.__name__, device_name(network.device))
        store.write([Entry(key, label, {"parquet": file})])
        return rows

    settled = [
        kept(settling_rows, [case], methods).assign(network=name, case=case.key)
        for case in tqdm(cases, desc=f"{name}: settling", unit="case")
    ]
    several = {picture: group for picture, group in by_picture(cases).items() if len(group) > 1}
    shared = [
        kept(sharing_rows, group, {"shared": sharing}).assign(network=name, picture=picture)
        for picture, group in tqdm(several.items(), desc=f"{name}: sharing", unit="picture")
    ]
    return pd.concat(settled), pd.concat(shared) if shared else pd.DataFrame()


def main(arguments: Sequence[str]) -> int:
    """Run both studies from the command line; return the exit status."""
    parser = study_parser("forwards", several=True)
    add_cases(parser, limit=40)
    parser.add_argument("--most", type=positive, default=COUNTS[-1], metavar="K", help="samples of the long runs")
    parser.add_argument("--samples", type=positive, default=500, metavar="K", help="samples of the sharing study")
    parser.add_argument("--samplings", **several(), metavar="A,B", help="of the settling study (default: all)")
    options = parser.parse_args(arguments)
    return finish(_study, options, arguments)


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    found = []
    for name in options.network or SMALL_NETWORKS:
        part, data = part_for(name), DataOptions(options.data)
        check_options(DATASETS[part.dataset], data)
        ways = samplings(replace(cast(MINT, part.methods["mint"]), samples=options.most))
        chosen = {way: look_up("sampling", way, ways) for way in options.samplings or ways}
        network = load_network(name, weights=options.weights, device=options.device)
        methods = {way: cast(MINT, bind(method, network)) for way, method in chosen.items()}
        sharing = cast(MINT, bind(replace(ways["coins"], samples=options.samples), network))
        cases: list[Case] = []
        read = DATASETS[part.dataset](network, data)
        # Of a large data set no more than is asked for is read.
        for group in by_picture(read if isinstance(read, list) else read[: options.limit]).values():
            # Whole pictures: all cases of each.
            cases += group if len(cases) < options.limit else []
        with closing(Store(options.out / "cells")) as store:
            found.append(study(network, cases, methods, sharing, store))
    settling, shared = (pd.concat(each) for each in zip(*found, strict=True))
    settling.to_csv(options.out / "settling.csv", index=False, float_format="%.5f")
    draw_settling(settling).savefig(options.out / "settling.png")
    parts = [
        f"{made_by('forwards', arguments, usable_device(options.device))} Nothing here is the paper's.",
        "## When the importances have settled",
        f"The rank correlation of u_f from the first K samples with u_f from all {settling['samples'].max()} samples; "
        "and where `samples=UntilSettled(level)` stops for several values of `level`, with the correlation there. "
        "Two complete runs: how well two runs with all samples and different seeds agree.",
        "![Rank correlation over samples](settling.png)",
        settling_table(settling).to_markdown(index=False, disable_numparse=True),
    ]
    if len(shared):
        shared.to_csv(options.out / "sharing.csv", index=False, float_format="%.5f")
        parts += [
            "## Several classes of one picture",
            "Each class is explained anew, as in the paper, or all classes from one partition and one set of samples "
            "(`explain_classes(..., shared=True)`).",
            sharing_table(shared).to_markdown(index=False, disable_numparse=True),
        ]
    return write_page("How many forward passes an explanation needs", parts, options.out / "README.md")
