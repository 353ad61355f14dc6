"""Writes a folder of figures: a picture file for each, and a README that shows them with their captions."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from benchmarks.report.plots import save_picture
from benchmarks.studies.paper_figures.panels import absent_class, panels, two_classes
from benchmarks.studies.paper_figures.pipeline import pipeline
from benchmarks.studies.paper_figures.plate import Plate
from benchmarks.studies.paper_figures.samples import samples as draw_samples
from benchmarks.studies.paper_figures.segmentation import segmentation
from benchmarks.studies.paper_figures.sources import Source
from benchmarks.studies.paper_figures.subjects import Group, Subject, explain

FOLDER = Path(__file__).parent
"""Holds a file ``findings-<source>.md`` for each committed set: what a person saw in its figures."""


def make_figures(
    sources: Sequence[Source], directory: Path, command: str, *, samples: int | None, seed: int, findings: bool
) -> list[Path]:
    """Explain what the sources hold, draw every figure, and write them with their index.

    Parameters
    ----------
    sources : sequence of Source
        Each gives a set of figures.
    directory : pathlib.Path
        Made if it does not exist.
    command : str
        Named in the index.
    samples : int or None
        How often MINT and LIME ask the network; None: each source's own number.
    seed : int
        Of MINT and LIME.
    findings : bool
        Whether the index says what was seen in the committed figures, which is true of these alone.

    Returns
    -------
    list of pathlib.Path
        The picture files.
    """
    total = sum(len(group.cases) for source in sources for group in source.groups)
    sections, files = [], []
    directory.mkdir(parents=True, exist_ok=True)
    with tqdm(total=total, unit="explanation", disable=None) as bar:
        for source in sources:
            plates = draw(source, source.samples if samples is None else samples, seed, bar)
            sections.append(f"## {source.name}\n")
            for plate in plates:
                files.append(directory / f"{source.name}-{plate.name}.jpg")
                save_picture(plate.figure, files[-1])
                picture = f"![{plate.title}]({files[-1].name})"
                parts = (f"### {plate.title}", picture, _wrapped(plate.caption), plate.table)
                sections.append("\n\n".join(filter(None, parts)) + "\n")
            seen = FOLDER / f"findings-{source.name}.md"
            if findings and seen.exists():
                sections.append(seen.read_text(encoding="utf-8"))
    head = (
        "# The paper's figures, made again\n\n"
        + _wrapped(
            "The figures of Cui, Wang and Wang (IEEE TMM 2019), with this suite's networks and pictures. Made by "
            f"`{command}`; the same command draws the same figures. `g` is the class's probability, `first` marks the "
            "network's most probable class, and where a data set has masks, the object is outlined in the input. "
            "In the tables, the coarse region is given as a share of the picture, R² is the surrogates' on samples "
            "held out, and the other shares are explained by their names."
        )
        + "\n\n"
    )
    (directory / "README.md").write_text(head + "\n".join(sections), encoding="utf-8")
    return files


def draw(source: Source, samples: int, seed: int, bar: "tqdm[NoReturn]") -> list[Plate]:
    """Explain what one source holds and draw its figures.

    Parameters
    ----------
    source : Source
    samples, seed : int
        For MINT and LIME.
    bar : tqdm.tqdm
        Moved on by one for each explanation.
    """

    def explained(group: Group) -> list[Subject]:
        subjects = []
        for case in group.cases:
            subjects.append(explain(group, case, samples, seed))
            bar.update()
        return subjects

    shown = [explained(group) for group in source.panels]
    return [
        pipeline(shown[0][0]),
        segmentation(shown[0][:3]),
        draw_samples(shown[0][0]),
        *(panels(subjects, source.rules["panels"]) for subjects in shown),
        two_classes(explained(source.pairs), source.rules["pairs"]),
        absent_class(explained(source.absent), source.rules["absent"]),
    ]


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)
