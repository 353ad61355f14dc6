"""What a person concluded from results, kept beside them, for the page that shows them to begin with."""

from pathlib import Path

CONCLUSIONS = "conclusions.md"


def read_conclusions(directory: Path) -> list[str]:
    """Return the text of a directory's ``conclusions.md`` and an empty line, or nothing where there is none."""
    file = directory / CONCLUSIONS
    return [file.read_text(encoding="utf-8").rstrip(), ""] if file.is_file() else []
