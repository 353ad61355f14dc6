"""Options that several commands have, and what argparse reads their values by. Nothing here needs torch."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Refuses bad arguments in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with status 2."""
        self.exit(2, f"error: {message}; see {self.prog} --help.\n")

    def parse_known_args(self, *arguments: Any) -> Any:  # type: ignore[override]
        """Refuse what is not known here, where the command's own help can be named."""
        found, unknown = super().parse_known_args(*arguments)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...; auto (default): cuda if there is one")


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights``, which may repeat and gives pairs of a network's name and a file."""
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        type=named_path,
        metavar="NETWORK=FILE",
        help="a network's weights from a file; may repeat",
    )


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between them, each once."""
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not found:
        raise argparse.ArgumentTypeError("no name is given; `python -m benchmarks list` has them")
    return found


def several(read: Callable[[str], Any] = str) -> dict[str, Any]:
    """Make the options of an argument that takes several values, with commas or spaces between them."""
    return {"nargs": "+", "action": _Joined, "type": lambda text: [*map(read, names(text))]}


class _Joined(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, [each for part in values for each in part])


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def named_path(text: str) -> tuple[str, Path]:
    """Read a name and a path with "=" between them."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=PATH")
    return name, Path(path)
