"""How many forward passes an explanation needs: ``python -m benchmarks.studies.forwards``.

Two studies, whose tables and plots go to ``results/forwards``:

* **Settling.** For each sampling, one run of many samples; a surrogate fitted to the first K of them is compared with
  the one fitted to all, by the rank correlation of the fine importances u_f. Where ``UntilSettled`` would have
  stopped is read off the same run. (The first K are among all, which helps them a little: a tenth at K = 500 of 5000.)
  A second run with as many samples and another seed tells how far two complete runs agree.
* **Sharing.** The classes of one picture, each explained anew as the paper does, and all from one set of samples: how
  far the maps agree, and what each scores.

Where the directory holds ``conclusions.md``, written by hand, the page begins with it.

Resumable: every picture's rows are kept, and a second run computes what is missing.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.datasets import DATASETS, REQUIREMENTS, Case, DataOptions
from benchmarks.metrics import Context, Deletion, Insertion
from benchmarks.networks.network import NETWORKS, Network, load_network
from benchmarks.registry import look_up
from benchmarks.report.conclusions import read_conclusions
from benchmarks.results.provenance import code_digest, git_state, now, versions
from benchmarks.run.methods import bind, identity
from benchmarks.run.store import Store
from benchmarks.run.timing import device_name
from mint import MINT, Explanation, InputError, Segmentation, Surrogate
from mint.fidelity import rank_correlation, split_half_agreement

COUNTS = (100, 200, 300, 400, 500, 700, 1000, 1500, 2000, 3000, 4000, 5000)
ASKED = 500
WANTED = 0.95
LEVELS = (0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class Prefix:
    """The surrogate of the first samples beside that of all: one row of the settling study."""

    samples: int
    correlation: float
    split_half: float


def settle(explanation: Explanation, counts: Iterable[int] = COUNTS) -> list[Prefix]:
    """Fit the surrogate to the first samples of an explanation and compare it with that of all.

    Parameters
    ----------
    explanation : Explanation
        Of many samples.
    counts : iterable of int
        How many to take; those beyond the explanation's are left out.
    """
    found = []
    for count in counts:
        if count > len(explanation.states):
            continue
        first = explanation.samples.take(slice(count))
        solution = explanation.surrogate(replace(first, proximity=first.proximity / first.proximity.sum()))
        found.append(
            Prefix(
                samples=count,
                correlation=rank_correlation(solution.w_f * explanation.a_f, explanation.u_f),
                split_half=split_half_agreement(explanation.surrogate, first),
            )
        )
    return found


def settling_rows(network: Network, case: Case, methods: dict[str, MINT]) -> pd.DataFrame:
    """Run the settling study on one case: columns setting, samples, correlation, split_half, again.

    ``again`` is the rank correlation of u_f between two complete runs of different seeds.
    """
    image = network.tensor(case.image)
    rows = []
    for name, method in methods.items():
        explanation = method.explain(network.module, image, case.target)
        repeated = replace(method, seed=method.seed + 1).explain(network.module, image, case.target)
        again = rank_correlation(repeated.u_f, explanation.u_f)
        rows += [{"setting": name, **asdict(prefix), "again": again} for prefix in settle(explanation)]
    return pd.DataFrame(rows)


def sharing_rows(network: Network, cases: Sequence[Case], method: MINT) -> pd.DataFrame:
    """Run the sharing study on the cases of one picture: one row a class and way."""
    image = network.tensor(cases[0].image)
    targets = [case.target for case in cases]
    found = {
        way: method.explain_classes(network.module, image, targets, shared=way == "shared")
        for way in ("anew", "shared")
    }
    rows = []
    for i, case in enumerate(cases):
        context = Context(network, case, image)
        maps = {way: explanations[i].saliency_map(method.shown.scale) for way, explanations in found.items()}
        agreement = rank_correlation(maps["anew"].flatten(), maps["shared"].flatten())
        for way, saliency in maps.items():
            together = found[way][i].cost.forwards
            rows.append(
                {
                    "way": way,
                    "class": case.target_name,
                    "difference": Insertion(steps=28)(context, saliency).score
                    - Deletion(steps=28)(context, saliency).score,
                    "agreement": agreement,
                    "forwards of the picture": together if way == "shared" else together * len(cases),
                }
            )
    return pd.DataFrame(rows)


def settling_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tell, for each network and setting, when the correlation wanted is reached, and where auto stops."""
    lines = []
    for (network, setting), group in rows.groupby(["network", "setting"], sort=False):
        curves = group.pivot_table(index="case", columns="samples", values="correlation")
        line = {
            "network": network,
            "sampling": setting,
            "cases": len(curves),
            f"correlation at {ASKED}": f"{curves[ASKED].mean():.3f}" if ASKED in curves else "\N{EN DASH}",
            f"mean reaches {WANTED}": _first(curves.mean(), WANTED),
            f"median case reaches {WANTED}": _median_first(curves),
            "two complete runs": f"{group.groupby('case')['again'].first().mean():.3f}",
        }
        for level in LEVELS:
            stops = [_stop(case, level) for _, case in group.groupby("case")]
            line[f"auto at {level}: K, correlation"] = (
                f"{np.median([stop for stop, _ in stops]):.0f}, {np.mean([value for _, value in stops]):.3f}"
            )
        lines.append(line)
    return pd.DataFrame(lines)


