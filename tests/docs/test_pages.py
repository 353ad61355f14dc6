"""The pages name everything that is public, and their formulas can be drawn without LaTeX."""

import re
import sys
from pathlib import Path

import pytest

import benchmarks.metrics
from benchmarks.metrics import METRICS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {file.name: file.read_text("utf-8") for file in DOCS.glob("*.md")}
PACKAGES = ("mint", "baselines", "benchmarks")
FOREIGN = {  # sentences that others print, or that are made of parts
    "operator torchvision::nms does not exist",
    "the package efficientnet-lite-pytorch is not installed",
    "error: externally-managed-environment",
    "unknown method",
    "a method is marked \N{DAGGER} not deterministic",
}
FORMULAS = [
    (name, formula)
    for name, page in PAGES.items()
    for formula in re.findall(
        r"\$\$\n(.*?)\n\$\$|(?<![$`])\$([^$\n]+)\$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), flags=re.DOTALL
    )
]


def test_every_public_name_of_the_metrics_is_on_a_page() -> None:
    text = PAGES["metrics.md"] + PAGES["protocols.md"] + PAGES["api.md"]
    names = set(benchmarks.metrics.__all__) - {"METRICS", "PROFILES", "MoRF"}  # MoRF is another name of Deletion
    assert not [name for name in names if not re.search(rf"\b{name}\b", text)]


def test_every_metric_has_a_formula() -> None:
    parts = PAGES["metrics.md"].split("\n## ")[1:]
    described = {
        match[1]: part for part in parts if (match := re.search(r"autoclass:: benchmarks\.metrics\.(\w+)", part))
    }
    ours = {type(make()).__name__ for make in METRICS.values()} - {"RemovalProfile", "PointingProfile"}
    assert ours <= described.keys()
    assert all("$$" in part for part in described.values())


@pytest.mark.parametrize(("page", "formula"), FORMULAS, ids=lambda value: str(value)[:30])
def test_a_formula_can_be_drawn(page: str, formula: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(DOCS))
    import mathtext  # type: ignore[import-not-found]

    drawn = mathtext.draw("".join(formula))
    sys.modules.pop("mathtext")
    assert drawn.startswith("<svg role")
    assert drawn.endswith("</svg>")
    assert "currentColor" in drawn


def test_the_sentences_of_troubleshooting_are_those_of_the_code() -> None:
    code = "".join(file.read_text("utf-8") for name in PACKAGES for file in (DOCS.parent / name).rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)  # a sentence may go on in the next line
    sentences = re.findall(r"\*\*([a-z.][^*]+)\*\*", PAGES["troubleshooting.md"])
    parts = [part.strip(" ;") for each in sentences for part in re.split(r"\.\.\.|'[^']*'|\d+", each)]
    assert len(parts) > 30
    assert not [part for part in parts if len(part) > 12 and part not in code and part not in FOREIGN]
