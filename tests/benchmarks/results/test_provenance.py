from pathlib import Path

import pytest

from benchmarks.results import provenance


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
