"""What the harnesses share: damaged inputs made from sound ones, and the promise that each is read or refused.

A harness is a reader of the project with a few small sound inputs. Whatever its bytes, an input is read or refused
in one sentence, within seconds and without a huge allocation: no other exception, and no wrong numbers.
"""

import re
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.results.records import RecordsError
from mint.parameters import InputError

SECONDS = 10.0
MEGABYTES = 1024.0
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
NUMBERS = (b"0", b"-1", b"nan", b"inf", b"1e400", b"1e308", b"0.5", b"65535", b"4294967296", b"9" * 25, b"9" * 5000)


@dataclass(frozen=True)
class Harness:
    """A reader, and what it is fed."""

    name: str
    sound: Callable[[Path], Sequence[bytes]]
    """Make the inputs that mutations start from; the folder is empty, and for it alone."""
    read: Callable[[bytes, Path], bool]
    """Let the reader read; tell whether an input can be told to be read. What it raises, `examine` judges."""
    tokens: Sequence[bytes] = ()
    """What mutations put in, besides numbers."""
    found: Sequence[bytes] = ()
    """Inputs that once were neither read nor refused."""


class NeitherReadNorRefusedError(AssertionError):
    """An input took too long, or too much memory, or was refused in no single sentence."""


def examine(harness: Harness, data: bytes, folder: Path) -> bool:
    """Give an input to a reader: True if it was read, False if it was refused; anything else is raised."""
    memory, started = _most_megabytes(), time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = harness.read(data, folder)
    except (InputError, RecordsError) as error:
        read = False
        if "\n" in str(error) or not str(error).rstrip().endswith((".", ")", "?")):
            raise NeitherReadNorRefusedError(f"not one sentence: {str(error)!r}") from error
    seconds, megabytes = time.perf_counter() - started, _most_megabytes() - memory
    if seconds > SECONDS or megabytes > MEGABYTES:
        raise NeitherReadNorRefusedError(f"it took {seconds:.1f} s and {megabytes:.0f} MB")
    return read


def _most_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def mutate(data: bytes, random: Random, tokens: Sequence[bytes] = ()) -> bytes:
    """Damage an input in one to four places: bytes flipped, cut, doubled, swapped, or something odd put in."""
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        random.choice(_DAMAGES)(damaged, random, tokens)
    return bytes(damaged)


def _span(data: bytearray, random: Random) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, min(len(data), start + random.choice((1, 2, 4, 8, 32, 256))))


def _flip(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _replace(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice((*INTERESTING, random.randrange(256)))


def _cut_short(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    del data[random.randrange(len(data) + 1) :]


def _cut_out(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    del data[_span(data, random)]


def _double(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    span = _span(data, random)
    data[span] = data[span] * random.choice((2, 2, 3, 100))


def _swap(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    one, other = sorted((_span(data, random), _span(data, random)), key=lambda span: span.start)
    if one.stop <= other.start:
        data[other], data[one] = data[one], data[other]


def _number(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    places = list(re.finditer(rb"[0-9]+", bytes(data[:100_000])))
    if places:
        place = random.choice(places)
        data[place.start() : place.end()] = random.choice(NUMBERS)


def _word(data: bytearray, random: Random, _tokens: Sequence[bytes]) -> None:
    """Overwrite 4 bytes as a binary format's counts and sizes are: by the largest, or a moderate number."""
    if len(data) >= 4:
        start = random.randrange(len(data) - 3)
        value = random.choice((0, 1, 255, 65_535, 20_000, 2**31 - 1, 2**32 - 1))
        data[start : start + 4] = value.to_bytes(4, random.choice(("little", "big")))


def _token(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    span = _span(data, random)
    data[slice(span.start, random.choice((span.start, span.stop)))] = random.choice((*tokens, *NUMBERS))


_DAMAGES = (_flip, _replace, _cut_short, _cut_out, _double, _swap, _number, _word, _token, _token)
