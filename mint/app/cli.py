"""The command line: ``mint explain PICTURE --model resnet50``."""

import argparse
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from mint.app.batch import explain_pictures
from mint.app.classifiers import imported, load_classifier, read_classes, usable_device
from mint.app.console import complain, say
from mint.app.outputs import name_panels
from mint.app.pictures import find_pictures, read_picture
from mint.fidelity import UntilSettled
from mint.parameters import InputError, said, users_place
from mint.scores import SCORE_NAMES, require_score

LINES = "explanations.jsonl"
_ABOUT_LINES = f"""\
{LINES}, for several pictures or a folder of them, holds a JSON object a line for each explained class:

  picture, panel   the two files
  class, target    the class's name and number; rank, from 1, is its place in the network's answer
  answer           the score of the whole picture; parameters.response says which score
  coarse, fine     lists with a number for each super-pixel: importance, weight, representation, share of the
                   picture, centre [x, y] in pixels; for fine ones parent, the coarse super-pixel
  chosen_coarse    the coarse super-pixel shown; null if there is none: then abstention says why
  chosen_fine      the fine super-pixels shown, the most important first
  fidelity         R^2 of both scales, also on samples held out; null where it is undefined
  size, samples    height and width of the network's input in pixels; the perturbed samples
  parameters       MINT's, with the layers and the seed: with the model they make the same explanation again
  model, weights, version, device
                   what it was made by and on; weights is null where they come from no single file
  cost, route, solution, surrogate
                   what it took, how the picture was cut, and how the importances were fitted

The lines are in the order of the pictures. A picture that fails has none, its reason is on standard error, and the
exit status is 2. OverlayMINT's attribution is in the panel alone.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 2 for bad input, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_: complain(f"warning: {message}")
            _explain(options)
    except (InputError, OSError) as error:
        complain(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        complain("interrupted.")
        return 130
    except Exception as error:
        if not users_place(error):
            raise
        complain(f"error: {said(error)}.")
        return 2
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mint", description="Explain what a convolutional network saw in a picture.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="explain")
    explain = commands.add_parser(
        "explain",
        help="explain pictures",
        description="Print a classifier's answer to each picture and what it stands on, at two scales, and draw it.",
        epilog=_ABOUT_LINES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
        type=_score,
        default="probability",
        metavar="NAME",
        help=f"what is explained of the answer: {', '.join(SCORE_NAMES)}, or FILE.py:NAME or module:NAME of yours, a "
        "function from answers, (n, outputs), to scores, (n, classes) (default: probability, by softmax); a network of "
        "one output needs sigmoid, with the classes p and 1 - p, or logit",
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
        "--jobs",
        type=_positive,
        default=1,
        metavar="N",
        help="pictures that are explained at a time, each by a copy of the network (default: 1); the results are the "
        "same",
    )
    explain.add_argument(
        "--out",
        metavar="FILE",
        help="where the panel goes (default: PICTURE's stem + -mint.png, here), or a folder, which is made; several "
        f"pictures need a folder, which also gets {LINES}",
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


def _score(text: str) -> str:
    if text not in SCORE_NAMES and ":" not in text:
        raise argparse.ArgumentTypeError(f"invalid choice: {text!r}; choose {', '.join(SCORE_NAMES)} or FILE.py:NAME")
    return text


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
    if text == "auto":
        return UntilSettled()
    count = _positive(text)
    if count < 2:
        raise argparse.ArgumentTypeError("the samples are a whole number, 2 or more, not 1")
    return count


def _explain(options: argparse.Namespace) -> None:
    # Whatever can be refused is refused before anything long begins.
    if isinstance(options.samples, UntilSettled) and "overlay" in options.methods:
        raise InputError("--samples auto is MINT's alone; give --methods mint,overlay a number.")
    files = find_pictures(options.pictures)
    several = len(files) > 1 or len(options.pictures) > 1 or options.pictures[0].is_dir()
    if not several:
        read_picture(files[0])
    classes = read_classes(options.class_names) if options.class_names else ()
    options.device = usable_device(options.device)
    if options.score not in SCORE_NAMES:
        options.score = imported(options.score, "--score")
        require_score("--score", options.score)
    panels = name_panels(options.out, files, several)
    classifier = load_classifier(options.model, options.weights, str(options.device), classes)
    kept = panels[0].parent / LINES if several else None
    errors = explain_pictures(options, classifier, files, panels, kept)
    if kept is not None:
        say(f"{len(files) - len(errors)} of {len(files)} pictures: {kept}")
    if errors and not several:
        raise InputError(errors[0])
    if errors:
        raise InputError(f"{len(errors)} of {len(files)} pictures could not be explained; the sentences above say why.")
