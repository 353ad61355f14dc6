"""``mint explain``, on networks that need no download."""

import re
import runpy
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from examples import SmallCNN
from PIL import Image
from torch import Tensor, nn

import mint.app.torchvision_ops  # noqa: F401
from mint.app.cli import _parser, main
from mint.app.describe import describe
from mint.fidelity import UntilSettled
from mint.method import MINT
from mint.surrogate import Surrogate

ROOT = Path(__file__).resolve().parents[3]


def explain(*arguments: str) -> int:
    return main(["explain", *arguments, "--samples", "20"])


def test_a_picture_is_explained(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("ant.png", "--model", "mine:named", "--top", "2", "--seed", "3") == 0
    text = capsys.readouterr().out
    first, second, *probabilities = text.split("\n\n")[0].splitlines()
    assert first == "ant.png: 80 x 60, seen by mine:named as 40 x 40"
    assert second.startswith("  not in its own proportions: the network's preprocess crops or stretches it")
    found = [float(re.match(r" +([\d.]+)%  \S+$", line)[1]) for line in probabilities]
    assert found == sorted(found, reverse=True)
    assert sum(found) == pytest.approx(100, abs=0.1)
    assert len(re.findall(r"^g\(X\)|^  g\(X\)", text, flags=re.M)) == 2
    assert len(re.findall(r"^  coarse    (one|none) of \d+ regions", text, flags=re.M)) == 2
    assert len(re.findall(r"^  fine      \d+ of \d+ super-pixels", text, flags=re.M)) == 2
    assert len(re.findall(r"^  fidelity  R\^2 -?[\d.]+ coarse", text, flags=re.M)) == 2
    assert "layers stem and trunk; 20 samples, seed 3;" in text
    assert text.endswith("\npanel: ant-mint.png\n")
    with Image.open(desk / "ant-mint.png") as panel:
        assert panel.height > 2 * 400  # a row for each class


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_network_is_explained_without_a_gradient(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("ant.png", "--model", "mine:scripted") == 0
    found = capsys.readouterr()
    assert "made by   SLIC alone" in found.out
    assert "the network is scripted or traced, and its layers cannot be read" in found.err


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("vit", "layers encoder.layers.encoder_layer_0 and encoder.layers.encoder_layer_1"),
        ("swin", "layers features.1 and permute"),
    ],
)
def test_a_transformer_is_explained(desk: Path, name: str, layers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("ant.png", "--model", f"mine:{name}", "--methods", "mint,overlay") == 0
    assert layers in capsys.readouterr().out
    assert (desk / "ant-mint.png").stat().st_size > 10_000


def test_a_network_of_one_output_asks_for_another_score(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "names.txt").write_text("bee\nno bee\n")
    assert explain("ant.png", "--model", "mine:single") == 2
    assert "softmax of one output is always 1" in capsys.readouterr().err
    assert explain("ant.png", "--model", "mine:single", "--score", "sigmoid", "--classes", "names.txt") == 0
    text = capsys.readouterr().out
    assert sum(map(float, re.findall(r"^ +([\d.]+)%  (?:no )?bee$", text, flags=re.M))) == pytest.approx(100, abs=0.02)
    assert "the sigmoid\n" in text


def test_a_score_may_be_a_function_of_the_users(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "scores.py").write_text(
        "def half(answers):\n    return answers / 2\n\ndef bad(answers):\n    return {}[1]\n"
    )
    for score in ("logit", "scores.py:half"):
        assert explain("ant.png", "--model", "mine:named", "--score", score) == 0
    logit, half = re.findall(r"^ +(-?[\d.]+)  \w+$", capsys.readouterr().out, flags=re.M)[::5]
    assert float(half) == pytest.approx(float(logit) / 2, rel=1e-2)
    assert explain("ant.png", "--model", "mine:named", "--score", "scores.py:bad") == 2
    assert "the score bad failed: KeyError: 1 (in bad, scores.py line 5)." in capsys.readouterr().err


def test_an_error_of_the_network_s_own_code_is_one_sentence(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "later.py").write_text(
        "import mine\n\ndef network():\n    made = mine.named()\n"
        "    made.module.stem.register_forward_pre_hook(lambda _, given: None if len(given[0]) < 9 else 1 / 0)\n"
        "    return made\n"
    )
    assert explain("ant.png", "--model", "later.py:network") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(
        "error: ZeroDivisionError: division by zero (in network.<locals>.<lambda>, later.py line 5)"
    )


def test_a_softmax_inside_the_network_is_warned_of(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("ant.png", "--model", "mine:softmaxed") == 0
    assert capsys.readouterr().err.startswith("warning: the network's answers seem to be probabilities already")
    assert explain("ant.png", "--model", "mine:softmaxed", "--score", "logit") == 0
    assert "warning" not in capsys.readouterr().err


def test_classes_are_chosen_by_name_or_number(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("ant.png", "--model", "mine:named", "--class", "BEE", "--class", "3", "--out", "two.pdf") == 0
    text = capsys.readouterr().out
    assert "\nbee (class 1)\n" in text
    assert "\ncrane (class 3)\n" in text
    assert (desk / "two.pdf").read_bytes().startswith(b"%PDF")


def test_layers_can_be_named(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layers = ("--shallow-layer", "stem.0", "--deep-layer", "trunk.4")
    assert explain("ant.png", "--model", "mine:plain", *layers, "--contours") == 0
    assert "layers stem.0 and trunk.4;" in capsys.readouterr().out


def test_a_layer_that_is_not_named_is_found(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("ant.png", "--model", "mine:plain", "--deep-layer", "trunk.4") == 0
    assert "layers stem and trunk.4;" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "samples"), [([], 1000), (["--samples", "auto"], UntilSettled()), (["--samples", "7"], 7)]
)
def test_samples_are_a_number_or_found(given: list[str], samples: int | UntilSettled) -> None:
    assert _parser().parse_args(["explain", "ant.png", "--model", "m:f", *given]).samples == samples


def test_a_single_sample_is_refused_before_the_network_is_made() -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["explain", "ant.png", "--model", "m:f", "--samples", "01"])


def test_without_names_classes_have_numbers(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = SmallCNN()
    nn.init.zeros_(weights.head.weight)
    weights.head.bias.data = torch.tensor([0.0, 0.0, 9.0, 0.0, 0.0])
    torch.save(weights.half().state_dict(), desk / "weights.pth")
    assert explain("ant.png", "--model", "mine:constant", "--weights", "weights.pth") == 0
    text = capsys.readouterr().out
    assert "99.95%  class 2\n" in text
    assert "\nclass 2\n" in text


def test_an_abstention_is_described_with_its_reason(small_cnn: SmallCNN, images: Tensor) -> None:
    found = MINT(samples=20).explain(small_cnn, images[0], 3)
    lines = describe(replace(found, chosen_coarse=None, abstention="the reason", chosen_fine=()))
    assert lines[1] == f"coarse    none of {len(found.u_c)} regions: the reason"
    assert lines[2] == f"fine      0 of {len(found.u_f)} super-pixels"


def test_a_fit_that_is_worse_than_a_constant_is_said_to_be(small_cnn: SmallCNN, images: Tensor) -> None:
    found = MINT(samples=100, response="logit", surrogate=Surrogate(intercept=True)).explain(small_cnn, images[0], 3)
    assert found.fidelity.fine_held_out > 0
    assert not any("not better than a constant" in line for line in describe(found))
    noise = torch.randn(100, generator=torch.Generator().manual_seed(0)).double()
    lines = describe(replace(found, answers=noise))
    assert any("not better than a constant on samples held out" in line for line in lines)


NEEDS = ["ant.png", "--model", "mine:named"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.png", "--model", "mine:named"], "the picture nowhere.png does not exist"),
        (["mine.py", "--model", "mine:named"], "the picture mine.py cannot be decoded"),
        (["empty", "--model", "mine:named"], "the folder empty holds no picture (.bmp, .gif"),
        ([*NEEDS, "--score", "softmax"], "invalid choice: 'softmax'"),
        ([*NEEDS, "--methods", "lime"], "'lime' is neither mint nor mint,overlay"),
        ([*NEEDS, "--seed", "-1"], "'-1' is not a whole number from 0 to 2^63 - 1"),
        ([*NEEDS, "--classes", "nowhere.txt"], "the class names in nowhere.txt cannot be read"),
        (["ant.png", "deep.png", "--model", "mine:named", "--out", "a.png"], "--out a.png must be a folder, as there"),
        (["deep.png", "--model", "mine:named"], "the picture deep.png has pixels of mode 'I;16', not 8-bit"),
        (["ant.png"], "the following arguments are required: --model"),
        ([*NEEDS, "--top", "0"], "'0' is not a positive integer"),
        ([*NEEDS, "--top", "2", "--class", "ant"], "not allowed with argument"),
        ([*NEEDS, "--samples", "1"], "a whole number, 2 or more, not 1"),
        ([*NEEDS, "--minimal-importance", "-1"], "'-1' is not a number from 0"),
        ([*NEEDS, "--minimal-importance", "nan"], "'nan' is not a number from 0"),
        ([*NEEDS, "--minimal-importance", "low"], "'low' is not a number from 0"),
        ([*NEEDS, "--class", "be"], "unknown class 'be'; the nearest are bee, "),
        ([*NEEDS, "--class", "dgo"], "unknown class 'dgo'; the nearest are Dog, "),
        ([*NEEDS, "--class", "crane"], "several classes are called 'crane'; choose by number: 2, 3."),
        ([*NEEDS, "--class", "5"], "there is no class 5; the network has 5, 0 to 4."),
        ([*NEEDS, "--out", "panel.doc"], "--out panel.doc must end in one of ."),
        ([*NEEDS, "--out", "nowhere/panel.png"], "the folder nowhere of --out does not exist"),
        ([*NEEDS, "--device", "warp"], "the device 'warp' cannot be used"),
        ([*NEEDS, "--device", "meta"], "the device 'meta' cannot be used"),
        ([*NEEDS, "--weights", "nowhere.pth"], "file nowhere.pth for mine:named does not exist; check --weights"),
        ([*NEEDS, "--weights", "empty"], "file empty for mine:named is a folder; check --weights"),
        ([*NEEDS, "--weights", "ant.png"], "cannot be read as a state dict"),
        ([*NEEDS, "--shallow-layer", "stme"], "no layer 'stme'; the nearest names are stem"),
        (["ant.png", "--model", "resnet5"], "torchvision has no classifier 'resnet5'; the nearest are resnet50, "),
        (["ant.png", "--model", "nowhere:named"], "the module 'nowhere' of --model cannot be imported: ModuleNotFound"),
        (["ant.png", "--model", "mine:nmaed"], "the module 'mine' has no 'nmaed'; the nearest are named, "),
        (["ant.png", "--model", "mine:picky"], "mine:picky could not be called without arguments: TypeError"),
        (["ant.png", "--model", "mine:broken"], "mine:broken could not be called without arguments: KeyError: 'lost'"),
        (["ant.png", "--model", "mine:number"], "mine:number returned a int; it must return an nn.Module"),
        (["ant.png", "--model", "mine:miscounted"], "the classifier names 2 classes, but the network answers 5"),
        (
            ["ant.png", "--model", "mine:raw"],
            "the preprocess of mine:raw must return a floating point (c, h, w) tensor, not Image",
        ),
        (["ant.png", "--model", "mine:clumsy"], "the preprocess of mine:clumsy failed: AttributeError"),
        (["ant.png", "--model", "mine:unset"], "the preprocess of mine:unset is a NoneType; it must be a function"),
        (
            ["ant.png", "--model", "mine:dark"],
            "the preprocess of mine:dark returned a picture with NaN or infinite values.",
        ),
        (["ant.png", "--model", "mine:failing"], "a picture of shape (3, 224, 224): KeyError: 'lost' (in failing"),
        (["ant.png", "--model", "mine:silent"], "NaN or infinite values; check its weights"),
    ],
)
def test_bad_input_is_one_sentence(
    desk: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    words = arguments if "--samples" in arguments else [*arguments, "--samples", "20"]
    try:
        status: object = main(["explain", *words])
    except SystemExit as stop:  # argparse's
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(desk.glob("*-mint.png"))


def test_a_torchvision_classifier_with_a_file_of_weights(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from torchvision.models import get_model

    torch.save(get_model("squeezenet1_1", weights=None).half().state_dict(), desk / "mine.pth")
    assert explain("ant.png", "--model", "squeezenet1_1", "--weights", "mine.pth", "--class", "zebra") == 0
    text = capsys.readouterr().out
    assert text.startswith("ant.png: 80 x 60, seen by squeezenet1_1 as 224 x 224\n")
    assert "\nzebra (class 340)\n" in text
    assert "layers features.1 and features.12;" in text


def test_without_a_connection_the_error_says_what_to_pass(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(desk))
    assert explain("ant.png", "--model", "squeezenet1_1") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: torchvision's weights for squeezenet1_1 could not be downloaded (no route to host)")
    assert "pass a local file with --weights" in error
    assert f"squeezenet1_1-b8a52dc0.pth into {desk / 'hub' / 'checkpoints'}" in error


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("torchvision", "torchvision's classifiers need torchvision; install it with pip install"),
        ("PIL", "reading a picture needs pillow; install it with pip install"),
    ],
)
def test_missing_packages_name_the_extra(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert explain("ant.png", "--model", "resnet18") == 2
    assert f'{sentence} "mint-attribution[explain]"' in capsys.readouterr().err


def test_without_tqdm_there_is_no_bar(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tqdm" else find_spec(name))
    assert explain(*NEEDS) == 0


# --- the checkout's networks ------------------------------------------------------------------------------------


SCENE = str(ROOT / "benchmarks" / "assets" / "scenes" / "scene-0003.png")
EMBEDDED = ("--model", "benchmarks.networks.scenes:scenes_resnet")


def test_the_embedded_networks_are_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert explain(SCENE, *EMBEDDED, "--out", str(tmp_path / "panel.png")) == 0
    text = capsys.readouterr().out
    assert "33.82%  checked-star\n" in text
    assert "layers relu and layer4;" in text


@pytest.mark.parametrize(
    ("given", "coarse"),
    [
        ([], r"none of \d regions: the largest coarse importance, 0\.0\d+, is below the minimal importance 0\.05\n"),
        (["--minimal-importance", "0"], r"one of \d regions, .* importance 0\.0\d+\n"),
    ],
)
def test_an_absent_class_has_no_coarse_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: list[str], coarse: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    # Its probability is .008, so the default rule, relative to that, takes noise for a region.
    absent = (*EMBEDDED, "--class", "5", "--out", str(tmp_path / "panel.png"))
    assert main(["explain", SCENE, *absent, "--samples", "50", *given]) == 0
    assert re.search(f"  coarse    {coarse}", capsys.readouterr().out)


# --- ways in ----------------------------------------------------------------------------------------------------


def test_python_m_mint_and_the_script_are_this_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"mint": "mint.app.cli:main"}
    monkeypatch.setattr(sys, "argv", ["mint", "explain", "nowhere.png", "--model", "resnet18"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("mint", run_name="__main__")
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: the picture nowhere.png does not exist.\n"


def test_importing_mint_imports_nothing_optional() -> None:
    # torch itself imports tqdm where it is installed.
    code = (
        "import sys, torch; before = set(sys.modules); import mint, mint.app.cli; "
        "print(*{'torchvision', 'matplotlib', 'PIL', 'tqdm', 'captum'} & {*sys.modules} - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
