import numpy as np
import pages
import paper
import pytest
from paper import few_resamples as few_resamples

from benchmarks.results.records import Records


@pytest.fixture(scope="module")
def some() -> Records:
    """Records with maps of two networks; random is a null of the first alone."""
    records = paper.made_up(pages.METHODS, 14, networks=("vgg", "resnet"))
    records.provenance["inputs"]["settings"][0]["nulls"] = ["random"]
    return records


@pytest.fixture
def contested() -> Records:
    """Four methods, one of them a null, under three settings of a metric and two of another, on twelve pictures."""
    generator = np.random.default_rng(3)
    ahead = {"mint": 0.4, "lime": 0.3, "gradcam": 0.0, "random": -0.6}
    metrics = {
        "insertion": "Insertion(steps=None)", "insertion, 28": "Insertion(steps=28)",
        "insertion, 14": "Insertion(steps=14)", "pointing": "Pointing()",
    }  # fmt: skip
    given = {name: {method: lead + generator.normal(0, 0.5, 12) for method, lead in ahead.items()} for name in metrics}
    return paper.of_columns(
        [paper.column(given[name], metric=name, metric_id=metric_id) for name, metric_id in metrics.items()]
    )
