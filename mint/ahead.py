"""Working ahead: one thread prepares the next pictures on the host while the network answers for this one."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Read = TypeVar("Read")
Cut = TypeVar("Cut")

AHEAD = 2  # pictures


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
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[Cut]] = deque()
        try:
            for item in items:
                waiting.append(_submit(thread, item, read, cut, device))
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
    if device.type != "cuda":
        return thread.submit(cut, item, found)
    ready = torch.cuda.current_stream(device).record_event()

    def on_its_own_stream() -> Cut:
        with torch.cuda.stream(torch.cuda.Stream(device)):  # type: ignore[no-untyped-call]
            torch.cuda.current_stream(device).wait_event(ready)
            return cut(item, found)

    return thread.submit(on_its_own_stream)
