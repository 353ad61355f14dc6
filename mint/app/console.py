"""What ``mint explain`` writes on the terminal: lines, and bars of progress."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from mint.parameters import InputError


def say(text: str) -> None:
    """Print at once; where the reader has gone (``| head``), go on in silence, as the panels are still to be drawn.

    Raises
    ------
    InputError
        If standard output cannot be written for another reason; what is said afterwards is lost.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        with _bars_hidden(sys.stdout):
            # The name of a file may hold bytes that are no text.
            print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise InputError(f"standard output cannot be written ({error}).") from error


def complain(text: str) -> None:
    """Print on standard error."""
    with _bars_hidden(sys.stderr):
        print(text, file=sys.stderr, flush=True)


@contextmanager
def pictures_bar(count: int) -> Iterator[Callable[[], object]]:
    """Show how many of several pictures are done; give a function to be called after each."""
    with _bar(count, "pictures", "", several=True) as step:
        yield lambda: step(1)


@contextmanager
def samples_bar(module: nn.Module, count: int, name: str) -> Iterator[None]:
    """Show how many samples of one explanation went through the network."""
    with _bar(count, "samples", name) as step, after_each_batch(module, step):
        yield


@contextmanager
def after_each_batch(module: nn.Module, called: Callable[[int], object]) -> Iterator[None]:
    """Call a function, with the number of pictures, whenever some went through the network."""

    def hook(_module: nn.Module, inputs: tuple[Any, ...], _output: object) -> None:
        called(len(inputs[0]))

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _bar(count: int, unit: str, name: str, *, several: bool = False) -> Iterator[Callable[[int], object]]:
    """Show a bar on standard error, if tqdm is installed and someone may be looking."""
    if count < 2 or importlib.util.find_spec("tqdm") is None:
        yield lambda _done: None
        return
    from tqdm import tqdm

    with tqdm(total=count, desc=name, unit=f" {unit}", leave=several, disable=None) as bar:
        yield bar.update


@contextmanager
def _bars_hidden(stream: Any) -> Iterator[None]:
    """Take the bars off the terminal while a line is written there."""
    if "tqdm" not in sys.modules:
        yield
        return
    from tqdm import tqdm

    with tqdm.external_write_mode(file=stream):
        yield
