"""Every metric's docstring says where it comes from, which way is better, its range, and what it cannot tell."""

import re
import sys
from dataclasses import is_dataclass

import pytest

import benchmarks.metrics
from benchmarks.metrics import METRICS, MethodMetric, Metric

KINDS = {
    kind
    for kind in map(benchmarks.metrics.__dict__.get, benchmarks.metrics.__all__)
    if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, (Metric, MethodMetric))
}
# "Direction: ...", or "Direction, range and parameters: ...".
STATEMENTS = {
    "source": r"\bsource\b[^.:]*: ",
    "direction": r"\bdirection\b[^.:]*: ",
    "range": r"\brange\b[^.:]*: ",
    "limits": r"what it cannot tell: ",
}


def on_one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def test_the_docstrings_are_those_of_all_metrics() -> None:
    assert {type(make()) for make in METRICS.values()} < KINDS


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_a_metric_states_what_it_is(kind: type, statement: str) -> None:
    text = on_one_line(kind.__doc__)
    if statement == "source":  # one paper may be the source of all metrics of a module
        text += on_one_line(sys.modules[kind.__module__].__doc__)
    found = re.search(STATEMENTS[statement] + r"(.+)", text, re.IGNORECASE)
    assert found, f"{kind.__name__} does not state its {statement}."
    # The statement itself is there, and does not only say where it can be read.
    assert len(found[1].split()) >= 3
    assert "this module's text" not in text
