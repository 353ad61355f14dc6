import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmarks.networks.network import Network, load_network
from benchmarks.run import timing
from benchmarks.studies.speed import command, peers, ratios, rounds
from benchmarks.studies.speed.contestants import subject_of
from benchmarks.studies.speed.precisions import compare_precisions
from benchmarks.studies.speed.rounds import BARE, Contestant, in_turn, left_out, summary, warm_up, with_ratios


@pytest.fixture(autouse=True)
def _few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(timing.BATCH_SIZES, "cpu", (4, 8))
    monkeypatch.setitem(timing.TRIES, "cpu", 1)


@pytest.fixture
def network() -> Network:
    return load_network("scenes-vgg")


def asks(network: Network, name: str, pictures: int, **more: Any) -> Contestant:
    """A contestant that sends so many pictures through the network."""
    images = torch.zeros(pictures, 3, 112, 112)
    return Contestant(name, lambda: network.module(images), pictures, **more)


def test_every_contestant_is_measured_by_its_own_number_of_forwards(network: Network) -> None:
    bare, others = command.lineup(network, samples=20, pictures=(1, 2))
    table = summary(with_ratios(list(in_turn(network, bare, others, rounds=1))))
    forwards = table.set_index(["contestant", "pictures"])["forwards"]
    assert forwards[BARE, 1] in (4, 8)  # a batch of the size that was the fastest
    assert forwards["MINT", 1] == forwards["OverlayMINT", 1] == 21
    assert forwards["MINT", 2] == 42
    # 112 steps a curve: the points between the ends, and the ends, of which both curves share the whole picture.
    assert forwards["deletion + insertion", 1] == 2 * 111 + 3
    assert forwards["occlusion", 1] == 170
    tuned = ["Captum's LIME, tuned", "Captum's occlusion, tuned", "Captum's KernelSHAP, tuned"]
    assert forwards[[(name, 1) for name in tuned]].tolist() == [20, 170, 20]
    assert forwards["Captum's LIME, tuned", 2] == 40
    assert table["ratio to bare forwards"].gt(0).all()


@pytest.mark.parametrize(("device", "ran"), [("cpu", ["small", "small"]), ("cuda", ["full", "small"])])
def test_a_gpu_is_warmed_up_by_the_sizes_that_are_timed(network: Network, device: str, ran: list[str]) -> None:
    seen: list[str] = []
    full, small = (
        [Contestant(name, lambda what=what: seen.append(what), 1, once=name == "slow") for name in ("fast", "slow")]
        for what in ("full", "small")
    )
    warm_up(replace(network, device=torch.device(device)), full, small)
    assert seen == ran


def test_a_network_may_answer_in_another_form(network: Network) -> None:
    class Tupled(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
            return (network.module(images),)

    tupled = replace(network, module=Tupled())
    assert torch.equal(subject_of(tupled, 2).targets, subject_of(network, 2).targets)


def test_a_ratio_is_to_the_bare_forwards_around_it(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([2.0, 9.0, 4.0, 8.0, 6.0])
    monkeypatch.setattr(rounds, "seconds_of", lambda run, _device: (run(), next(taken))[1])
    bare, one = asks(network, BARE, 2), asks(network, "one", 3)
    table = with_ratios(list(in_turn(network, bare, [one], rounds=2)))
    assert table["contestant"].tolist() == [BARE, "one", BARE, "one", BARE]
    # Blocks of two at 1, 2 and 3 seconds a picture.
    expected = [1 / 2, 9 / (3 * 1.5), 1, 8 / (3 * 2.5), 3 / 2]
    assert table["ratio"].tolist() == pytest.approx(expected)


def test_what_is_slow_is_timed_once(network: Network) -> None:
    others = [asks(network, "slow", 2, once=True), asks(network, "fast", 1)]
    table = pd.DataFrame(in_turn(network, asks(network, BARE, 1), others, rounds=3))
    assert table["contestant"].value_counts().to_dict() == {BARE: 5, "fast": 3, "slow": 1}


def test_what_would_not_end_in_time_is_left_out_and_named(network: Network) -> None:
    long = Contestant("long", lambda: None, 10**9, "batch 1")  # so many forward passes, as it says
    others = [long, asks(network, "short", 1)]
    table = with_ratios(list(in_turn(network, asks(network, BARE, 4), others, rounds=2, until=time.monotonic() + 60)))
    assert left_out(table) == "long, batch 1, round 1, 2"
    assert set(summary(table)["contestant"]) == {BARE, "short"}
    assert left_out(table[table["contestant"] == "short"]) == ""


def test_precisions_are_compared_with_float32() -> None:
    table = compare_precisions(lambda: load_network("scenes-vgg"), 40, math.inf).set_index("precision")
    assert table.loc["float32", ["times as fast", "rank correlation"]].tolist() == pytest.approx([1, 1])
    # On a CPU there is no tf32.
    assert table.loc["tf32", "rank correlation"] == pytest.approx(1)
    assert table.loc["tf32", "deletion, difference"] == 0
    assert table.loc["bfloat16", "rank correlation"] < 1
    assert abs(table.loc["bfloat16", "deletion, difference"]) < 0.2


def arguments(folder: Path, *more: str) -> list[str]:
    options = ["--network", "scenes-vgg", "--samples", "20", "--rounds", "1", "--device", "cpu"]
    return [*options, "--out", str(folder), *more]


def few(network: Network, *_: object, **__: object) -> tuple[Contestant, list[Contestant]]:
    return asks(network, BARE, 2), [asks(network, "MINT", 2), Contestant("huge", lambda: None, 10**9)]


def test_the_command_writes_a_page_and_its_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "lineup", few)
    assert command.main(arguments(tmp_path, "--minutes", "1")) == 0
    page = (tmp_path / "speed-cpu.md").read_text()
    assert "| MINT " in page
    assert "| huge " not in page
    assert "Left out, as 1 minutes would have passed (--minutes sets how many): huge, round 1." in page
    assert "Precision" not in page
    told = capsys.readouterr().err
    assert "MINT: 0.0" in told
    assert "huge: left out" in told
    times = pd.read_csv(tmp_path / "speed-cpu.csv")
    assert times["contestant"].tolist() == [BARE, "MINT", BARE, "huge"]
    assert times["seconds"].isna().tolist() == [False, False, False, True]


def test_a_study_that_is_stopped_has_written_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: Any) -> Iterator[dict[str, Any]]:
        turns = in_turn(*given)
        yield next(turns)
        yield next(turns)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "lineup", few)
    monkeypatch.setattr(command, "in_turn", stopped)
    with pytest.raises(KeyboardInterrupt):
        command.main(arguments(tmp_path))
    assert pd.read_csv(tmp_path / "speed-cpu.csv")["contestant"].tolist() == [BARE, "MINT"]


