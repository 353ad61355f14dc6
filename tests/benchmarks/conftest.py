import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def fakes() -> ModuleType:
    """The module fake_suite, beside this file."""
    file = Path(__file__).parent / "fake_suite.py"
    spec = importlib.util.spec_from_file_location("fake_suite", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_suite"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(fakes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module fake_suite, its network, pictures and plan being in the suite's tables for one test."""
    for table, name, value in fakes.entries(tmp_path):
        monkeypatch.setitem(table, name, value)
    return fakes
