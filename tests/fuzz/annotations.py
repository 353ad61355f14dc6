"""The files of a folder in ImageNet's layout: the boxes' XML and the list of classes."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from PIL import Image

from benchmarks.datasets import DataOptions
from benchmarks.datasets.imagenet import imagenet_folder
from benchmarks.networks.network import Network
from benchmarks.networks.torchvision import imagenet_classes
from fuzz.harness import Harness
from mint.app.classifiers import Preprocessing

WNIDS = [f"n{10 * index:08d}" for index in range(1000)]
XML = (
    "<annotation><size><width>64</width><height>48</height></size><object><name>{0}</name><bndbox><xmin>3</xmin>"
    "<ymin>4</ymin><xmax>40</xmax><ymax>30</ymax></bndbox></object></annotation>"
)


def annotations(_folder: Path) -> list[bytes]:
    heads = ("", '<?xml version="1.0" encoding="utf-8"?>', '<!DOCTYPE a [<!ENTITY b "3">]>')
    return [(head + XML.format(WNIDS[3])).encode() for head in heads]


def classes(_folder: Path) -> list[bytes]:
    return ["\n".join(f"{wnid} a name, another" for wnid in WNIDS).encode()]


@cache
def _network() -> Network:
    return Network("resnet18", torch.nn.Identity(), Preprocessing(28), imagenet_classes())


def _laid_out(folder: Path, where: str) -> Path:
    for name in ("Annotations/CLS-LOC/val", where):
        (folder / name).mkdir(parents=True, exist_ok=True)
    picture = folder / where / "a.JPEG"
    if not picture.is_file():
        Image.new("RGB", (64, 48)).save(picture)
    return folder


def read_annotation(data: bytes, folder: Path) -> bool:
    _laid_out(folder, f"val/{WNIDS[3]}")
    (folder / "synset_words.txt").write_text("\n".join(WNIDS), encoding="utf-8")
    (folder / "Annotations/CLS-LOC/val/a.xml").write_bytes(data)
    [case] = imagenet_folder(_network(), DataOptions(folder))
    assert case.target == 3
    assert case.region is None or case.region.shape == (28, 28)
    return True


def read_classes(data: bytes, folder: Path) -> bool:
    _laid_out(folder, f"val/{WNIDS[3]}")
    (folder / "synset_words.txt").write_bytes(data)
    [case] = imagenet_folder(_network(), DataOptions(folder))
    return 0 <= case.target < 1000


TOKENS: Sequence[bytes] = (
    *(b"<object>", b"</object>", b"<xmax>", b"&b;", b"<![CDATA[", b"<!--", b"\0", b"\xff", b"inf", b"-inf"),
    *(b'<?xml version="1.0" encoding="utf-16"?>', b'<?xml version="1.0" encoding="odd"?>'),
)
LAUGHS = '<!DOCTYPE a [<!ENTITY a0 "ha">{}]><annotation>&a30;</annotation>'.format(
    "".join(f'<!ENTITY a{i + 1} "&a{i};&a{i};">' for i in range(30))
)
FOUND = (
    b'<?xml version="1.0" encoding="odd"?><annotation/>',
    XML.format(WNIDS[3]).replace("40", "inf").encode(),
    XML.format(WNIDS[3]).replace("64", "1e-320").encode(),
    LAUGHS.encode(),
    b"<object>" * 100_000,
)
HARNESSES = (
    Harness("annotations", annotations, read_annotation, TOKENS, FOUND),
    Harness("synsets", classes, read_classes, (b"\n", b"n00000010", b"\xff", b"\0"), (b"\xff\xfe",)),
)
