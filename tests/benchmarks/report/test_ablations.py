import dataclasses
import itertools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import paper
import pytest
import scipy.stats
import torch
from small_runs import rows_in
from torch import Tensor, nn

from benchmarks.__main__ import main
from benchmarks.analysis.scores import summarise
from benchmarks.metrics import Context, Deletion, Fidelity, Insertion, MethodMetric, Pointing, Stability
from benchmarks.networks.network import load_network
from benchmarks.plans import PLANS, ablations
from benchmarks.report.ablations import FEWEST_CASES, clear_table, make_ablation_report, variant_table
from benchmarks.report.tables import by_setting
from benchmarks.results.records import REMOVAL, Records, with_removal
from benchmarks.run.binding import bind
from benchmarks.run.loop import run
from benchmarks.run.memory import Memory, remembering
from benchmarks.run.plan import Options, Part, Plan
from benchmarks.run.store import Store
from mint import MINT, Display, InputError

# The variants.


def _choices(method: Any) -> dict[str, Any]:
    """List a method's fields with those of its parts, such as the surrogate's."""
    whole = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    parts = [_choices(whole.pop(name)) for name in list(whole) if dataclasses.is_dataclass(whole[name])]
    return {name: value for part in (whole, *parts) for name, value in part.items()}


def test_a_variant_differs_from_the_default_in_the_choice_that_names_it() -> None:
    base = MINT(samples=500)
    variants = ablations.variants(base)
    assert next(iter(variants)) == ablations.DEFAULT
    assert variants[ablations.DEFAULT] == base
    for name, variant in variants.items():
        choice = name.partition(":")[0]
        changed = {choice for choice, value in _choices(variant).items() if value != _choices(base)[choice]}
        if choice not in (ablations.DEFAULT, "together", "reading"):
            assert changed == {"fine" if choice == "fine cut" else choice}, name
    assert len(set(map(repr, variants.values()))) == len(variants)
    paper = variants["reading: paper"]
    assert paper == dataclasses.replace(MINT.paper(samples=500), segmentation=base.segmentation)


@pytest.mark.parametrize(
    ("plan", "counts"), [("ablations", (100, 200, 1000, 2000, 5000)), ("ablations-imagenet", (100, 200, 500))]
)
def test_the_samples_go_from_100_to_what_a_network_allows(plan: str, counts: tuple[int, ...]) -> None:
    found = {method for method in PLANS[plan].parts[0].methods if method.startswith("samples")}
    assert found == {f"samples: {count}" for count in counts}


# Remembering.


