"""Weights: files as a whole, and what is inside a file whose archive is sound."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from fuzz.harness import Harness
from mint.app.weights import fit_state, read_state


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))


def _saved(content: object, **options: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def archives(_folder: Path) -> list[bytes]:
    state = network().state_dict()
    wrapped = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    odd = {**state, "0.bias": torch.zeros(2).to_sparse(), "1.bias": torch.zeros(2, dtype=torch.complex64)}
    return [
        *map(_saved, (state, wrapped, odd)),
        _saved(state, _use_new_zipfile_serialization=False),
        _saved(network()),
    ]


def pickles(folder: Path) -> list[bytes]:
    found = []
    for whole in archives(folder):
        if zipfile.is_zipfile(io.BytesIO(whole)):
            with zipfile.ZipFile(io.BytesIO(whole)) as archive:
                found.append(archive.read("archive/data.pkl"))
    return found


def safetensors(_folder: Path) -> list[bytes]:
    return [save(network().state_dict())]


def _fitted(file: Path, data: bytes) -> bool:
    file.write_bytes(data)
    module = network()
    fit_state(module, read_state(file, "a network"), "a network", file)
    assert all(tensor.is_cpu for tensor in module.state_dict().values())
    return True


def read_archive(data: bytes, folder: Path) -> bool:
    return _fitted(folder / "weights.pth", data)


def read_pickle(data: bytes, folder: Path) -> bool:
    """Put a pickle into an archive whose checksums are right."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(_saved(network().state_dict()))) as sound,
        zipfile.ZipFile(stream, "w") as archive,
    ):
        for name in sound.namelist():
            archive.writestr(name, data if name.endswith("data.pkl") else sound.read(name))
    return _fitted(folder / "weights.pth", stream.getvalue())


def read_safetensors(data: bytes, folder: Path) -> bool:
    return _fitted(folder / "weights.safetensors", data)


TOKENS: Sequence[bytes] = (
    *(b"ctorch\nSize\n", b"ccollections\nOrderedDict\n", b"cbuiltins\nset\n", b"ctorch._utils\n_rebuild_tensor_v2\n"),
    *(b"FloatStorage", b"LongStorage", b"HalfStorage", b"cpu", b"cuda", b"meta", b"K\x02", b"J\xff\xff\xff\x7f"),
    *(b"F32", b"F64", b"BOOL", b'"shape":[', b'"data_offsets":[0,', b"\x80\x02", b"q\x00", b"R", b"."),
)
HARNESSES = (
    Harness("weights", archives, read_archive, TOKENS),
    Harness("weights-pickle", pickles, read_pickle, TOKENS),
    Harness("weights-safetensors", safetensors, read_safetensors, TOKENS),
)
