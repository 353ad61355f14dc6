"""Threads take turns on a network, because its modes and hooks are its own and not a thread's."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from mint.parameters import InputError

# All three are read and written inside _CHANGED alone. A part is known by its id while a thread holds it.
_HOLDER: dict[int, int] = {}  # the thread that holds a part
_WANTED: dict[int, frozenset[int]] = {}  # the parts that a waiting thread waits for
_CHANGED = threading.Condition()


@contextmanager
def turn(network: object) -> Iterator[None]:
    """Wait until no other thread holds any part of a network, and hold it until the end.

    The parts are the modules, the parameters and the buffers. So wrappers around one network (``DataParallel``,
    ``Sequential``) and networks that share a layer or a weight wait for each other; networks that share nothing do
    not. A bound method such as ``network.forward`` stands for its network. Another function stands for itself: what it
    asks is not seen. A thread may enter again what it holds.

    Raises
    ------
    InputError
        If this thread and others would wait for each other for ever, each holding what another wants.
    """
    parts = _parts(network)
    thread, keys = threading.get_ident(), frozenset(parts)
    with _CHANGED:
        _WANTED[thread] = keys
        try:
            while others := _holders(keys, thread):
                if _waits_for(thread, others):
                    raise InputError(
                        "two threads each explain a network and, inside of that, one that the other thread holds; they "
                        "would wait for each other for ever. Let both begin with the same network."
                    )
                _CHANGED.wait()
        finally:
            del _WANTED[thread]
        entered = keys - _HOLDER.keys()  # the rest is held by a call further out
        _HOLDER.update(dict.fromkeys(entered, thread))
    try:
        yield
    finally:
        with _CHANGED:
            for key in entered:
                del _HOLDER[key]
            _CHANGED.notify_all()


def _parts(network: object) -> dict[int, Any]:
    """Return what a network consists of by id; the objects are kept, so that no other gets an id of theirs."""
    network = getattr(network, "__self__", network)
    if not isinstance(network, nn.Module):
        return {id(network): network}
    return {id(each): each for each in (*network.modules(), *network.parameters(), *network.buffers())}


def _holders(keys: Collection[int], thread: int) -> set[int]:
    """Return the other threads that hold any of the parts."""
    return {_HOLDER[key] for key in keys if key in _HOLDER} - {thread}


def _waits_for(thread: int, others: set[int]) -> bool:
    """Tell whether any of the others waits, directly or not, for what a thread holds."""
    seen: set[int] = set()
    while others:
        seen |= others
        others = {held for other in others for held in _holders(_WANTED.get(other, ()), other)} - seen
        if thread in others:
            return True
    return False
