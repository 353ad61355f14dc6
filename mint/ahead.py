"""The host and the network at work together: threads prepare the next pictures and finish those before.

The calling thread alone asks the network, and does not wait for its answers.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

Item = TypeVar("Item")
Read = TypeVar("Read")
Cut = TypeVar("Cut")
Done = TypeVar("Done")

AHEAD = 2  # pictures
THREADS = 2  # that cut beside a GPU


def has_spare_core(device: torch.device) -> bool:
    """Tell whether a second thread would not take its time from the network: on a CPU, if torch leaves a core free."""
    return device.type != "cpu" or torch.get_num_threads() < (os.cpu_count() or 1)


def work_ahead(
    items: Iterable[Item], read: Callable[[Item], Read], cut: Callable[[Item, Read], Cut], device: torch.device
) -> Generator[Cut, None, None]:
    """Yield ``cut(item, read(item))`` for one item after the other, and prepare the next ones meanwhile.

    Parameters
    ----------
    items : iterable
        What is prepared.
    read : callable
        It asks the network, so the calling thread runs it.
    cut : callable
        It works on the host, so a thread of its own runs it where there is a core for it.
    device : torch.device
        Where the network is. The thread has its own stream there, so that it never waits for the network's answers.
        Beside a GPU there are two such threads.

    Yields
    ------
    object
        What ``cut`` returned. An error of ``read`` or ``cut`` is raised at the turn of its item. Close the iterator
        (``contextlib.closing``) where it may not be used up: it then ends the thread.
    """
    if not has_spare_core(device):
        for item in items:
            yield cut(item, read(item))
        return
    with ThreadPoolExecutor(1 if device.type == "cpu" else THREADS) as thread:
        yield from _in_turn(thread, (_submit(thread, item, read, cut, device) for item in items))


def finish_behind(asked: Iterable[Callable[[], Done]], device: torch.device) -> list[Done]:
    """Call each of some functions while the next ones are made.

    Parameters
    ----------
    asked : iterable of callable
        Making one asks the network, in the calling thread. Calling it waits for the answers and works on the host, in
        a thread of its own where there is a core for it.
    device : torch.device
        Where the network is.

    Returns
    -------
    list
        What they returned, in their order. An error is raised when the next few have been made, and no more are.
    """
    if not has_spare_core(device):
        return [finish() for finish in asked]
    with ThreadPoolExecutor(1) as thread:
        return [*_in_turn(thread, (_on_a_stream(thread, device, finish) for finish in asked))]


def _in_turn(thread: ThreadPoolExecutor, submitted: Iterable["Future[Done]"]) -> Generator[Done, None, None]:
    """Yield what comes of each, and submit the next few before; at an error, or if closed, none of these is begun."""
    waiting: deque[Future[Done]] = deque()
    try:
        for each in submitted:
            waiting.append(each)
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)


def _submit(
    thread: ThreadPoolExecutor,
    item: Item,
    read: Callable[[Item], Read],
    cut: Callable[[Item, Read], Cut],
    device: torch.device,
) -> "Future[Cut]":
    try:
        found = read(item)
    except Exception as error:
        failed: Future[Cut] = Future()
        failed.set_exception(error)
        return failed
    return _on_a_stream(thread, device, partial(cut, item, found))


def _on_a_stream(thread: ThreadPoolExecutor, device: torch.device, call: Callable[[], Done]) -> "Future[Done]":
    """Let a thread call something once the device has done what it was asked so far; it does not wait for more."""
    if device.type != "cuda":
        return thread.submit(call)
    ready = torch.cuda.current_stream(device).record_event()

    def on_its_own_stream() -> Done:
        # Its small pieces of work go before the network's large ones.
        with torch.cuda.stream(torch.cuda.Stream(device, priority=-1)):  # type: ignore[no-untyped-call]
            torch.cuda.current_stream(device).wait_event(ready)
            return call()

    return thread.submit(on_its_own_stream)
