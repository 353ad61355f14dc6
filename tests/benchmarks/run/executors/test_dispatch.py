"""Dispatching with workers that are no processes, so that anything can happen to them at once."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.run.executors.dispatch import ATTEMPTS, dispatch
from benchmarks.run.executors.pool import UnitFailed, WorkerLost, WorkerUnable
from benchmarks.run.units import Done, Unit
from mint.contract import InputError

LOST = WorkerLost("signal 9, killed")
RAISED = UnitFailed("ValueError: no")
FULL = UnitFailed("OSError: no space", place=True)
UNABLE = WorkerUnable("no device")


class FakeWorker:
    def __init__(self, pool: "FakePool", number: int) -> None:
        self.pool = pool
        self.name = f"fake {number}"
        self.unit: Unit | None = None
        self.closed = False

    def give(self, unit: Unit) -> None:
        assert not self.closed
        assert self.unit is None
        self.unit = unit

    def answer(self) -> Done:
        unit, self.unit = self.unit, None
        assert unit is not None
        self.pool.asked.append((self.name, unit))
        error = self.pool.fate(self, unit)
        if error is not None:
            raise error
        return Done(unit)

    def close(self) -> None:
        self.closed = True


class FakePool:
    """Workers that fail as `fate` says; `wait` names the last of those that are busy."""

    def __init__(self, size: int, places: int | None = None) -> None:
        self.size = size
        self.places = size if places is None else places
        self.workers: list[FakeWorker] = []
        self.asked: list[tuple[str, Unit]] = []

    def fate(self, worker: FakeWorker, unit: Unit) -> Exception | None:
        return None

    def open(self) -> FakeWorker:
        there = sum(not worker.closed for worker in self.workers)
        assert there < self.size
        if there >= self.places:
            raise WorkerLost("the cluster is full")
        self.workers.append(FakeWorker(self, len(self.workers) + 1))
        return self.workers[-1]

    def wait(self, busy: Sequence[FakeWorker], seconds: float) -> list[FakeWorker]:
        return [busy[-1]]

    def close(self) -> None:
        raise AssertionError("the pool belongs to the caller")


def units(number: int, methods: tuple[str, ...] = ("a",)) -> list[Unit]:
    return [Unit(0, 4 * place, 4 * place + 4, methods) for place in range(number)]


def cells(answered: list[Done] | list[Unit]) -> Counter[tuple[int, str]]:
    """Count how often each case was answered by each method."""
    found = [each.unit if isinstance(each, Done) else each for each in answered]
    return Counter(pair for unit in found for pair in product(range(unit.start, unit.stop), unit.methods))


def test_units_are_handed_out_in_their_order_and_workers_are_opened_as_needed() -> None:
    pool = FakePool(8)
    found = list(dispatch(pool, units(3)))
    assert cells(found) == cells(units(3))
    assert len(pool.workers) == 3
    assert all(worker.closed for worker in pool.workers)
    assert {done.worker for done in found} <= {"fake 1", "fake 2", "fake 3"}
    alone = FakePool(1)
    assert [done.unit for done in dispatch(alone, units(5))] == units(5)


def test_units_are_taken_only_when_somebody_can_compute_them() -> None:
    taken = []

    def endless() -> Iterator[Unit]:
        for number in range(10**9):
            taken.append(number)
            yield Unit(0, number, number + 1, ("a",))

    answers = dispatch(FakePool(3), endless())
    for _ in range(10):
        next(answers)
    answers.close()
    assert len(taken) <= 10 + 3 + 1


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 6))
def test_whatever_happens_every_case_is_answered_once(seed: int, size: int, number: int) -> None:
    chance = random.Random(seed)  # a case asks for hundreds of choices, which hypothesis would remember

    class Pool(FakePool):
        def fate(self, worker: FakeWorker, unit: Unit) -> Exception | None:
            return chance.choice([None, None, None, LOST, RAISED, FULL, UNABLE])

        def wait(self, busy: Sequence[FakeWorker], seconds: float) -> list[FakeWorker]:
            return chance.sample(busy, chance.randint(0, len(busy)))

    pool, asked, found = Pool(size, chance.randint(1, size)), units(number, ("a", "b")), []
    try:
        for done in dispatch(pool, asked):
            found.append(done)
    except InputError:
        assert not cells(found) - cells(asked)
        assert max(cells(found).values(), default=1) == 1
    else:
        assert cells(found) == cells(asked)
    assert all(worker.closed for worker in pool.workers)


def test_a_unit_that_costs_its_workers_is_divided_until_the_guilty_case_is_alone() -> None:
    class Pool(FakePool):
        def fate(self, worker: FakeWorker, unit: Unit) -> Exception | None:
            return LOST if "b" in unit.methods and unit.start <= 5 < unit.stop else None

    pool = Pool(2)
    found = list(dispatch(pool, units(3, ("a", "b", "c"))))
    assert cells(found) == cells(units(3, ("a", "b", "c")))
    (lost,) = (done for done in found if done.lost)
    assert lost.unit == Unit(0, 5, 6, ("b",))
    assert "3 times: signal 9" in lost.lost
    assert Counter(unit for _, unit in pool.asked)[lost.unit] == ATTEMPTS
    assert len({name for name, unit in pool.asked if unit == lost.unit}) == ATTEMPTS


def test_a_unit_that_raises_is_tried_by_another_then_divided() -> None:
    class Pool(FakePool):
        def fate(self, worker: FakeWorker, unit: Unit) -> Exception | None:
            return RAISED if unit.start <= 1 < unit.stop else None

    pool = Pool(1)
    (lost,) = (done for done in dispatch(pool, units(2)) if done.lost)
    assert (lost.unit, lost.lost) == (Unit(0, 1, 2, ("a",)), "ValueError: no")
    assert [name for name, unit in pool.asked if unit == units(1)[0]] == ["fake 1", "fake 2"]


def test_a_full_place_costs_no_unit(capsys: pytest.CaptureFixture[str]) -> None:
    class Pool(FakePool):
        def fate(self, worker: FakeWorker, unit: Unit) -> Exception | None:
            return FULL if worker.name in {"fake 1", "fake 3"} else None

    pool = Pool(3)
    found = list(dispatch(pool, units(20)))
    assert not any(done.lost for done in found)
    assert cells(found) == cells(units(20))
    assert len(pool.workers) == 3  # none is opened in their place while another works
    assert capsys.readouterr().err.count("no space") == 1


def test_what_every_place_refuses_is_given_up_and_the_rest_is_done() -> None:
    class Pool(FakePool):
        def fate(self, worker: FakeWorker, unit: Unit) -> Exception | None:
            return FULL if unit.start == 4 else None

    for size in (1, 3):
        found = list(dispatch(Pool(size), units(6)))
        assert [done.unit.start for done in found if done.lost] == [4]
        assert cells(found) == cells(units(6))


@pytest.mark.parametrize("error", [FULL, UNABLE])
@pytest.mark.parametrize("size", [1, 2, 8])
def test_when_no_place_is_left_the_run_ends_and_says_why(error: Exception, size: int) -> None:
    class Pool(FakePool):
        def fate(self, worker: FakeWorker, unit: Unit) -> Exception | None:
            return error

    pool = Pool(size)
    with pytest.raises(InputError, match=str(error)):
        list(dispatch(pool, units(1000)))
    assert len(pool.workers) <= size + ATTEMPTS


def test_a_cluster_with_fewer_places_is_used_as_it_is() -> None:
    pool = FakePool(5, places=2)
    assert cells(list(dispatch(pool, units(9)))) == cells(units(9))
    assert len(pool.workers) == 2
    with pytest.raises(InputError, match="the cluster is full"):
        list(dispatch(FakePool(5, places=0), units(9)))


def test_closing_closes_the_workers() -> None:
    pool = FakePool(4)
    answers = dispatch(pool, units(20))
    next(answers)
    answers.close()
    assert len(pool.workers) == 4
    assert all(worker.closed for worker in pool.workers)
