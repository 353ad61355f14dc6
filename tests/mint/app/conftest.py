"""A folder with pictures and networks that need no download."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

MINE = """
import torch
import small_transformers
from examples import SmallCNN
from mint.app.classifiers import Classifier, Preprocessing

def _network():
    torch.manual_seed(0)
    return SmallCNN()

def named():
    return Classifier(_network(), Preprocessing(40), ("ant", "bee", "crane", "crane", "Dog"))

def plain():
    network = _network()
    network.preprocess = Preprocessing(48)
    network.classes = ["a", "b", "c", "d", "e"]
    return network

def bare():
    return _network()

instance = bare()

def vit():
    return Classifier(small_transformers.small_vit(), Preprocessing(32))

def swin():
    return Classifier(small_transformers.small_swin(), Preprocessing(32))

def scripted():
    return Classifier(torch.jit.script(_network().eval()), Preprocessing(40))

def miscounted():
    return Classifier(_network(), classes=("ant", "bee"))

def picky(size):
    return _network()

def broken():
    raise KeyError("lost")

def number():
    return 5

def raw():
    return Classifier(_network(), lambda picture: picture)

def clumsy():
    return Classifier(_network(), lambda picture: picture.nonsense)

def unset():
    return Classifier(_network(), None)

def dark():
    return Classifier(_network(), lambda picture: torch.full((3, 40, 40), float("nan")))

def failing():
    network = _network()
    network.stem.register_forward_pre_hook(lambda *_: {}["lost"])
    return network

def constant():
    network = _network()
    torch.nn.init.zeros_(network.head.weight)
    return Classifier(network, Preprocessing(40))

def single():
    network = _network()
    network.head = torch.nn.Linear(16, 1)
    network.preprocess = Preprocessing(40)
    return network

def softmaxed():
    network = torch.nn.Sequential(_network(), torch.nn.Softmax(dim=1))
    network.preprocess = Preprocessing(40)
    return network

def silent():
    network = _network()
    torch.nn.init.constant_(network.head.bias, float("nan"))
    return network
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder with a picture and a module of networks; it is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (tmp_path / "mine.py").write_text(MINE)
    rows = np.add.outer(np.arange(60), np.arange(80))
    Image.fromarray(np.stack([rows, 2 * rows, 255 - rows], axis=2).astype(np.uint8)).save(tmp_path / "ant.png")
    (tmp_path / "empty").mkdir()
    Image.fromarray((200 * rows).astype(np.uint16)).save(tmp_path / "deep.png")
    # The modules draw their weights from the global generator.
    with torch.random.fork_rng(devices=[]):
        yield tmp_path
    sys.modules.pop("mine", None)
