"""Every metric's docstring says where it comes from, which way is better, its range, and what it cannot tell."""

import re
import sys
from dataclasses import is_dataclass

import pytest

import benchmarks.metrics
from benchmarks.metrics import METRICS, MethodMetric, Metric

KINDS = [
    kind
    for kind in map(benchmarks.metrics.__dict__.get, benchmarks.metrics.__all__)
    if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, (Metric, MethodMetric))
]
# A statement is "Range: ...", or "Direction, range and parameters: ...", which points to another metric.
STATEMENTS = {
    "source": r"\bsource\b[^.:]*: ",
    "direction": r"\bdirection\b[^.:]*: ",
    "range": r"\brange\b[^.:]*: ",
    "limits": r"what [^.:]*can(not)? tell: |\blimits: ",
}
# Complexity's and relevance's words for it are their own.
MODULES_LIMITS = r"cannot tell: |none of them can tell: |neither asks whether"


def on_one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def module_s_text(kind: type) -> str:
    return on_one_line(sys.modules[kind.__module__].__doc__)


def test_the_docstrings_are_those_of_all_metrics() -> None:
    assert {type(make()) for make in METRICS.values()} < set(KINDS)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_metric_states_what_it_is(kind: type, statement: str) -> None:
    own = on_one_line(kind.__doc__)
    found = re.search(STATEMENTS[statement], own, re.IGNORECASE)
    if statement == "source" and not found:  # one paper for all of a module's metrics
        found = re.search(r"\bSource: ", module_s_text(kind))
    assert found, f"{kind.__name__} does not state its {statement}."


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_metric_that_points_to_its_module_finds_it_there(kind: type) -> None:
    own, there = on_one_line(kind.__doc__), module_s_text(kind)
    pointers = re.findall(r"([^.]*): this module's text", own)
    if any("source" in pointer.lower() for pointer in pointers):
        assert "Source: " in there
    if any("limits" in pointer or "cannot tell" in pointer for pointer in pointers):
        assert re.search(MODULES_LIMITS, there)
