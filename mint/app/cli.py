"""The command line: ``mint explain PICTURE --model resnet50``."""

import argparse
import importlib.util
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from mint.app.classifiers import EXTRA, Classifier, load_classifier, said
from mint.display import Display
from mint.explanation import Explanation
from mint.fidelity import UntilSettled
from mint.layers import find_layers
from mint.method import MINT
from mint.panel import DOTS_PER_INCH, draw_panels
from mint.parameters import InputError, nearest
from mint.superpixels import centres, shares

if TYPE_CHECKING:
    from PIL.Image import Image

# How many classes, and how many fine super-pixels of each, are printed.
CLASSES, STRONGEST = 5, 5
# The largest difference of two logarithms of width over height that rounding to whole pixels may have made.
SAME_PROPORTIONS = 0.02


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 2 for bad input, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    try:
        _explain(options)
    except InputError as error:
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
    explain.add_argument("picture", type=Path, metavar="PICTURE", help="a picture in any common format")
    explain.add_argument(
        "--model",
        required=True,
        metavar="NAME",
        help="one of torchvision's classifiers, such as resnet50, or module:function of yours, which returns an "
        "nn.Module (with the optional attributes preprocess and classes) or a mint.app.classifiers.Classifier",
    )
    explain.add_argument(
        "--weights", type=Path, metavar="FILE", help="a state dict (default: torchvision's, downloaded once)"
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
        default=0.05,
        metavar="X",
        help="show no coarse region if none reaches this importance, as for a class that is absent; 0 leaves only the "
        "rule relative to the class's own probability (default: 0.05)",
    )
    explain.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the samples (default: 0)")
    explain.add_argument("--shallow-layer", metavar="NAME", help="end of the network's first stage (default: found)")
    explain.add_argument("--deep-layer", metavar="NAME", help="last convolutional features (default: found)")
    explain.add_argument("--contours", action="store_true", help="draw the super-pixels over the input")
    explain.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    explain.add_argument(
        "--out", type=Path, metavar="FILE", help="where the panel goes (default: PICTURE's stem + -mint.png, here)"
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


def _samples(text: str) -> int | UntilSettled:
    return UntilSettled() if text == "auto" else _positive(text)


def _explain(options: argparse.Namespace) -> None:
    # Whatever can be refused is refused before anything long begins.
    out = _writable(options.out or Path(f"{options.picture.stem}-mint.png"))
    picture = _read_picture(options.picture)
    classifier = load_classifier(options.model, options.weights, options.device)
    image = _prepared(classifier, picture, options.device)
    probabilities = _answer(classifier.module, image)
    names = _names(classifier, len(probabilities))
    ranked = probabilities.argsort(descending=True, stable=True).tolist()
    targets = [_class_index(name, names) for name in options.classes] if options.classes else ranked[: options.top]
    method = MINT(
        samples=options.samples,
        seed=options.seed,
        layers=_layers(options.shallow_layer, options.deep_layer, classifier.module, image),
        shown=Display(minimal_importance=options.minimal_importance),
    )

    height, width = image.shape[-2:]
    _say(f"{options.picture}: {picture.width} x {picture.height}, seen by {options.model} as {width} x {height}")
    if abs(math.log(picture.width * height / (picture.height * width))) > SAME_PROPORTIONS:
        _say("  not in its own proportions: the network's preprocess crops or stretches it, as the panel shows")
    for index in ranked[: max(CLASSES, options.top)]:
        _say(f"  {float(probabilities[index]):7.2%}  {names[index]}")
    explanations = []
    for target in targets:
        with _progress(classifier.module, method, names[target]):
            explanations.append(method.explain(classifier.module, image, target))
        _say(f"\n{names[target]}{f' (class {target})' if classifier.classes else ''}")
        _say("\n".join(f"  {line}" for line in describe(explanations[-1])))
    rows = [each.row(names[each.target]) for each in explanations]
    figure = draw_panels(rows, contours=options.contours)
    try:
        figure.savefig(out, dpi=DOTS_PER_INCH)
    except OSError as error:
        raise InputError(f"the panel cannot be written to {out} ({error}); name another file with --out.") from error
    _say(f"\npanel: {out}")


def _layers(shallow: str | None, deep: str | None, module: nn.Module, image: Tensor) -> tuple[str, str]:
    """Return the two layers: those that are named, and by tracing those that are not."""
    if shallow is not None and deep is not None:
        return shallow, deep
    found = find_layers(module, image)
    return shallow or found[0], deep or found[1]


def _say(text: str) -> None:
    """Print at once; where the reader has gone (``| head``), go on in silence, as the panel is still to be drawn."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_WORTHLESS = (
    "          not better than a constant on samples held out: do not read these importances (more --samples may help)"
)


def describe(explanation: Explanation) -> list[str]:
    """Say in a few lines what an explanation found and how.

    Returns
    -------
    list of str
        The score, the coarse choice, the strongest fine super-pixels (their importance, share of the picture, and
        centre in pixels of the network's input), the fidelity, and what it took.
    """
    parts, fidelity, parameters = explanation.superpixels, explanation.fidelity, explanation.parameters
    u_c, u_f = explanation.u_c, explanation.u_f
    layers = " and ".join(parameters["layers"] or ())
    read = f"layers {layers}" if layers else "no layers, as no gradient leads to any"
    if explanation.chosen_coarse is None:
        coarse = f"none of {len(u_c)} regions: {explanation.abstention}"
    else:
        share = float(shares(parts.coarse)[explanation.chosen_coarse])
        importance = float(u_c[explanation.chosen_coarse])
        coarse = f"one of {len(u_c)} regions, {share:.0%} of the picture, importance {importance:.3g}"
    sizes, places = shares(parts.fine), centres(parts.fine)
    rows = [
        f"  {float(u_f[i]):10.3g}  {float(sizes[i]):6.1%}  ({places[i, 0]:.0f}, {places[i, 1]:.0f})"
        for i in explanation.chosen_fine[:STRONGEST]
    ]
    held = f" hold {parameters['shown']['coverage']:.0%} of the positive importance; the strongest:" if rows else ""
    return [
        f"g(X)      {explanation.answer:.4g}, the {parameters['response']}",
        f"coarse    {coarse}",
        f"fine      {len(explanation.chosen_fine)} of {len(u_f)} super-pixels{held}",
        *(["  importance   share  centre (x, y)", *rows] if rows else []),
        f"fidelity  R^2 {fidelity.coarse:.2f} coarse, {fidelity.fine:.2f} fine; on samples held out "
        f"{fidelity.coarse_held_out:.2f} and {fidelity.fine_held_out:.2f}",
        *([] if fidelity.fine_held_out >= 0 else [_WORTHLESS]),
        f"made by   {_ROUTES[parts.route]}; {read}; "
        f"{len(explanation.states)} samples, seed {parameters['seed']}; {explanation.cost.seconds:.1f} s",
    ]


_ROUTES = {
    "grabcut": "GrabCut",
    "threshold": "a threshold on the saliency, where GrabCut failed",
    "slic": "SLIC alone, the saliency having no positive value",
}


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


def _read_picture(file: Path) -> "Image":
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise InputError(f"reading a picture needs pillow; {EXTRA}.") from error
    if not file.is_file():
        raise InputError(f"the picture {file} {'is a folder' if file.is_dir() else 'does not exist'}.")
    try:
        with Image.open(file) as picture:
            if picture.mode[:1] in ("I", "F"):
                # Pillow would cut off all that is above 255.
                raise InputError(f"{file} has gray values of more than 8 bits; save it with 8.")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file} cannot be read as a picture ({error}).") from error


def _prepared(classifier: Classifier, picture: "Image", device: str) -> Tensor:
    try:
        image: Any = classifier.preprocess(picture)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the classifier's preprocess failed: {said(error)}.") from error
    if not isinstance(image, Tensor) or image.ndim != 3 or not image.is_floating_point():
        kind = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
        raise InputError(f"the classifier's preprocess must return a floating point (c, h, w) tensor, not {kind}.")
    if not torch.isfinite(image).all():
        raise InputError("the classifier's preprocess returned a picture with NaN or infinite values.")
    return image.to(device)


@torch.no_grad()
def _answer(module: nn.Module, image: Tensor) -> Tensor:
    try:
        logits: Any = module(image[None])
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the network cannot take a picture of shape {tuple(image.shape)}: {said(error)}.") from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 1:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"the network must answer one image with (1, classes) logits, not with {shape}.")
    if not torch.isfinite(logits).all():
        raise InputError("the network answered with NaN or infinite values; check its weights.")
    return logits[0].double().softmax(dim=0).cpu()


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
        if int(name) < len(names):
            return int(name)
        raise InputError(f"there is no class {name}; the network has {len(names)}, 0 to {len(names) - 1}.")
    raise InputError(
        f"unknown class {name!r}; the nearest are {nearest(name, names)}, or a number up to {len(names) - 1}."
    )


@contextmanager
def _progress(module: nn.Module, method: MINT, name: str) -> Iterator[None]:
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
