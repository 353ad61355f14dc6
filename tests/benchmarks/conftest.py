import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import paper
import pytest

from benchmarks.results.records import Records, Shown


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


@pytest.fixture
def known() -> Records:
    """Scores whose averages are known on paper: two methods, two metrics, four pictures."""
    given = {
        ("mint", "deletion"): [0.1, 0.2, 0.3, 0.4],
        ("my_method", "deletion"): [0.2, 0.3, 0.4, 0.5],
        ("mint", "pointing"): [1.0, 1.0, 0.0, np.nan],
        ("my_method", "pointing"): [1.0, 0.0, 0.0, np.nan],
    }
    rows = [
        paper.row(method, metric, f"case-{i}", score, target=i % 2, target_name="ab"[i % 2], difficult=i < 2)
        for (method, metric), scores in given.items()
        for i, score in enumerate(scores)
    ]
    points = [(np.array([0, 0.5, 1]), np.array([1, i / 4, 0])) for i in range(4)]
    curves = [
        ["scenes", "net", method, "", "deletion", f"case-{i}", f"picture-{i}", *point]
        for method in ("mint", "my_method")
        for i, point in enumerate(points)
    ]
    timings = [["scenes", "net", m, "A CPU", 12.345, 0.5, 5, 501.0, 1.0, 30.0] for m in ("mint", "my_method")]
    metrics = {
        "deletion": paper.metric("Deletion()", "lower"),
        "pointing": paper.metric("Pointing()", "higher", "classes", ("all", "difficult")),
    }
    methods = {
        "mint": {"class": "MINT", "parameters": {"samples": "500", "prior": "'elementwise'"}},
        "my_method": {"class": "Mine", "parameters": {}},
    }
    setting = paper.setting(list(methods), metrics, 4, methods=methods, cases={"all": 4, "difficult": 2})
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    region = np.zeros((20, 20), dtype=bool)
    region[4:9, 4:9] = True
    maps = {"mint": np.full((20, 20), 100, dtype=np.uint8), "my_method": np.zeros((20, 20), dtype=np.uint8)}
    shown = Shown("scenes", "net", "case-0", "a", image, region, maps, {"mint: coarse": image})
    return paper.records(rows, [setting], curves=curves, timings=timings, gallery=[shown])


@pytest.fixture
def arguments(world: ModuleType, tmp_path: Path) -> list[str]:
    return ["run", "--plan", "fake", "--out", str(tmp_path / "out")]
