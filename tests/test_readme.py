"""What the README and the pages of the documentation show must run as it stands there."""

import doctest
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
import torch
from contexts import context_of
from examples import SmallCNN
from torch import Tensor

import benchmarks.__main__
import benchmarks.commandline
import mint
import mint.app.cli
from benchmarks.datasets import check_dataset
from benchmarks.metrics.check import check_metric
from benchmarks.networks.network import check_network, load_network
from benchmarks.registry import DATASET, METHOD, METRIC, PLAN, find
from benchmarks.results.records import REMOVAL
from mint.contract import check_attributor

ROOT = Path(__file__).resolve().parent.parent
PAGES = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
README = PAGES["README.md"]
EXAMPLES = "\n".join(file.read_text("utf-8").replace("\\\n#", "") for file in ROOT.glob("docs/examples/*.py"))
FENCED = "\n".join(re.findall(r"```sh\n(.*?)```", "".join(PAGES.values()).replace("\\\n", ""), flags=re.DOTALL))
LINES = sorted({" ".join(line.partition(" #")[0].split()) for line in FENCED.splitlines()})
LINES += sorted(" ".join(line.split()) for line in re.findall(r"^#  +(python -m benchmarks .*)$", EXAMPLES, flags=re.M))
BENCHMARKS = [line.removeprefix("python -m benchmarks ") for line in LINES if line.startswith("python -m benchmarks ")]
EXPLAIN = [line[line.index("explain ") :] for line in LINES if re.match(r"(python -m )?mint explain ", line)]
OWN = [line for line in BENCHMARKS if ".py:" in line and "--plan docs/" not in line]
SPECS = {kind: spec for command in OWN for kind, spec in re.findall(r"--(\w+?)s? (\S+\.py:\w+)", command)}
TINY_PLAN = """
from baselines import Random
from benchmarks.metrics import Pointing
from benchmarks.run.plan import Part, Plan

tiny = Plan("tiny", "One map.", (Part("scenes", ("scenes-vgg",), {"random": Random()}, {"pointing": Pointing()}),))
"""


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are run in the checkout."""
    monkeypatch.chdir(ROOT)


def test_each_of_the_four_is_shown_in_a_few_lines() -> None:
    assert SPECS.keys() == {"method", "metric", "network", "dataset"}
    for spec in SPECS.values():
        assert len((ROOT / spec.partition(":")[0]).read_text("utf-8").splitlines()) <= 26


@pytest.mark.usefixtures("checkout")
def test_the_plan_that_is_shown_runs_on_all_of_its_data_set(tmp_path: Path) -> None:
    (command,) = [line for line in BENCHMARKS if "--plan docs/" in line]
    words = [*command.split()[:-1], str(tmp_path), "--methods", "random"]
    assert benchmarks.__main__.main(words) == 0
    records = pd.read_parquet(tmp_path / "records.parquet")
    assert records["case"].nunique() == 12
    assert set(records["metric"]) == {"deletion", "pointing"}


def test_the_readme_shows_the_file_that_it_runs() -> None:
    shown = re.findall(r"```python\n(import torch\n.*?)```", README, flags=re.DOTALL)
    assert len(shown) == 1
    assert (ROOT / SPECS["method"].partition(":")[0]).read_text("utf-8").endswith(shown[0])


def _check_method(spec: str, model: SmallCNN, images: Tensor, targets: Tensor) -> None:
    check_attributor(find(METHOD, spec), model, images, targets)


def _check_metric(spec: str, model: SmallCNN, images: Tensor, targets: Tensor) -> None:
    contexts = [context_of(image, None, model, int(target)) for image, target in zip(images, targets, strict=True)]
    check_metric(find(METRIC, spec), contexts, list(images.mean(1)))


def _check_network(spec: str, *_: object) -> None:
    check_network(load_network(spec))


def _check_dataset(spec: str, *_: object) -> None:
    check_dataset(find(DATASET, spec), load_network(SPECS["network"]))


CHECKS: Mapping[str, Callable[[str, SmallCNN, Tensor, Tensor], None]] = {
    "method": _check_method,
    "metric": _check_metric,
    "network": _check_network,
    "dataset": _check_dataset,
}


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.usefixtures("checkout")
def test_what_is_shown_keeps_its_contract(kind: str, small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    CHECKS[kind](SPECS[kind], small_cnn, images, targets)


@pytest.mark.parametrize("command", sorted({re.sub(r" --out \S+", "", command) for command in OWN}))
@pytest.mark.usefixtures("checkout")
def test_what_is_shown_lands_in_the_same_tables(command: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(TINY_PLAN, "utf-8")
    words = command.split()
    words[words.index("--plan") + 1] = f"{tmp_path / 'tiny.py'}:tiny"
    assert benchmarks.__main__.main([*words, "--limit", "1", "--out", str(tmp_path / "out")]) == 0
    records = pd.read_parquet(tmp_path / "out" / "records.parquet")
    for kind, name in re.findall(r"--(\w+?)s? \S+\.py:(\w+)", command):
        assert name in set(records[kind])


@pytest.mark.parametrize("command", BENCHMARKS)
def test_the_commands_of_the_benchmark_can_be_read(command: str) -> None:
    options = benchmarks.commandline.parser().parse_args(shlex.split(command))
    for plan in getattr(options, "plan", None) or ():
        find(PLAN, plan)


@pytest.mark.parametrize("command", EXPLAIN)
def test_the_commands_that_explain_can_be_read(command: str) -> None:
    mint.app.cli._parser().parse_args(shlex.split(command))


@pytest.mark.usefixtures("checkout")
def test_explaining_a_scene_runs_as_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = next(each for each in EXPLAIN if "--samples 500" in each)
    assert mint.app.cli.main([*shlex.split(command), "--out", str(tmp_path / "panel.png")]) == 0
    printed = capsys.readouterr().out
    (shown,) = re.findall(r"```text\n( +33.*?)```", README, flags=re.DOTALL)
    assert [line for line in shown.splitlines() if line not in printed.splitlines()] == []


def test_the_commands_are_those_of_tox() -> None:
    environments = re.findall(r"^\[testenv:(\w+)\]", (ROOT / "tox.ini").read_text("utf-8"), flags=re.M)
    named = re.findall(r"python -m tox run -e (\w+)", "".join(PAGES.values()))
    assert {"main", "tests", "docs"} <= set(named) <= set(environments)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_points_to_exists(page: str) -> None:
    targets = set(re.findall(r"\]\(([^)#: ]+)[^):]*\)", re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)))
    assert not [file for file in targets if not (ROOT / page).parent.joinpath(file).exists()]


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if ">>>" in text])
@pytest.mark.usefixtures("checkout")
def test_the_lines_of_a_page_answer_as_shown(page: str) -> None:
    found = doctest.testfile(str(ROOT / page), module_relative=False)
    assert found.attempted > 5
    assert not found.failed


def test_explaining_in_python_runs_as_shown(small_cnn: SmallCNN, images: Tensor) -> None:
    (code,) = re.findall(r"```python\n(# Several.*?)```", PAGES["docs/quickstart.md"], flags=re.DOTALL)
    for shown, small in (("samples=1000", "samples=60"), ("MINT()", "MINT(samples=60)")):
        assert shown in code
        code = code.replace(shown, small)
    names: dict[str, object] = {"model": small_cnn, "image": images[0], "images": images, **vars(mint)}
    names["targets"] = torch.tensor([3] * len(images))
    exec(code, names)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_scores_of_the_readme_are_those_of_the_results() -> None:
    scores = pd.read_csv(ROOT / "results" / "quick" / "tables" / "scores.csv")
    scores = scores[(scores["network"] == "scenes-vgg") & (scores["subset"] == "all")]
    text = {(row.method, f"{row.mean:.3f}") for row in scores.itertuples()}
    rows = re.findall(r"^([a-z]+) +(0\.\d{3}.*)$", README, flags=re.M)
    shown = {(name, cell) for name, cells in rows for cell in re.findall(r"\d\.\d{3}", cells)}
    assert len(shown) > 20
    assert shown <= text


@pytest.mark.parametrize(
    ("page", "table", "heading", "rows"),
    [
        ("README.md", "speed-cpu-peers.md", "times this suite's", 5),
        ("docs/scale.md", "speed-cpu.md", "ratio to bare", 7),
    ],
)
def test_the_times_are_those_of_the_results(page: str, table: str, heading: str, rows: int) -> None:
    measured = (ROOT / "results" / "speed" / table).read_text("utf-8")
    times = [{cell.strip() for cell in row.strip("|").split("|")} for row in measured.splitlines()]
    shown = PAGES[page][PAGES[page].index(heading) :].partition("\n\n")[0].splitlines()[2:]
    assert len(shown) == rows
    for row in shown:
        cells = {cell.strip().removesuffix(" (MINT)") for cell in row.strip("|").split("|")} - {""}
        assert any(cells <= found for found in times), row


def test_a_gpu_s_ratios_are_those_of_the_results() -> None:
    times = pd.read_csv(ROOT / "results" / "speed" / "speed-cuda.csv")
    ratios = times.groupby(["contestant", "pictures", "network"])["ratio"].median()
    table = PAGES["docs/scale.md"][PAGES["docs/scale.md"].index("| contestant, on a GPU |") :].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert len(rows) == 10
    for name, pictures, resnet, _, vgg, _ in rows:
        for network, shown in (("resnet50", resnet), ("vgg16", vgg)):
            assert abs(float(shown) - ratios[name, int(pictures), network]) < 0.006


def test_the_leads_of_the_readme_are_those_of_the_results() -> None:
    table = README[README.index("| ahead of |") :].partition("\n\n")[0]
    head, _, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    found = {}
    for result in ("held-out", "imagenet-small"):
        pairs = pd.read_csv(ROOT / "results" / result / "tables" / "comparisons.csv")
        pairs = pairs[(pairs["metric"] == REMOVAL) & (pairs["subset"] == "all")]
        for row in pairs[(pairs["first"] == "overlay") | (pairs["second"] == "overlay")].itertuples():
            sign, other = (1, row.second) if row.first == "overlay" else (-1, row.first)
            lead = f"{sign * row.difference:+.3f}".replace("0.", ".", 1)
            found[row.network, other] = (lead if row.p_holm < 0.05 else f"({lead})", row.pictures)
    shown = 0
    for name, *cells in rows:
        for column, cell in zip(head[1:], cells, strict=True):
            network, pictures = re.findall(r"(\S+), (\d+) ", column)[0]
            at = network.replace("ResNet-", "resnet"), name.lower().replace("-", "")
            assert found[at] == (cell, int(pictures)), at
            shown += 1
    assert shown == 16


def test_what_the_readme_says_of_new_scenes_is_what_the_results_support() -> None:
    assert (
        "ahead of all seven methods asked, by removal and by ROAD, supported, with half of its samples as well"
        in " ".join(README.split())
    )
    variants = ("overlay", "250 samples")
    pairs = pd.read_csv(ROOT / "results" / "held-out" / "tables" / "comparisons.csv")
    pairs = pairs[(pairs["subset"] == "all") & ~pairs["null"]]
    pairs = pairs[~(pairs["first"].isin(variants) & pairs["second"].isin(variants))]
    for name in variants:
        own = pairs[(pairs["first"] == name) | (pairs["second"] == name)]
        removal = own[own["metric"].isin((REMOVAL, "road"))]
        place = own[own["metric"].isin(("pointing", "energy-pointing"))]
        assert len(removal) == len(place) == 2 * 2 * 7  # metrics, networks, methods
        assert (removal["better"] == name).all()
        assert (place["better"].isna() | (place["better"] == name)).all()


def test_what_the_readme_says_of_windows_is_what_the_results_support() -> None:
    assert (
        "it is ahead of all seven others by ROAD and energy pointing, of all but occlusion by removal, through "
        "ResNet-18 (60), and of all but RISE by ROAD, of four by removal, through ResNet-50 (44), supported."
    ) in " ".join(README.split())
    name, metrics = "windows as well", ("road", "energy-pointing", REMOVAL)
    pairs = pd.read_csv(ROOT / "results" / "variants-imagenet" / "tables" / "comparisons.csv")
    pairs = pairs[(pairs["subset"] == "all") & ~pairs["null"] & pairs["metric"].isin(metrics)]
    pairs = pairs[((pairs["first"] == name) | (pairs["second"] == name)) & (pairs["first"] != "overlay")]
    rest = pairs[pairs["better"].isna()][["network", "metric", "second"]]
    assert (pairs["better"].isna() | (pairs["better"] == name)).all()
    assert {*rest.itertuples(index=False, name=None)} == {
        ("resnet18", REMOVAL, "occlusion"),
        *(("resnet50", REMOVAL, other) for other in ("lime", "rise", "occlusion")),
        ("resnet50", "road", "rise"),
        *(("resnet50", "energy-pointing", other) for other in ("mint", "occlusion", "gradcam", "gradcam++")),
    }
    counts = pairs.groupby("network")["second"].nunique().to_dict()
    assert counts == {"resnet18": 7, "resnet50": 7}
    assert pairs.groupby("network")["pictures"].unique().map(list).to_dict() == {"resnet18": [60], "resnet50": [44]}
