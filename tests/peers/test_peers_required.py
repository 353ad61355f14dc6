"""A tool that is missing: skipped, but for the environment that is to have it."""

from collections.abc import Callable
from types import ModuleType

import pytest

MISSING = ("no_such_tool", "no-such-tool", "rise-deletion")


def test_a_missing_tool_is_skipped(load: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception):
        load(*MISSING)


def test_a_missing_tool_fails_where_it_is_required(
    load: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_PEERS", "1")
    with pytest.raises(ModuleNotFoundError, match="no_such_tool"):
        load(*MISSING)