def test_a_peer_that_is_not_installed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "MODULES", {"No-Such": "no_such_tool"})
    assert command.main(arguments(tmp_path, "--peers")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: No-Such cannot be imported")
    assert "tox exec -e peers -- python -m benchmarks study speed --peers" in line
    assert not list(tmp_path.iterdir())


def test_a_faster_peer_is_named() -> None:
    rows = [
        (BARE, "", 4, 1.0),
        ("this suite", "curve", 40, 1.2),
        ("tool", "curve", 20, 1.2),
        ("slow", "curve", 40, 3.0),
    ]
    columns = ["contestant", "task", "forwards", "ratio to bare forwards"]
    summed = pd.DataFrame(rows, columns=columns).assign(setting="", **{"median s": 1.0})
    table = peers.table_of(summed)
    assert table[peers.TIMES].tolist() == pytest.approx([1, 0.5, 2.5])
    assert peers.faster(table) == "Faster than this suite: tool (curve: 0.50 times this suite's time)."
    assert peers.faster(table[table["contestant"] != "tool"]).startswith("No peer")


def test_without_the_suite_s_own_time_there_is_no_ratio_to_it() -> None:
    rows = [(BARE, "", 4, 1.0), ("tool", "curve", 20, 1.2), ("slow", "curve", 40, 0.3)]
    columns = ["contestant", "task", "forwards", "ratio to bare forwards"]
    table = peers.table_of(pd.DataFrame(rows, columns=columns).assign(setting="", **{"median s": 1.0}))
    assert table[peers.TIMES].isna().all()


def test_a_ratio_that_is_worse_by_a_fifth_is_marked(tmp_path: Path) -> None:
    file = tmp_path / "speed" / "ratios.json"
    assert ratios.kept("here", file) == {}
    ratios.keep("here", {"MINT": 2.0, "ROAD": 5.0}, file)
    ratios.keep("there", {"MINT": 1.0}, file)
    ratios.keep("here", {"MINT": 1.5, "ROAD": 5.0}, file)
    assert ratios.kept("there", file) == {"MINT": 1.0}
    worse, same, new = ratios.compare({"MINT": 1.8, "ROAD": 5.9, "SRG": 1.0}, ratios.kept("here", file))
    assert worse == "MINT: 1.80 times its bare forward passes, 1.50 kept  <-- WORSE BY A FIFTH OR MORE"
    assert same == "ROAD: 5.90 times its bare forward passes, 5.00 kept"
    assert "none kept" in new


def test_the_engines_ratios_are_measured(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "SAMPLES", 20)
    monkeypatch.setattr(ratios, "ROUNDS", 1)
    found = ratios.measure(network)
    assert set(found) == {"MINT", "OverlayMINT", "deletion + insertion", "SRG", "ROAD", "occlusion"}
    assert min(found.values()) > 0
