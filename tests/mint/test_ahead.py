import threading
from collections.abc import Callable
from contextlib import closing

import pytest
import torch
from examples import SmallCNN
from torch import Tensor

from mint import MINT, OverlayMINT, ahead
from mint.ahead import finish_behind, work_ahead
from mint.contract import Attributor

CPU = torch.device("cpu")
METHODS = [MINT(samples=30, layers=("stem", "trunk")), OverlayMINT(samples=30, deep_layer="trunk", slic_segments=(6,))]


@pytest.fixture(params=[False, True], ids=["alone", "with a thread"])
def spare_core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(ahead, "has_spare_core", lambda _device: request.param)
    return bool(request.param)


def test_the_order_is_kept_and_only_a_few_items_are_read_ahead(spare_core: bool) -> None:
    read: list[int] = []
    seen = []
    for cut in work_ahead(range(9), lambda i: read.append(i), lambda i, _: 10 * i, CPU):
        seen.append(cut)
        assert len(read) == min(len(seen) + spare_core * ahead.AHEAD, 9)
    assert seen == [10 * i for i in range(9)]


def test_the_network_is_asked_by_the_caller_and_cutting_has_its_own_thread(spare_core: bool) -> None:
    pairs = work_ahead(range(3), lambda _: threading.get_ident(), lambda _, who: (who, threading.get_ident()), CPU)
    for who_read, who_cut in pairs:
        assert who_read == threading.get_ident()
        assert (who_cut != who_read) == spare_core


@pytest.mark.usefixtures("spare_core")
@pytest.mark.parametrize("guilty", ["read", "cut"])
def test_an_error_comes_at_the_turn_of_its_item(guilty: str) -> None:
    def fail(step: str, i: int) -> int:
        if step == guilty and i == 2:
            raise ValueError("the third")
        return i

    seen = []
    with pytest.raises(ValueError, match="the third"):  # noqa: PT012
        for cut in work_ahead(range(5), lambda i: fail("read", i), lambda i, _: fail("cut", i), CPU):
            seen.append(cut)
    assert seen == [0, 1]


@pytest.mark.usefixtures("spare_core")
def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    with closing(work_ahead(range(9), lambda i: i, lambda i, _: i, CPU)) as cuts:
        next(cuts)
    assert threading.active_count() == before


def test_what_was_asked_is_finished_in_its_order_by_another_thread(spare_core: bool) -> None:
    log: list[tuple[str, int]] = []
    first_may_end = threading.Event()

    def ask(i: int) -> Callable[[], int]:
        log.append(("asked", threading.get_ident()))
        if i == ahead.AHEAD:
            first_may_end.set()
        return lambda: finish(i)

    def finish(i: int) -> int:
        if spare_core:
            assert first_may_end.wait(10)  # asking goes on meanwhile
        log.append(("finished", threading.get_ident()))
        return 10 * i

    assert finish_behind(map(ask, range(4)), CPU) == [0, 10, 20, 30]
    together = ahead.AHEAD + 1 if spare_core else 1
    assert [what for what, _ in log][: 2 * together : together] == ["asked", "finished"]
    here = threading.get_ident()
    assert all((who == here) == (what == "asked" or not spare_core) for what, who in log)


def test_only_a_few_wait_to_be_finished(spare_core: bool) -> None:
    waiting, most = 0, 0

    def ask(i: int) -> Callable[[], int]:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        return lambda: finish(i)

    def finish(i: int) -> int:
        nonlocal waiting
        waiting -= 1
        return i

    assert finish_behind(map(ask, range(50)), CPU) == [*range(50)]
    assert most <= 1 + spare_core * (1 + ahead.AHEAD)


@pytest.mark.usefixtures("spare_core")
def test_after_an_error_nothing_more_is_asked() -> None:
    asked: list[int] = []
    with pytest.raises(ZeroDivisionError):
        finish_behind((asked.append(i) or (lambda i=i: 1 // i) for i in range(50)), CPU)  # type: ignore[func-returns-value,misc]
    assert len(asked) <= 2 + ahead.AHEAD


@pytest.mark.usefixtures("spare_core")
def test_an_error_while_finishing_is_raised_and_no_thread_is_left() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        finish_behind((lambda i=i: 1 // i for i in range(3)), CPU)  # type: ignore[misc]
    assert threading.active_count() == before


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_maps_do_not_depend_on_it(
    method: Attributor, small_cnn: SmallCNN, images: Tensor, targets: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = []
    for spare in (False, True):
        monkeypatch.setattr(ahead, "has_spare_core", lambda _device, spare=spare: spare)
        maps.append(method(small_cnn, images, targets))
    assert torch.equal(*maps)


def test_a_cpu_works_ahead_only_where_torch_leaves_a_core_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    for cores, spare in ((2, False), (4, True)):
        monkeypatch.setattr(ahead.os, "cpu_count", lambda cores=cores: cores)
        assert ahead.has_spare_core(CPU) == spare
    assert ahead.has_spare_core(torch.device("cuda"))
