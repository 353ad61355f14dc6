"""Many pictures explained: several at a time, in their order, and none that fails stops the others."""

import argparse
import copy
import json
import threading
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

import torch
from torch import nn

import mint
from mint.app.classifiers import Classifier
from mint.app.console import after_each_batch, complain, pictures_bar, samples_bar, say
from mint.app.explain import Explained, Say, Watch, explain_picture
from mint.app.outputs import write_panel
from mint.panel import draw_panels
from mint.parameters import InputError, said
from mint.turns import turn


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one picture."""

    lines: Sequence[str]  # to be printed; empty where they have been
    explained: Explained | None
    error: str  # a sentence; empty if there is none


class Stopped(BaseException):
    """Raised inside a thread whose result nobody waits for any more."""


def explain_pictures(
    options: argparse.Namespace,
    classifier: Classifier,
    files: Sequence[Path],
    panels: Sequence[Path],
    kept: Path | None,
) -> list[str]:
    """Explain pictures, draw a panel of each, and keep a line of JSON for each explanation.

    Parameters
    ----------
    options : argparse.Namespace
        Those of the command line; ``device`` is a torch.device.
    classifier : Classifier
        On that device.
    files, panels : sequence of pathlib.Path
        The pictures, and the file that each one's panel goes to.
    kept : pathlib.Path or None
        Where the lines go; an existing file is written anew.

    Returns
    -------
    list of str
        A sentence for each picture that could not be explained.
    """
    errors = []
    with (
        _open(kept) as stream,
        pictures_bar(len(files)) as step,
        closing(_outcomes(options, classifier, files)) as outcomes,
    ):
        for file, panel, outcome in zip(files, panels, outcomes, strict=True):
            error = _finished(options, file, panel, outcome, stream, kept)
            if error:
                errors.append(error)
                if kept is not None:
                    complain(f"error: {file}: {error}")
            elif kept is not None:
                say("")
            step()
    return errors


def _finished(
    options: argparse.Namespace, file: Path, panel: Path, outcome: Outcome, stream: TextIO | None, kept: Path | None
) -> str:
    """Print, draw and keep what was found of a picture; return a sentence if it failed or that fails."""
    try:
        for line in outcome.lines:
            say(line)
        if outcome.explained is None:
            return outcome.error
        write_panel(panel, draw_panels(outcome.explained.rows, contours=options.contours))
        say(f"\npanel: {panel}")
        if stream is not None:
            head = {"picture": str(file), "panel": str(panel), "version": mint.__version__}
            lines = [json.dumps(head | record, allow_nan=False) for record in outcome.explained.records]
            stream.write("".join(f"{line}\n" for line in lines))
            stream.flush()
    except OSError as error:
        return f"the explanation cannot be written to {kept} ({error})."
    except InputError as error:
        return str(error)
    return ""


def _open(file: Path | None) -> AbstractContextManager[TextIO | None]:
    try:
        return nullcontext() if file is None else file.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"the explanations cannot be written to {file} ({error}).") from error


def _outcomes(
    options: argparse.Namespace, classifier: Classifier, files: Sequence[Path]
) -> Generator[Outcome, None, None]:
    """Explain one picture after the other, or several at a time; yield the outcomes in the pictures' order."""
    jobs = min(options.jobs, len(files))
    if jobs == 1:
        for file in files:
            yield _attempt(options, classifier, file, say, samples_bar)
        return
    # Each job has a network of its own, as a network explains one picture at a time.
    free: SimpleQueue[Classifier] = SimpleQueue()
    for each in _copies(classifier, jobs):
        free.put(each)
    stop = threading.Event()

    def work(file: Path) -> Outcome:
        own, lines = free.get(), list[str]()
        try:
            with turn(own.module):  # it may be shared after all
                outcome = _attempt(options, own, file, lines.append, partial(_stoppable, stop))
            return Outcome(lines, outcome.explained, outcome.error)
        finally:
            free.put(own)

    waiting: deque[Future[Outcome]] = deque()
    with _threads_shared(jobs), ThreadPoolExecutor(jobs) as pool:
        try:
            for file in files:
                waiting.append(pool.submit(work, file))
                if len(waiting) > 2 * jobs:  # results take memory until they are drawn
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _attempt(options: argparse.Namespace, classifier: Classifier, file: Path, say: Say, watch: Watch) -> Outcome:
    try:
        return Outcome((), explain_picture(options, classifier, file, say, watch), "")
    except InputError as error:
        return Outcome((), None, str(error))
    except Exception as error:  # of the user's network or of a device; the other pictures may do
        return Outcome((), None, f"{said(error)}.")


@contextmanager
def _stoppable(stop: threading.Event, module: nn.Module, _samples: int, _name: str) -> Iterator[None]:
    """End the thread at the network's next answer once it is to stop."""

    def check(_count: int) -> None:
        if stop.is_set():
            raise Stopped

    with after_each_batch(module, check):
        yield


def _copies(classifier: Classifier, count: int) -> list[Classifier]:
    """Return a classifier and copies of it; the classifier itself again and again where it cannot be copied."""
    try:
        return [classifier, *(copy.deepcopy(classifier) for _ in range(count - 1))]
    except Exception as error:
        warnings.warn(f"the network cannot be copied ({said(error)}), so the jobs take turns on it.", stacklevel=2)
        return [classifier] * count


@contextmanager
def _threads_shared(jobs: int) -> Iterator[None]:
    """Give each job its part of torch's threads, so that all together are as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // jobs))
    try:
        yield
    finally:
        torch.set_num_threads(before)