class Counting(nn.Module):
    """Two classes: the sum of the picture, and of its squares; counts the pictures that come through."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        values = self.layer(images).flatten(1)
        return torch.stack([values.sum(dim=1), values.square().sum(dim=1)], dim=1)


@pytest.fixture
def pictures() -> Tensor:
    return torch.arange(4 * 3 * 2 * 2, dtype=torch.float32).view(4, 3, 2, 2)


def test_a_picture_goes_through_once(pictures: Tensor) -> None:
    model, memory = Counting(), Memory()
    batches = [pictures[[0, 1]], pictures[[1, 2, 2]], pictures[[2, 0]], pictures.to(memory_format=torch.channels_last)]
    expected = [model(batch) for batch in batches]
    model.seen = 0
    with remembering(model, memory), torch.no_grad():
        for batch, answer in zip(batches, expected, strict=True):
            torch.testing.assert_close(model(batch), answer, rtol=0, atol=0)
    assert model.seen == memory.forwarded == 4
    assert memory.asked == 2 + 3 + 2 + 4


def test_a_batch_changed_in_place_is_another_one(pictures: Tensor) -> None:
    model = Counting()
    with remembering(model, Memory()), torch.no_grad():
        first = model(pictures)
        pictures += 1
        torch.testing.assert_close(model(pictures)[:, 0], first[:, 0] + 12)


def test_pictures_of_the_same_values_and_another_shape_are_told_apart(pictures: Tensor) -> None:
    model = Counting()
    with remembering(model, Memory()), torch.no_grad():
        model(torch.zeros(1, 3, 2, 2))
        model(torch.zeros(1, 3, 4, 1))
    assert model.seen == 2


def test_with_gradients_the_network_is_asked_as_ever_and_its_hooks_run(pictures: Tensor) -> None:
    model, memory, heard = Counting(), Memory(), []
    with remembering(model, memory):
        with torch.no_grad():
            model(pictures)
        model.layer.register_forward_hook(lambda *_: heard.append(1))
        images = pictures.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(images)[:, 1].sum(), images)
    torch.testing.assert_close(gradient, 2 * pictures)
    assert heard == [1]
    assert memory.asked == 4


def test_with_a_hook_on_a_layer_the_network_is_asked_as_ever(pictures: Tensor) -> None:
    model, seen = nn.Sequential(nn.Flatten(), nn.Linear(pictures[0].numel(), 2)), []
    with remembering(model.eval(), Memory()), torch.no_grad():
        expected = model(pictures)
        handle = model[0].register_forward_hook(lambda *_: seen.append(1))
        answer = model(pictures)
        handle.remove()
        model(pictures)
    assert torch.equal(answer, expected)
    assert len(seen) == 1


def test_the_network_is_handed_back_as_it_was(pictures: Tensor) -> None:
    model = Counting()
    names, text = [name for name, _ in model.named_modules()], repr(model)
    with pytest.raises(RuntimeError, match="mine"), remembering(model, Memory()):  # noqa: PT012
        assert [name for name, _ in model.named_modules()] == names
        assert repr(model) == text
        raise RuntimeError("mine")
    assert "forward" not in vars(model)
    with torch.no_grad():
        model(pictures)
        model(pictures)
    assert model.seen == 8


# Fidelity and stability.


@pytest.fixture
def context(world: ModuleType) -> Context:
    network = load_network("tiny")
    case = world.case(0)
    return Context(network, case, network.tensor(case.image))


@pytest.fixture
def method(context: Context) -> MINT:
    method = bind(MINT(samples=40), context.network)
    assert isinstance(method, MINT)
    return method


def test_fidelity_is_the_explanations(context: Context, method: MINT) -> None:
    fidelity = method.explain(context.network.module, context.image, context.case.target).fidelity
    metrics = [Fidelity(scale, held_out) for scale in ("coarse", "fine") for held_out in (False, True)]  # type: ignore[arg-type]
    found = [metric.examine(context, method).score for metric in metrics]
    expected = [fidelity.coarse, fidelity.coarse_held_out, fidelity.fine, fidelity.fine_held_out]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert fidelity.fine > fidelity.fine_held_out


def test_stability_is_the_mean_rank_correlation_of_every_two_seeds(context: Context, method: MINT) -> None:
    importances = [
        dataclasses.replace(method, seed=seed).explain(context.network.module, context.image, context.case.target).u_f
        for seed in range(3)
    ]
    expected = np.mean([scipy.stats.spearmanr(a, b).statistic for a, b in itertools.combinations(importances, 2)])
    found = Stability(seeds=3).examine(context, method).score
    assert found == pytest.approx(expected)
    assert found < 1
    assert (
        Stability(seeds=3).examine(context, dataclasses.replace(method, shown=Display(scale="coarse"))).score == found
    )


def test_stability_passes_over_cases_by_their_digest(context: Context, method: MINT, world: ModuleType) -> None:
    asked = []
    for number in range(6):
        case = world.case(number)
        here = dataclasses.replace(context, case=case, image=context.network.tensor(case.image))
        score = Stability(seeds=2, every=2).examine(here, dataclasses.replace(method, samples=10)).score
        assert np.isnan(score) == (int(case.digest, 16) % 2 == 1)
        asked.append(not np.isnan(score))
    assert 0 < sum(asked) < 6


def test_they_do_not_apply_to_a_method_without_a_surrogate(context: Context, world: ModuleType) -> None:
    for metric in (Fidelity(), Stability()):
        assert isinstance(metric, MethodMetric)
        assert np.isnan(metric.examine(context, world.Brightness("log")).score)
    assert not isinstance(Deletion(), MethodMetric)


@pytest.mark.parametrize(("seeds", "every"), [(1, 1), (5, 0)])
def test_stability_needs_two_seeds(seeds: int, every: int) -> None:
    with pytest.raises(InputError, match="is a whole number"):
        Stability(seeds, every)


# A run.

VARIANTS = ("pooling: ones", "sampling: hierarchical", "response: logit")


def _plan(*, remember: bool = True) -> Plan:
    every = ablations.variants(MINT(samples=20))
    methods = {name: every[name] for name in (ablations.DEFAULT, *VARIANTS)}
    metrics = {
        "deletion": Deletion(steps=4),
        "insertion": Insertion(steps=4),
        "pointing": Pointing(tolerance=20.0),
        "fine fidelity held out": Fidelity("fine", held_out=True),
        "stability": Stability(seeds=2),
    }
    return Plan(
        "ablations",
        "For tests.",
        (Part("noise", ("tiny",), methods, metrics, 2, remembering=remember),),
        report="ablation",
    )


def test_remembering_spares_forwards_and_changes_no_score(world: ModuleType, tmp_path: Path) -> None:
    found = run(_plan(), Options(), Store(tmp_path / "one"))
    plain = run(_plan(remember=False), Options(), Store(tmp_path / "other"))
    assert not found.failures
    assert plain.asked == 0
    # Three of the four draw alike, and the map's pictures are those of fidelity and of stability's first seed.
    assert 0 < found.forwarded < 0.5 * found.asked
    for one, other in zip(rows_in(found.records), rows_in(plain.records), strict=True):
        assert {**one, "score": 0} == {**other, "score": 0}
        np.testing.assert_allclose(one["score"], other["score"], rtol=1e-5, atol=1e-6)


def test_the_command_leaves_tables_a_plot_and_a_page_with_the_conclusions(
    world: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PLANS, "ablations", _plan())  # type: ignore[misc]
    out = tmp_path / "out"
    out.mkdir()
    (out / "conclusions.md").write_text("Nothing follows from noise.\n")
    assert main(["run", "--plan", "ablations", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "on the network" in printed
    page = (out / "README.md").read_text()
    assert page.index("Nothing follows") < page.index("How to read")
    assert "were answered from memory" in page
    assert "plots/noise.png" in page
    assert (out / "plots" / "noise.png").stat().st_size > 10_000
    table = pd.read_csv(out / "tables" / "scores.csv")
    assert list(table["method"].unique()) == [ablations.DEFAULT, *VARIANTS]
    scores = table.set_index(["metric", "subset", "method"])["mean"]
    for name in VARIANTS:
        difference = scores["insertion", "all", name] - scores["deletion", "all", name]
        assert scores[REMOVAL, "all", name] == pytest.approx(difference, abs=1e-5)
    inputs = json.loads((out / "provenance.json").read_text())["inputs"]
    assert REMOVAL not in inputs["settings"][0]["metrics"]
    # All of it is found again.
    assert main(["run", "--plan", "ablations", "--out", str(out)]) == 0
    assert "0 cells computed" in capsys.readouterr().out


def test_one_method_and_one_metric_make_a_report_too(
    world: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLANS, "ablations", _plan())  # type: ignore[misc]
    chosen = ["--methods", ablations.DEFAULT, "--metrics", "deletion", "--limit", "1"]
    assert main(["run", "--plan", "ablations", "--out", str(tmp_path / "out"), *chosen]) == 0
    assert (tmp_path / "out" / "README.md").is_file()


# What is called clear.


def _records(effects: dict[str, dict[str, float]], pictures: int = 10) -> Records:
    """So many pictures; insertion is the default's plus each network's effect, give or take .01; deletion is 0."""
    rows, settings = [], []
    metrics = {"insertion": paper.metric("Insertion()"), "deletion": paper.metric("Deletion()", "lower")}
    for network, by_method in effects.items():
        for method, effect in {ablations.DEFAULT: 0.0, **by_method}.items():
            for i in range(pictures):
                wobble = 0.01 * (-1) ** i if method != ablations.DEFAULT else 0.0
                for metric, score in (("insertion", 0.5 + i / 100 + effect + wobble), ("deletion", 0.0)):
                    rows.append(paper.row(method, metric, f"case-{i}", score, network=network))
        methods = [ablations.DEFAULT, *by_method]
        about = {"name": network, "input_size": 20, "weights_sha256": "0" * 64}
        settings.append(paper.setting(methods, metrics, pictures, network=about, nulls=[]))
    return paper.records(rows, settings)


def test_clear_is_what_each_network_shows_by_itself(tmp_path: Path) -> None:
    effects = {
        "one": {"a: 1": 0.1, "a: 2": 0.1, "a: 3": 0.1, "a: 4": -0.1},
        "two": {"a: 1": 0.1, "a: 2": 0.0, "a: 3": -0.1, "a: 4": -0.1},
    }
    records = _records(effects)
    summary = summarise(with_removal(records))
    found = {row[0].text: row[1].text for row in clear_table(summary).rows}
    assert found == {"a: 1": "rises", "a: 4": "falls"}
    one, two = (variant_table(group) for _, group in by_setting(summary))
    bold = [[row[0].text for row in table.rows if row[1].bold] for table in (one, two)]
    assert bold == [["a: 1", "a: 2", "a: 3", "a: 4"], ["a: 1", "a: 3", "a: 4"]]
    assert one.rows[1][1].text == "+0.100"
    said = " ".join(make_ablation_report(records, tmp_path).split())
    assert " Better than default by insertion - deletion on each of the 2 networks by itself: a: 1." in said
    assert " Worse than default by insertion - deletion on each of the 2 networks by itself: a: 4." in said
    page = (tmp_path / "README.md").read_text()
    assert "| a: 4 | falls |" in page
    assert "+0.100" in page
    assert "With 10 pictures, bootstrap intervals are too narrow" in page


@pytest.mark.parametrize(("pictures", "word"), [(FEWEST_CASES - 1, ""), (FEWEST_CASES, "rises")])
def test_nothing_is_clear_of_fewer_cases_than_a_test_of_signs_needs(pictures: int, word: str) -> None:
    assert 2 / 2**FEWEST_CASES < 0.05 < 2 / 2 ** (FEWEST_CASES - 1)
    summary = summarise(with_removal(_records({"one": {"a: 1": 0.1}}, pictures)))
    assert [row[1].text for row in clear_table(summary).rows] == [word] * bool(word)
    assert variant_table(summary).rows[1][1].bold == bool(word)


def test_cases_of_one_picture_count_once_where_pictures_are_too_few(tmp_path: Path) -> None:
    records = _records({"one": {"a: 1": 0.1}}, 20)
    paired = records.scores["case"].str.removeprefix("case-").astype(int) // 2
    make_ablation_report(dataclasses.replace(records, scores=records.scores.assign(picture=paired.map(str))), tmp_path)
    assert "With 10 pictures, bootstrap intervals are too narrow" in (tmp_path / "README.md").read_text()
