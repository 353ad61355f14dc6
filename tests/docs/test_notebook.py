"""The notebook is the tutorial's first page, and runs in its folder."""

import json

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("sphinx_gallery")

from docs.notebooks import make


def test_the_notebook_is_the_example() -> None:
    """If it fails: ``python -m docs.notebooks.make``."""
    cells = json.loads(make.NOTEBOOK.read_text("utf-8"))["cells"]
    assert [cell["source"] for cell in cells] == [cell.source.splitlines(True) for cell in make.converted().cells]
    assert any("image/png" in found.get("data", {}) for cell in cells for found in cell.get("outputs", ()))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_notebook_runs_where_it_is() -> None:
    printed = [
        found.get("text", "") for cell in make.executed(make.converted()).cells for found in cell.get("outputs", ())
    ]
    assert any("checked-star" in text for text in printed)
