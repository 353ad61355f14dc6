"""``pytest benchmarks/``: a plan, run by the same runner as ``python -m benchmarks run``, one test for each method."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.registry import PLAN, find
from benchmarks.results.provenance import foreign_package
from benchmarks.run.plan import Options, Plan
from benchmarks.studies.speed.ratios import compare, keep, kept

RATIOS = pytest.StashKey[dict[str, dict[str, float]]]()
"""The ratios measured, by machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the command line that a plan may need."""
    group = parser.getgroup("benchmarks")
    group.addoption("--plan", default="smoke", help="the plan to run (default: smoke)")
    group.addoption("--out", type=Path, help="where cells are kept and found (default: a temporary directory)")
    group.addoption("--data", type=Path, help="folder of a data set that is not shipped")
    group.addoption("--device", default="auto", help="cpu, cuda, ...; auto (default): cuda if there is one")
    group.addoption("--keep-ratios", action="store_true", help="keep what the engines cost here, to compare with later")


def pytest_configure() -> None:
    """Refuse to measure other packages than this checkout's."""
    problem = foreign_package()
    if problem:
        raise pytest.UsageError(problem)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Compare what the engines cost with what was kept; machines are noisy, so that nothing fails."""
    for machine, found in config.stash.get(RATIOS, {}).items():
        terminalreporter.section(f"engines beside bare forward passes: {machine}")
        for line in compare(found, kept(machine)):
            terminalreporter.write_line(line)
        if config.getoption("--keep-ratios"):
            keep(machine, found)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give one test to each method of the plan, or to each network, as the test asks for."""
    kinds = {"one_method": _one_method, "one_network": _one_network}
    plan = find(PLAN, metafunc.config.getoption("--plan"))
    for fixture, narrow in kinds.items():
        if fixture in metafunc.fixturenames:
            plans = {name: each for name, each in narrow(plan)}
            metafunc.parametrize(fixture, plans.values(), ids=plans.keys())


def _one_network(plan: Plan) -> Iterator[tuple[str, Plan]]:
    for part in plan.parts:
        for network in part.networks:
            alone = replace(part, networks=(network,), timed=0, shown=0)
            yield f"{network}-on-{part.dataset}", replace(plan, parts=(alone,))


def _one_method(plan: Plan) -> Iterator[tuple[str, Plan]]:
    for name, alone in _one_network(plan):
        (part,) = alone.parts
        for method, attributor in part.methods.items():
            yield f"{name}-{method}", replace(plan, parts=(replace(part, methods={method: attributor}),))


@pytest.fixture(scope="session")
def cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name the directory of the store, shared by all tests: what one computed the next one finds."""
    out = request.config.getoption("--out")
    return (out or tmp_path_factory.mktemp("out")) / "cells"


@pytest.fixture(scope="session")
def options(request: pytest.FixtureRequest) -> Options:
    """How to run, from the command line."""
    return Options(data=request.config.getoption("--data"), device=request.config.getoption("--device"))


@pytest.fixture(scope="session")
def ratios(pytestconfig: pytest.Config) -> dict[str, dict[str, float]]:
    """Take the ratios measured, by machine, for the summary."""
    return pytestconfig.stash.setdefault(RATIOS, {})
