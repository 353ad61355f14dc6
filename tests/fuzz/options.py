"""The command lines, up to where something would be computed; an input is the arguments, a line each."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import benchmarks.__main__
import mint.app.cli
from benchmarks.registry import KINDS, find
from benchmarks.studies import STUDIES
from fuzz.harness import Harness, NeitherReadNorRefusedError
from mint.app.classifiers import read_classes
from mint.parameters import InputError

NETWORK = """
from torch import nn
from mint.app.classifiers import Classifier, Preprocessing

def tiny():
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(module, Preprocessing(16), ("zebra", "cat"))

def failing():
    raise RuntimeError("no licence")

word = "a word"
"""


class ReachedError(BaseException):
    """Everything was accepted: from here on it would be computed. No command catches it."""


def _reached(*_: object, **__: object) -> None:
    raise ReachedError


def _run(main: Callable[[list[str]], int], data: bytes, folder: Path) -> bool:
    """Run a command as the shell would: arguments are bytes, standard output is strict about what it can write."""
    # What a program is called with holds no NUL, and is no longer than the system allows.
    arguments = [os.fsdecode(line) for line in data[:100_000].replace(b"\0", b"").split(b"\n")]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors=each) for each in ("strict", "backslashreplace"))
    with _inside(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(arguments)
        except ReachedError:
            return True
        except SystemExit as error:
            status = error.code
    err.flush()
    said = err.buffer.getvalue().decode("utf-8")
    if status not in (0, 2) or (status == 2 and "error: " not in said) or "Traceback" in said:
        raise NeitherReadNorRefusedError(f"status {status}: {said[-500:]}")
    return status == 0


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    desk = folder / "a" / "desk"  # two folders down: "../.." is still in the folder
    desk.mkdir(parents=True, exist_ok=True)
    (desk / "net.py").write_text(NETWORK, encoding="utf-8")
    if not (desk / "p.png").is_file():
        from PIL import Image

        for each in ("caf\udce9.png", "p.png"):
            Image.new("RGB", (20, 20), (200, 30, 30)).save(desk / each)
    path = list(sys.path)
    with contextlib.chdir(desk):
        try:
            yield
        finally:
            sys.path[:] = path


def explain(data: bytes, folder: Path) -> bool:
    with (
        patch("mint.app.explain.MINT.explain", _reached),
        patch("torchvision.models._api.WeightsEnum.get_state_dict", side_effect=OSError("no network here")),
    ):
        return _run(mint.app.cli.main, b"explain\n" + data, folder)


def run(data: bytes, folder: Path) -> bool:
    with patch("benchmarks.__main__._run_plan", _reached), patch("benchmarks.report.report.make_report", _refused):
        return _run(benchmarks.__main__.main, data, folder)


def _refused(directory: Path) -> str:
    from benchmarks.results import records

    records.load(directory)
    raise ReachedError


def study(data: bytes, folder: Path) -> bool:
    """A study's options are read and passed on; its own sentences come from what loads networks and data."""
    with contextlib.ExitStack() as stack:
        for place in STUDIES.values():
            stack.enter_context(patch(f"{place}._study", _reached))
        return _run(benchmarks.__main__.main, b"study\n" + data, folder)


def name(data: bytes, folder: Path) -> bool:
    """Look a name up as one of each kind."""
    text = os.fsdecode(data.replace(b"\0", b"").replace(b"\n", b"")[:100_000])
    found = []
    # The packages that are installed here are read for each kind, which takes long.
    with _inside(folder), patch("importlib.metadata.entry_points", return_value=()):
        for kind in KINDS.values():
            try:
                found.append(find(kind, text))
            except InputError as error:
                if "\n" in str(error):
                    raise NeitherReadNorRefusedError(f"not one sentence: {str(error)!r}") from error
    return bool(found)


def classes(data: bytes, folder: Path) -> bool:
    (folder / "classes").write_bytes(data)
    names = read_classes(folder / "classes")
    return bool(names) and all(isinstance(each, str) for each in names)


def lines(*given: str) -> list[bytes]:
    return [os.fsencode(each.replace(" ", "\n")) for each in given]


def _sound(given: Sequence[str], _folder: Path) -> list[bytes]:
    return lines(*given)


EXPLAIN = (
    "p.png --model net.py:tiny",
    "p.png --model net.py:tiny --top 2 --samples auto --seed 7 --minimal-importance 0.1 --contours",
    "p.png --model net.py:tiny --class zebra --class 1 --samples 50 --methods mint,overlay --out x.png",
    "p.png p.png --model net.py:tiny --shallow-layer 0 --deep-layer 2 --device cpu --out folder --score logit",
    "caf\udce9.png --model net.py:tiny",
    "p.png --model net.py:failing --weights w.pth --classes c.txt",
)
RUN = (
    "list",
    "run --plan smoke --limit 2 --seed 3 --device cpu --out out --batch-size 4",
    "run --plan smoke,checks --networks scenes-vgg --method random --metrics pointing --cases 1-3 --controls all",
    "run --plan smoke --weights scenes-vgg=w.pth --precision tf32 --data . --datasets scenes --network net.py:tiny",
    "report --plan smoke --out out",
    "join a b --out c",
)
STUDY = (
    "speed --samples 100 --rounds 2 --pictures 1 --network scenes-vgg --out out",
    "forwards --limit 3 --most 50 --samples 20 --samplings coins",
    "protocols --plan quick --methods mint --weights w.pth --device cpu --data .",
    "figures --from scenes --samples 30 --seed 1",
)
NAMES = (
    "mint",
    "quick",
    "scenes-vgg",
    "scenes",
    "pointing",
    "net.py:tiny",
    "net:word",
    "net.py",
    "resnet18",
    "os.path:x",
)
CLASSES = ("zebra\ncat", '["zebra", "cat"]', '{"0": "zebra", "1": "cat"}', '{"zebra": 0, "cat": 1}')

WORDS: Sequence[bytes] = (
    *(b"\n", b"\n--", b"=", b",", b":", b".py:", b"..", b"/", b"~", b"\n-h", b"\xe9", "²".encode(), "\u0663".encode()),
    *(b"a" * 300, b"x" * 5000, b"auto", b"cuda:1", b"meta", b"mps", b"xla", b"all", b"none", b"\r", b" ", b"%", b"{}"),
    *(f"\n{word}\n".encode() for line in (*EXPLAIN, *RUN, *STUDY) for word in line.split() if word.startswith("--")),
)
BRACKETS = (b"[" * 50, b"{", b'"', b"true", b"null", b"\xff")
LONG_WORDS = (b"p.png\n--model\nnet.py:tiny\n--class\n" + b"9" * 5000, b"x" * 300 + b"\n--model\nnet.py:tiny")
LONG_NUMBER = b'{"' + b"9" * 5000 + b'": "cat"}'
HARNESSES = (
    Harness("options-explain", partial(_sound, EXPLAIN), explain, WORDS, LONG_WORDS),
    Harness("options-benchmarks", partial(_sound, RUN), run, WORDS),
    Harness("options-study", partial(_sound, STUDY), study, WORDS),
    Harness("names", partial(_sound, NAMES), name, WORDS),
    Harness("classes", partial(_sound, CLASSES), classes, BRACKETS, (b"[" * 10**5, LONG_NUMBER)),
)
