"""What is true of every study: how it is reached, and what its page says of itself."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.studies import STUDIES, SUMMARIES
from benchmarks.studies.commandline import write_page


def test_the_table_of_studies_needs_no_torch() -> None:
    check = "import sys, benchmarks.studies; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(STUDIES[name]).main(["--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"usage: python -m benchmarks study {name} ")
    assert SUMMARIES[name] in said
    own = ("--data", "--only") if name == "results" else ("--network",)
    for option in ("--weights", "--device", "--out", *own):
        assert option in said


@pytest.mark.parametrize("name", ["protocols", "speed"])
def test_a_network_that_does_not_exist_is_one_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--network", "scenes-vg", "--out", str(tmp_path)]
    assert importlib.import_module(STUDIES[name]).main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: unknown network 'scenes-vg'")
    assert "scenes-vgg" in line


def test_a_page_begins_with_what_a_person_concluded(tmp_path: Path) -> None:
    (tmp_path / "conclusions.md").write_text("## Found\n\nConcluded.\n\n", encoding="utf-8")
    page = write_page("Title", ["One.", "Two."], tmp_path / "README.md")
    assert page == "# Title\n\n## Found\n\nConcluded.\n\nOne.\n\nTwo.\n"
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == page
