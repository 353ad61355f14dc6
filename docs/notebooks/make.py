"""Make the notebook of the tutorial's first page, with its output: ``python -m docs.notebooks.make``."""

import copy
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
from sphinx_gallery.notebook import jupyter_notebook
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "plot_1_explain_a_picture.py"
NOTEBOOK = HERE / "explain_a_picture.ipynb"
FIRST = "# The checkout, where `benchmarks` is.\nimport sys\n\nsys.path.insert(0, '../..')"


def converted() -> Any:
    """Turn the example into a notebook that runs in this folder."""
    settings = copy.deepcopy(DEFAULT_GALLERY_CONF) | {"first_notebook_cell": FIRST}
    _, blocks = split_code_and_text_blocks(str(EXAMPLE))
    text = nbformat.from_dict(jupyter_notebook(blocks, settings, str(HERE)))
    _, notebook = nbformat.validator.normalize(text)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        if isinstance(cell.source, list):
            cell.source = "".join(cell.source)
    return notebook


def executed(notebook: Any) -> Any:
    """Run a notebook as Jupyter does, in this folder."""
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(HERE)}}).execute()
    return notebook


if __name__ == "__main__":
    notebook = executed(converted())
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)
