"""How the documentation is built: ``tox run -e docs``. Nothing is fetched from the network."""

import inspect
import os
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
os.environ |= {
    "TQDM_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
}  # no progress bars; small networks need one thread
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

project = "mint-attribution"
copyright = "the mint-attribution authors"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "mathtext",
]
exclude_patterns = ["_build", "examples", "notebooks"]
default_role = "code"  # the docstrings put code in single backticks

html_theme = "furo"
html_title = "mint-attribution"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathtext"

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say the types
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
maximum_signature_line_length = 80

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "tutorial",
    "within_subsection_order": "FileNameSortKey",
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,  # pages do not change with the machine
}


def plain_text(
    _app: Sphinx, kind: str, _name: str, _found: object, _options: object, lines: list[str]
) -> None:
    """Mark what a docstring indents below a paragraph, a formula, as literal; |x| elsewhere is no reST."""
    text = _each_by_itself(inspect.cleandoc("\n".join(lines)).split("\n"))
    if kind == "property":  # napoleon takes what stands before a colon for a type
        text[0] = text[0].replace(": ", " \N{EN DASH} ", 1)
    formula = False
    for i in range(len(text)):
        above = text[i - 2] if i > 1 else ""
        if text[i].startswith("    ") and not text[i - 1].strip() and re.match(r"[^\s.*-]", above):
            formula = True
            text[i - 1] = "\n::\n"
        formula = formula and (text[i].startswith("    ") or not text[i].strip())
        if not formula:
            text[i] = re.sub(r"\|(\S[^|`]*)\|", r"\|\1\|", text[i])
    lines[:] = "\n".join(text).split("\n")


def _each_by_itself(text: list[str]) -> list[str]:
    """Give each of several attributes that share a description ("mean, std : float") its own."""
    found: list[str] = []
    for i, line in enumerate(text):
        shared = re.match(r"((?:\w+, )+)(\w+)( : .*)", line)
        if shared and "Attributes" in text[:i]:
            names = shared[1].rstrip(", ").split(", ")
            for name in names:
                found += [name + shared[3], f"    As {shared[2]}."]
            line = shared[2] + shared[3]
        found.append(line)
    return found


def mend_links(text: str) -> str:
    """Lead to the page that an example becomes, and offer other files of the repository for download.

    Of a report it is the page that opens in a browser, where that was made.
    """

    def mended(found: re.Match[str]) -> str:
        page = found[1].replace("README.md", "index.html")
        return f"](path:{page if (DOCS / page).exists() else found[1]})"

    text = text.replace("](examples/README.rst)", "](tutorial/index.rst)")
    text = re.sub(r"\]\(examples/(\w+)\.py\)", r"](tutorial/\1.rst)", text)
    return re.sub(r"\]\(((?:\.\./|yours/|notebooks/)[^)]+(?<!\.jpg))\)", mended, text)


def read_page(_app: Sphinx, _name: str, content: list[str]) -> None:
    """Mend the links of a page."""
    content[0] = mend_links(content[0])


def read_included(_app: Sphinx, _path: Path, _parent: str, content: list[str]) -> None:
    """Mend the links of a page that lies in results/."""
    content[0] = mend_links(re.sub(r"\]\((?=[\w-]+/)", "](../results/", content[0]))


def setup(app: Sphinx) -> None:
    """Read formulas before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", plain_text, priority=100)
    app.connect("source-read", read_page)
    app.connect("include-read", read_included)
