from collections.abc import Iterator

import pages
import paper
import pytest

from benchmarks.analysis import statistics
from benchmarks.results.records import Records


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw 1,000 resamples instead of 5,000: the same numbers but for chance, in less time."""
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    statistics.draw.cache_clear()
    yield
    statistics.draw.cache_clear()


@pytest.fixture(scope="module")
def some() -> Records:
    """Records with maps of two networks; random is a null of the first alone."""
    records = paper.made_up(pages.METHODS, 14, networks=("vgg", "resnet"))
    records.provenance["inputs"]["settings"][0]["nulls"] = ["random"]
    return records
