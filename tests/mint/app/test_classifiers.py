"""Classifiers of the user's: files, class names, and what errors say."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mint.app.torchvision_ops  # noqa: F401
from mint.app.classifiers import Classifier, Preprocessing, class_names, load_classifier, read_classes
from mint.contract import InputError

NETS = """
import torch
from torch import nn
from beside import OUTPUTS
from mint.app.classifiers import Classifier
from torchvision.models import squeezenet1_1


def tiny():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, OUTPUTS))
    network.classes = {1: "bee", 0: "ant"}
    return network


def numbered():
    network = tiny()
    network.classes = {"ant": 0, "crane": 2}
    return network


def scripted():
    network = tiny().eval()
    return Classifier(torch.jit.script(network))


def exported():
    return Classifier(torch.export.export(tiny(), (torch.zeros(1, 3, 8, 8),)).module())


def leaves():
    raise SystemExit(3)
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    (tmp_path / "beside.py").write_text("OUTPUTS = 2\n")
    (tmp_path / "nets.py").write_text(NETS)
    yield tmp_path / "nets.py"
    sys.modules.pop("beside", None)
    sys.modules.pop("_users_network_nets", None)


def test_a_file_with_a_module_beside_it_is_run(nets: Path) -> None:
    assert load_classifier(f"{nets}:tiny").classes == ("ant", "bee")
    assert load_classifier(f"{nets}:tiny", classes=("x", "y")).classes == ("x", "y")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["scripted", "exported"])
def test_what_is_scripted_or_exported_is_made_ready_as_it_is(nets: Path, name: str) -> None:
    module = load_classifier(f"{nets}:{name}").module
    assert module(torch.ones(1, 3, 8, 8)).shape == (1, 2)
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("{}:numbered", r"class names of .*nets.py:numbered must be a list, or a mapping"),
        ("{}:tyni", "has no 'tyni'; the nearest are tiny"),
        ("{}:leaves", "nets.py:leaves could not be called without arguments: SystemExit: 3"),
        ("{}x.py:tiny", "nets.pyx.py of --model does not exist"),
    ],
)
def test_errors_name_the_users_function(nets: Path, name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_classifier(name.format(nets))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["a", "b"], ("a", "b")),
        ({0: "a", 1: "b"}, ("a", "b")),
        ({"1": "b", "0": "a"}, ("a", "b")),
        ({"b": 1, "a": 0}, ("a", "b")),
        ({"1": ["n01443537", "b"], "0": ["n01440764", "a"]}, ("a", "b")),
        ({}, ()),
        ((5, 6), ("5", "6")),
    ],
)
def test_class_names_come_in_the_order_of_the_outputs(given: Any, names: tuple[str, ...], tmp_path: Path) -> None:
    assert class_names(given, "mine") == names
    if names:
        (tmp_path / "names.json").write_text(json.dumps(given))
        assert read_classes(tmp_path / "names.json") == names


@pytest.mark.parametrize("given", ["ant", 5, {0: "a", 2: "b"}, {"a": 1, "b": 1}, {"x": "y"}, None])
def test_what_names_no_classes_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="the class names of mine must be a list, or a mapping"):
        class_names(given, "mine")


