"""What the command line refuses, and in which words."""

import pytest

from benchmarks.__main__ import main
from benchmarks.commandline import parser, planned


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (["--plan", "qick"], "unknown plan 'qick'; the nearest are quick"),
        (["--against", "bright"], "--against says with what"),
        (["--method", "random", "--against", "brigth"], "unknown method to compare, 'brigth'; the nearest are bright"),
        (["--networks", "resnet5"], "unknown network 'resnet5'; the nearest are resnet50"),
        (["--methods", "gradcma"], "unknown method 'gradcma'; the nearest are gradcam"),
        (["--metrics", "pionting"], "unknown metric 'pionting'; the nearest are pointing"),
        (["--datasets", "scens"], "unknown dataset 'scens'; the nearest are scenes"),
        (["--method", "nowhere.py:Mine"], "the file nowhere.py given by --method does not exist"),
        (["--device", "toaster"], "the device 'toaster' cannot be used"),
        (["--cases", "11-20"], "of noise, the plan has 10 cases, none from the one numbered 11 on"),
        (["--weights", "tny=x.pth"], "unknown network in --weights, 'tny'; the nearest are tiny"),
        (["--classes", "tny=x.txt"], "unknown network in --classes, 'tny'; the nearest are tiny"),
        (["--classes", "tiny=nowhere.txt"], "the class names in nowhere.txt cannot be read"),
        (["--weights", "tiny=nowhere.pth"], "the weights file nowhere.pth for tiny does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str], extra: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *extra]) == 2
    errors = capsys.readouterr().err.strip()
    assert errors.startswith(f"error: {sentence}")
    assert "\n" not in errors


@pytest.mark.parametrize(
    "extra",
    [
        ["--limit", "0"],
        ["--batch-size", "-1"],
        ["--weights", "x"],
        ["--classes", "x"],
        ["--seed", "x"],
        ["--plan", ","],
        ["--cases", "5"],
        ["--cases", "5-4"],
        ["--metrics", ""],
    ],
)
def test_an_option_that_cannot_be_read_is_status_2(arguments: list[str], extra: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, *extra])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("words", "first", "end"),
    [
        ("--limit 3", 0, 3),
        ("--cases 5-9", 4, 9),
        ("--cases 5-9 --limit 3", 4, 7),
        ("--cases 5-9 --limit 8", 4, 9),
    ],
)
def test_a_limit_counts_from_the_first_case(arguments: list[str], words: str, first: int, end: int) -> None:
    (plan,), how = planned(parser().parse_args([*arguments, *words.split()]))
    assert (how.skipped, {part.limit for part in plan.parts}) == (first, {end})


@pytest.mark.parametrize("command", ["run", "report", "study forwards", "study results"])
def test_an_unknown_option_names_the_help_to_see(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--plam", "quick"])
    assert caught.value.code == 2
    sentence = f"error: unrecognized arguments: --plam quick; see python -m benchmarks {command} --help.\n"
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("seed", ["-1", "1.5", str(2**63), "9" * 5000])
def test_a_seed_outside_its_range_is_refused(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["run", f"--seed={seed}"])
    assert stopped.value.code == 2
    assert "2^63 - 1" in capsys.readouterr().err
