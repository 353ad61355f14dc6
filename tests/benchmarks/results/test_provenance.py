import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import baselines
from benchmarks.metrics import Deletion, Pointing
from benchmarks.results import provenance
from mint import MINT


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package whose class stands on one helper, and not on two others."""
    folder = tmp_path / "their_method"
    (folder / "parts").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "used.py").write_text("from . import deeper\n")
    (folder / "parts" / "deeper.py").write_text("FACTOR = 1\n")
    (folder / "parts" / "unused.py").write_text("FACTOR = 1\n")
    (folder / "only_for_types.py").write_text("FACTOR = 1\n")
    (folder / "method.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from their_method.only_for_types import FACTOR\n"
        "class Method:\n"
        "    def __call__(self, model, images, targets):\n"
        "        from .parts import used\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    provenance._files_behind.cache_clear()
    yield folder
    provenance._files_behind.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_method"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("file", "matters"),
    [
        ("method.py", True),
        ("parts/used.py", True),
        ("parts/deeper.py", True),
        ("parts/unused.py", False),
        ("only_for_types.py", False),
    ],
)
def test_a_classs_code_is_what_it_imports_followed_through(package: Path, file: str, matters: bool) -> None:
    from their_method.method import Method  # type: ignore[import-not-found]

    before = provenance.code_digest(Method())
    assert provenance.code_digest(Method()) == before
    with (package / file).open("a") as stream:
        stream.write("# another version\n")
    assert (provenance.code_digest(Method()) != before) == matters


def files_behind(instance: object) -> set[str]:
    files = provenance._files_behind(type(instance).__module__)
    return {str(file.relative_to(provenance.ROOT)) for file in files}


def test_methods_and_metrics_of_ours_stand_on_the_files_one_expects() -> None:
    assert {"mint/method.py", "mint/surrogate.py", "mint/superpixels.py"} <= files_behind(MINT())
    lime = files_behind(baselines.LIME())
    assert {"baselines/lime.py", "mint/superpixels.py", "mint/perturbation.py"} <= lime
    assert "mint/surrogate.py" not in files_behind(baselines.GradCAM())
    assert {"benchmarks/metrics/removal/curve.py", "mint/perturbation.py"} <= files_behind(Deletion())
    assert "mint/method.py" not in files_behind(Pointing())


def test_code_that_cannot_be_found_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the source of .* cannot be found"):
        provenance.code_digest(functools.partial(print))


def test_versions_are_of_all_libraries_that_can_change_a_number() -> None:
    found = provenance.versions()
    assert found.keys() == set(provenance.LIBRARIES)
    assert "absent" not in found.values()


def test_only_this_checkouts_packages_are_not_foreign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert provenance.foreign_package() is None
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    sentence = provenance.foreign_package()
    assert sentence is not None
    assert "'benchmarks'" in sentence
    assert "\n" not in sentence


def test_a_directory_without_git_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert provenance.git_state() == {"commit": None, "dirty": None}