def test_a_list_of_names_gives_torchvisions_network_its_head(tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.save(squeezenet1_1(num_classes=3).state_dict(), tmp_path / "w.pth")
    (tmp_path / "names.txt").write_text("ant\n\nbee\ncrane \n")
    names = read_classes(tmp_path / "names.txt")
    found = load_classifier("squeezenet1_1", tmp_path / "w.pth", classes=names)
    assert found.classes == ("ant", "bee", "crane")
    assert found.module(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
    with pytest.raises(InputError, match="--classes FILE"):
        load_classifier("squeezenet1_1", tmp_path / "w.pth")


def test_a_file_without_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n")
    with pytest.raises(InputError, match=r"names.txt holds no class names; write one in each line"):
        read_classes(tmp_path / "names.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_classes(tmp_path / "nowhere.txt")


def test_brackets_without_end_are_no_json(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("[" * 100_000)
    assert len(read_classes(tmp_path / "names.txt")) == 1


@pytest.mark.parametrize("name", ["7", "null", "true", "1e5", '"ant"', "NaN"])
def test_a_name_that_happens_to_be_json_is_a_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(f"{name}\n")
    assert read_classes(tmp_path / "names.txt") == (name,)


def test_a_number_of_thousands_of_digits_is_none_of_an_output(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(json.dumps({"9" * 5000: "cat"}))
    with pytest.raises(InputError, match="must be a list, or a mapping from the numbers 0, 1"):
        read_classes(tmp_path / "names.txt")


def test_a_file_may_import_what_lies_in_the_current_folder(
    nets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command mint, unlike python -m mint, does not look there by itself: a network of docs/yours needs it."""
    (tmp_path / "elsewhere").mkdir()
    nets.rename(tmp_path / "elsewhere" / "nets.py")
    monkeypatch.chdir(tmp_path)
    assert load_classifier("elsewhere/nets.py:tiny").classes == ("ant", "bee")


@pytest.mark.parametrize(
    ("name", "size", "classes"),
    [("mine:plain", 48, ("a", "b", "c", "d", "e")), ("mine:bare", 224, ()), ("mine:instance", 224, ())],
)
def test_what_a_function_leaves_out_has_defaults(desk: Path, name: str, size: int, classes: tuple[str, ...]) -> None:
    classifier = load_classifier(name)
    assert not classifier.module.training
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())
    assert classifier.preprocess == Preprocessing(size)
    assert classifier.classes == classes


def test_preprocessing_cuts_out_the_middle_and_normalises() -> None:
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, 20:60] = (255, 0, 51)
    image = Preprocessing(20, (0.5, 0.5, 0.2), (0.5, 0.25, 0.1))(Image.fromarray(pixels))
    assert image.dtype == torch.float32
    torch.testing.assert_close(image[:, 5:15, 5:15], torch.tensor([1.0, -2.0, 0.0])[:, None, None].expand(3, 10, 10))


def test_a_file_of_torchvisions_brings_its_transforms(desk: Path) -> None:
    from torchvision.models import MobileNet_V2_Weights as Weights
    from torchvision.models import mobilenet_v2

    files = {each: desk / each.url.rsplit("/", 1)[-1] for each in (Weights.IMAGENET1K_V1, Weights.IMAGENET1K_V2)}
    for file in (*files.values(), desk / "mine.pth"):
        torch.save(mobilenet_v2().half().state_dict(), file)
    sizes = {each: load_classifier("mobilenet_v2", file).preprocess.resize_size for each, file in files.items()}
    assert sizes == {Weights.IMAGENET1K_V1: [256], Weights.IMAGENET1K_V2: [232]}
    assert load_classifier("mobilenet_v2", desk / "mine.pth").preprocess.resize_size == [256]


def test_what_only_training_needs_may_be_in_the_file(desk: Path) -> None:
    from torchvision.models import googlenet

    trained = googlenet(weights=None, transform_input=True, init_weights=False).eval()
    torch.save(trained.state_dict(), desk / "googlenet.pth")
    loaded = load_classifier("googlenet", desk / "googlenet.pth").module
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), trained(image), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["scenes:scenes_vgg", "efficientnet:efficientnet_lite0"])
def test_every_network_without_a_download_is_a_classifier(name: str) -> None:
    if name.startswith("efficientnet"):
        pytest.importorskip("efficientnet_lite_pytorch", reason="needs the photos extra")
    classifier = load_classifier(f"benchmarks.networks.{name}")
    assert isinstance(classifier, Classifier)
    image = classifier.preprocess(Image.new("RGB", (300, 200), (200, 100, 50)))
    with torch.no_grad():
        assert classifier.module(image[None]).shape == (1, len(classifier.classes))


def test_a_function_may_refuse_in_its_own_words(desk: Path) -> None:
    (desk / "mine.py").write_text(
        "from mint import InputError\n\ndef picky():\n    raise InputError('no weights here.')\n"
    )
    with pytest.raises(InputError, match=r"^no weights here\.$"):
        load_classifier("mine:picky")
