"""The command line: ``mint explain PICTURE --model resnet50``."""

import argparse
import dataclasses
import importlib.util
import json
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import torch
from torch import Tensor, nn

from mint.app.classifiers import EXTRA, Classifier, load_classifier, read_classes, said, usable_device
from mint.app.describe import describe
from mint.app.pictures import find_pictures, prepared, read_picture
from mint.display import Display
from mint.fidelity import UntilSettled
from mint.layers import NoGradientError, find_layers
from mint.method import MINT
from mint.overlay import OverlayMINT
from mint.panel import DOTS_PER_INCH, Map, draw_panels
from mint.parameters import InputError, nearest
from mint.scores import SCORE_NAMES, ScoreName, read_answer, score_classes

if TYPE_CHECKING:
    from PIL.Image import Image

CLASSES = 5  # that are printed
# The largest difference of two logarithms of width over height that rounding to whole pixels may have made.
SAME_PROPORTIONS = 0.02


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 2 for bad input, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            _explain(options)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted.", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mint", description="Explain what a convolutional network saw in a picture.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="explain")
    explain = commands.add_parser(
        "explain",
        help="explain one picture",
        description="Print a classifier's answer to a picture and what it stands on, at two scales, and draw it.",
    )
    explain.add_argument(
        "pictures", type=Path, nargs="+", metavar="PICTURE", help="a picture in any common format, or a folder of them"
    )
    explain.add_argument(
        "--model",
        required=True,
        metavar="NAME",
        help="one of torchvision's classifiers, such as resnet50, or FILE.py:NAME or module:NAME of yours, a function "
        "which returns an nn.Module (with the optional attributes preprocess and classes) or a "
        "mint.app.classifiers.Classifier",
    )
    explain.add_argument(
        "--weights", type=Path, metavar="FILE", help="a state dict (default: torchvision's, downloaded once)"
    )
    explain.add_argument(
        "--classes",
        type=Path,
        dest="class_names",
        metavar="FILE",
        help="the names of the network's classes: one in each line, or JSON",
    )
    explain.add_argument(
        "--score",
        choices=SCORE_NAMES,
        default="probability",
        help="what is explained of the answer (default: probability, by softmax); a network of one output needs "
        "sigmoid, with the classes p and 1 - p, or logit",
    )
    explain.add_argument(
        "--methods",
        type=_methods,
        default=("mint",),
        metavar="A,B",
        help="mint (default), or mint,overlay to draw OverlayMINT's attribution beside it",
    )
    which = explain.add_mutually_exclusive_group()
    which.add_argument(
        "--top", type=_positive, default=1, metavar="N", help="explain the N most probable classes (default: 1)"
    )
    which.add_argument(
        "--class",
        action="append",
        dest="classes",
        metavar="NAME",
        help="explain this class, by name or number; may repeat",
    )
    explain.add_argument(
        "--samples", type=_samples, default=1000, metavar="N", help="perturbed samples, or auto (default: 1000)"
    )
    explain.add_argument(
        "--minimal-importance",
        type=_importance,
        metavar="X",
        help="show no coarse region if none reaches this importance, as for a class that is absent; 0 leaves only the "
        "rule relative to the class's own score (default: 0.05 for probabilities, 0 for other scores)",
    )
    explain.add_argument("--seed", type=_seed, default=0, metavar="N", help="seed of the samples (default: 0)")
    explain.add_argument("--shallow-layer", metavar="NAME", help="end of the network's first stage (default: found)")
    explain.add_argument("--deep-layer", metavar="NAME", help="last convolutional features (default: found)")
    explain.add_argument("--contours", action="store_true", help="draw the super-pixels over the input")
    explain.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1, ...; auto (default): cuda if there is one"
    )
    explain.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the panel goes (default: PICTURE's stem + -mint.png, here); a folder for several pictures, which "
        "also gets explanations.jsonl, a line for each explanation",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _importance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^63 - 1")
    return int(text)


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if names not in (("mint",), ("mint", "overlay")):
        raise argparse.ArgumentTypeError(f"{text!r} is neither mint nor mint,overlay")
    return names


def _samples(text: str) -> int | UntilSettled:
    return UntilSettled() if text == "auto" else _positive(text)


def _explain(options: argparse.Namespace) -> None:
    # Whatever can be refused is refused before anything long begins.
    files = find_pictures(options.pictures)
    several = len(files) > 1 or len(options.pictures) > 1 or options.pictures[0].is_dir()
    panels = _panels(options.out, files, several)
    pictures = {} if several else {files[0]: read_picture(files[0])}
    classes = read_classes(options.class_names) if options.class_names else ()
    options.device = str(usable_device(options.device))
    classifier = load_classifier(options.model, options.weights, options.device, classes)
    lines = panels[0].parent / "explanations.jsonl" if several else None
    failed = 0
    with _open(lines) as stream:
        for file, out in zip(files, panels, strict=True):
            try:
                records = _explain_one(options, classifier, file, pictures.get(file) or read_picture(file), out)
            except InputError as error:
                if not several:
                    raise
                print(f"error: {file}: {error}", file=sys.stderr)
                failed += 1
                continue
            if stream is not None:
                stream.writelines(f"{json.dumps(record, allow_nan=False)}\n" for record in records)
                stream.flush()
            if several:
                _say("")
    if lines is not None:
        _say(f"{len(files) - failed} of {len(files)} pictures: {lines}")
    if failed:
        raise InputError(f"{failed} of {len(files)} pictures could not be explained; the sentences above say why.")


@contextmanager
def _open(file: Path | None) -> Iterator[TextIO | None]:
    if file is None:
        yield None
        return
    try:
        with file.open("w", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise InputError(f"the explanations cannot be written to {file} ({error}).") from error


def _panels(out: Path | None, files: Sequence[Path], several: bool) -> list[Path]:
    """Name the panel of each picture: the file ``out``, or files in the folder ``out``, which is made."""
    folder = Path(".") if out is None else out
    if out is not None and not (several or out.is_dir()):
        return [_writable(out)]
    if folder.suffix and not folder.is_dir():
        raise InputError(f"--out {folder} must be a folder, as there are several pictures.")
    _writable(Path("panel.png"))
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} of --out cannot be made ({error}).") from error
    names: list[str] = []
    for file in files:
        count = sum(name.startswith(f"{file.stem}-mint") for name in names)
        names.append(f"{file.stem}-mint{f'-{count + 1}' if count else ''}.png")
    return [folder / name for name in names]


def _explain_one(
    options: argparse.Namespace, classifier: Classifier, file: Path, picture: "Image", out: Path
) -> list[dict[str, Any]]:
    image = prepared(classifier, picture, options.device, options.model)
    answers = _answer(classifier.module, image, options.score)
    names = _names(classifier, len(answers))
    ranked = answers.argsort(descending=True, stable=True).tolist()
    targets = [_class_index(name, names) for name in options.classes] if options.classes else ranked[: options.top]
    common = {"samples": options.samples, "seed": options.seed}
    shares_of_one = options.score in ("probability", "sigmoid")
    minimal = options.minimal_importance
    method = MINT(
        **common,
        response=options.score,
        layers=_layers(options.shallow_layer, options.deep_layer, classifier.module, image),
        shown=Display(minimal_importance=(0.05 if shares_of_one else 0.0) if minimal is None else minimal),
    )

    height, width = image.shape[-2:]
    _say(f"{file}: {picture.width} x {picture.height}, seen by {options.model} as {width} x {height}")
    if abs(math.log(picture.width * height / (picture.height * width))) > SAME_PROPORTIONS:
        _say("  not in its own proportions: the network's preprocess crops or stretches it, as the panel shows")
    for index in ranked[: max(CLASSES, options.top)]:
        value = float(answers[index])
        _say(f"  {f'{value:7.2%}' if shares_of_one else f'{value:8.4g}'}  {names[index]}")
    explanations, rows = [], []
    for target in targets:
        with _progress(classifier.module, method, names[target]):
            explanations.append(method.explain(classifier.module, image, target))
        _say(f"\n{names[target]}{f' (class {target})' if classifier.classes else ''}")
        _say("\n".join(f"  {line}" for line in describe(explanations[-1])))
        row = explanations[-1].row(names[target])
        if "overlay" in options.methods:
            if isinstance(options.samples, UntilSettled):
                raise InputError("--samples auto is MINT's alone; give --methods mint,overlay a number.")
            overlay = OverlayMINT(**common, score=options.score, deep_layer=method.layers and method.layers[1])
            with _progress(classifier.module, overlay, f"{names[target]}, overlay"):
                found = overlay(classifier.module, image[None], torch.tensor([target], device=image.device))
            shown = Map("OverlayMINT", found[0].double().cpu().numpy(), "density of importance")
            row = dataclasses.replace(row, attributions=(*row.attributions, shown))
        rows.append(row)
    figure = draw_panels(rows, contours=options.contours)
    try:
        figure.savefig(out, dpi=DOTS_PER_INCH)
    except OSError as error:
        raise InputError(f"the panel cannot be written to {out} ({error}); name another file with --out.") from error
    _say(f"\npanel: {out}")
    head = {"picture": str(file), "panel": str(out)}
    return [head | {"class": names[each.target]} | each.to_dict() for each in explanations]


def _layers(shallow: str | None, deep: str | None, module: nn.Module, image: Tensor) -> tuple[str, str] | None:
    """Return the two layers, named or found by tracing; None if none are named and no gradient leads to any."""
    if shallow is not None and deep is not None:
        return shallow, deep
    try:
        found = find_layers(module, image)
    except NoGradientError:
        if shallow is None and deep is None:
            return None  # MINT says so
        raise
    return shallow or found[0], deep or found[1]


def _say(text: str) -> None:
    """Print at once; where the reader has gone (``| head``), go on in silence, as the panel is still to be drawn."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        # The name of a file may hold bytes that are no text.
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _writable(out: Path) -> Path:
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError(f"drawing the panel needs matplotlib; {EXTRA}.")
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if out.suffix.removeprefix(".").lower() not in kinds:
        raise InputError(f"--out {out} must end in one of {', '.join(f'.{kind}' for kind in sorted(kinds))}.")
    if not out.parent.is_dir():
        raise InputError(f"the folder {out.parent} of --out does not exist; make it first.")
    return out


@torch.no_grad()
def _answer(module: nn.Module, image: Tensor, score: ScoreName) -> Tensor:
    """Return the score of each class, (classes,) float64."""
    try:
        answer: Any = module(image[None])
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the network cannot take a picture of shape {tuple(image.shape)}: {said(error)}.") from error
    logits = read_answer(answer, 1)
    if not torch.isfinite(logits).all():
        raise InputError("the network answered with NaN or infinite values; check its weights.")
    try:
        return score_classes(score, logits.double())[0].cpu()
    except InputError as error:
        raise InputError(f"{error} On the command line: --score sigmoid.") from error


def _names(classifier: Classifier, count: int) -> Sequence[str]:
    if classifier.classes and len(classifier.classes) != count:
        raise InputError(f"the classifier names {len(classifier.classes)} classes, but the network answers {count}.")
    return classifier.classes or [f"class {index}" for index in range(count)]


def _class_index(name: str, names: Sequence[str]) -> int:
    """Find a class by its name, in any case, or by its number."""
    alike = [index for index, other in enumerate(names) if other.casefold() == name.casefold()]
    if len(alike) > 1:
        raise InputError(f"several classes are called {name!r}; choose by number: {', '.join(map(str, alike))}.")
    if alike:
        return alike[0]
    if name.isdecimal():
        number = int(name.lstrip("0")[:20] or "0")  # Python reads no number of thousands of digits
        if number < len(names):
            return number
        raise InputError(f"there is no class {name}; the network has {len(names)}, 0 to {len(names) - 1}.")
    raise InputError(
        f"unknown class {name!r}; the nearest are {nearest(name, names)}, or a number up to {len(names) - 1}."
    )


@contextmanager
def _progress(module: nn.Module, method: MINT | OverlayMINT, name: str) -> Iterator[None]:
    """Show a bar of the pictures that went through the network, if tqdm is installed and someone may be looking."""
    if importlib.util.find_spec("tqdm") is None:
        yield
        return
    from tqdm import tqdm

    # The samples, and the picture once for its gradient; the layers have been found before.
    total = 1 + (method.samples.most if isinstance(method.samples, UntilSettled) else method.samples)
    with tqdm(total=total, desc=name, unit=" pictures", leave=False, disable=None) as bar:

        def count(_module: nn.Module, inputs: tuple[Any, ...], _output: object) -> None:
            bar.update(len(inputs[0]))

        handle = module.register_forward_hook(count)
        try:
            yield
        finally:
            handle.remove()