def _first(curve: pd.Series, level: float) -> str:
    reached = curve.index[curve >= level]
    return str(reached[0]) if len(reached) else f"> {curve.index[-1]}"


def _median_first(curves: pd.DataFrame) -> str:
    reached = curves.to_numpy() >= WANTED
    counts = curves.columns.to_numpy(dtype=float)
    return f"{np.median(np.where(reached.any(axis=1), counts[reached.argmax(axis=1)], np.inf)):.0f}"


def _stop(case: pd.DataFrame, level: float) -> tuple[int, float]:
    """Return where auto stops on one case, to the resolution of the counts tried, and the true correlation there."""
    settled = case[case["split_half"] >= level]
    row = (settled if len(settled) else case.tail(1)).iloc[0]
    return int(row["samples"]), float(row["correlation"])


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
    """Draw the rank correlation with all samples over their number, one panel a network."""
    networks = list(dict.fromkeys(rows["network"]))
    figure = Figure(figsize=(5.2 * len(networks), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
    for axes, network in zip(panels, networks, strict=True):
        part = rows[rows["network"] == network]
        sns.lineplot(part, x="samples", y="correlation", hue="setting", style="setting", markers=True, ax=axes, seed=0)
        axes.axhline(WANTED, color="0.4", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_xticks([100, 200, 500, 1000, 2000, 5000], labels=["100", "200", "500", "1000", "2000", "5000"])
        axes.minorticks_off()
        cases = part["case"].nunique()
        axes.set(
            title=f"{network}, {cases} cases",
            xlabel="samples K",
            ylabel=f"rank correlation of u_f with all {rows['samples'].max()}",
        )
        axes.legend(title=None, frameon=False, loc="lower right")
    return figure


def _methods(network: Network, kernel_size: float, most: int, chosen: Sequence[str]) -> dict[str, MINT]:
    base = MINT(samples=most, segmentation=Segmentation(kernel_size=kernel_size))
    intercept = Surrogate(intercept=True)
    settings = {
        "coins": base,
        "antithetic": replace(base, sampling="antithetic"),
        "hierarchical": replace(base, sampling="hierarchical"),
        "hierarchical + intercept": replace(base, sampling="hierarchical", surrogate=intercept),
        "antithetic + intercept": replace(base, sampling="antithetic", surrogate=intercept),
    }
    bound = {}
    for name in chosen or settings:
        attributor = bind(look_up("sampling", name, settings), network.entry)
        assert isinstance(attributor, MINT)
        bound[name] = attributor
    return bound


def study(
    network: Network,
    cases: Sequence[Case],
    kernel_size: float,
    most: int,
    samples: int,
    store: Store,
    chosen: Sequence[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run both studies, reading from the store what it has.

    Parameters
    ----------
    network : Network
        What is explained.
    cases : sequence of Case
        Of which the sharing study takes the pictures with several classes.
    kernel_size : float
        Quickshift's, for pictures of this size.
    most : int
        Samples of the settling study's long runs.
    samples : int
        Samples of the sharing study.
    store : Store
        Where every picture's rows are kept.
    chosen : sequence of str
        The samplings of the settling study; none: all.

    Returns
    -------
    settling, sharing : pandas.DataFrame
        All rows, with columns network and case, or picture.
    """
    methods = _methods(network, kernel_size, most, chosen)
    sharing = replace(next(iter(methods.values())), sampling="coins", surrogate=Surrogate(), samples=samples)
    known = {"versions": versions(), "weights": network.weights_sha256, "device": network.device.type}
    settling_of = {
        "kind": "settling",
        "methods": {name: identity(method) for name, method in methods.items()},
        "code": code_digest(settling_rows),
        **known,
    }
    settled = []
    for case in tqdm(cases, desc=f"{network.entry.name}: settling", unit="case"):
        rows = _kept(store, {**settling_of, "case": case.digest}, partial(settling_rows, network, case, methods))
        settled.append(rows.assign(network=network.entry.name, case=case.key))
    pictures: dict[str, list[Case]] = {}
    for case in cases:
        pictures.setdefault(case.picture, []).append(case)
    several = {picture: group for picture, group in pictures.items() if len(group) > 1}
    sharing_of = {"kind": "sharing", "method": identity(sharing), "code": code_digest(sharing_rows), **known}
    shared = []
    for picture, group in tqdm(several.items(), desc=f"{network.entry.name}: sharing", unit="picture"):
        digests = [case.digest for case in group]
        rows = _kept(store, {**sharing_of, "cases": digests}, partial(sharing_rows, network, group, sharing))
        shared.append(rows.assign(network=network.entry.name, picture=picture))
    return pd.concat(settled), pd.concat(shared) if shared else pd.DataFrame()


def _kept(store: Store, key: dict[str, Any], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    cell = store.read(key)
    if cell is None:
        rows = compute()
        store.write(key, {"rows": {name: np.array(rows[name].tolist()) for name in rows.columns}})
        return rows
    return pd.DataFrame(dict(cell["rows"]))


def write(settling: pd.DataFrame, sharing: pd.DataFrame, directory: Path, device: str, command: str) -> str:
    """Write the rows as CSV, the plot and ``README.md`` with both tables; return its text.

    The page names the device and the command.
    """
    directory.mkdir(parents=True, exist_ok=True)
    settling.to_csv(directory / "settling.csv", index=False, float_format="%.5f")
    draw_settling(settling).savefig(directory / "settling.png", dpi=110)
    written = "".join(f"{line}\n" for line in read_conclusions(directory))
    text = (
        f"# How many forward passes an explanation needs\n\n{written}"
        f"{device}; torch {versions()['torch']}; {now()}; commit {git_state()['commit']}. Made by "
        f"`{command}`; nothing here is the paper's.\n\n"
        "## When the importances have settled\n\n"
        f"The rank correlation of u_f from the first K samples with that from all {settling['samples'].max()}; where "
        "`samples=UntilSettled(level)` stops for several values of `level`, with the correlation there. "
        "Two complete runs: how far two runs with all samples and different seeds agree.\n\n"
        f"![Rank correlation over samples](settling.png)\n\n{settling_table(settling).to_markdown(index=False)}\n"
    )
    if len(sharing):
        sharing.to_csv(directory / "sharing.csv", index=False, float_format="%.5f")
        text += (
            "\n## Several classes of one picture\n\n"
            "Each class anew, as the paper does, or all from one partition and one set of samples "
            "(`explain_classes(..., shared=True)`).\n\n"
            f"{sharing_table(sharing).to_markdown(index=False)}\n"
        )
    (directory / "README.md").write_text(text, encoding="utf-8")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the studies from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.forwards", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["scenes-vgg", "scenes-resnet"], choices=sorted(NETWORKS))
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights of an ImageNet network")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder in ImageNet's layout, for ImageNet networks")
    parser.add_argument("--limit", type=int, default=40, help="cases of each network")
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="samples of the long runs")
    parser.add_argument("--samples", type=int, default=500, help="samples of the sharing study")
    parser.add_argument("--samplings", nargs="+", default=(), help="of the settling study; default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("results") / "forwards")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    store = Store(options.out / "cells")
    parts = []
    try:
        for name in options.networks:
            small = name.startswith("scenes")
            dataset, data = "scenes" if small else "imagenet", DataOptions(directory=options.data)
            if dataset in REQUIREMENTS:
                REQUIREMENTS[dataset](data)
            network = load_network(name, weights=None if small else options.weights, device=options.device)
            cases = _whole_pictures(DATASETS[dataset](network, data), options.limit)
            kernel_size = 2.0 if small else 4.0
            found = study(network, cases, kernel_size, options.most, options.samples, store, options.samplings)
            parts.append(found)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    settling, sharing = (pd.concat(each) for each in zip(*parts, strict=True))
    command = shlex.join(["python", "-m", "benchmarks.studies.forwards", *arguments])
    print(write(settling, sharing, options.out, device_name(torch.device(options.device)), command))
    return 0


def _whole_pictures(cases: Sequence[Case], limit: int) -> list[Case]:
    """Take pictures, each with all of its cases, until there are ``limit`` cases."""
    by_picture: dict[str, list[Case]] = {}
    for case in cases:
        by_picture.setdefault(case.picture, []).append(case)
    taken: list[Case] = []
    for group in by_picture.values():
        if len(taken) >= limit:
            break
        taken += group
    return taken


if __name__ == "__main__":
    sys.exit(main())
