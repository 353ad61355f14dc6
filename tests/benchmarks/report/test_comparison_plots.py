"""The drawings of comparisons: what must not hang on chance."""

import numpy as np
from matplotlib.figure import Figure
from paper import column

from benchmarks.analysis.comparisons import rank_methods
from benchmarks.analysis.scores import Column
from benchmarks.report.comparison_plots import _diagram


def drawn(scored: Column) -> tuple[list[list[tuple[float, float]]], list[str]]:
    """Draw a diagram of ranks: its lines, and its labels."""
    axes = Figure().subplots()
    ranking = rank_methods(scored)
    assert ranking is not None
    _diagram(axes, ranking, scored)
    return [[tuple(point) for point in line.get_xydata()] for line in axes.lines], [t.get_text() for t in axes.texts]


def test_a_diagram_of_ranks_is_the_same_whatever_order_python_has_sets_in() -> None:
    # Names have other hashes in every process, and with them sets of names another order; other names do as well.
    scores = np.random.default_rng(0).normal(0.6 * np.arange(9), 1, (12, 9)).T
    first, labels = drawn(column({f"method {i}": each for i, each in enumerate(scores)}))
    assert sum(len(line) > 3 for line in first) >= 2, "several bars of many methods, or nothing is tested"
    assert sorted(label.split()[1] for label in labels[:5]) == list("45678")
    for prefix in ("a", "some other ", "third-", "x y z "):
        lines, renamed = drawn(column({f"{prefix}{i}": each for i, each in enumerate(scores)}))
        assert lines == first
        assert renamed == [label.replace("method ", prefix) for label in labels]
