"""Writes a folder of figures: a picture file for each, and a page that shows them with their captions."""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from benchmarks.registry import look_up
from benchmarks.report.plots import save_picture
from benchmarks.studies.commandline import finish, made_by, positive, study_parser, write_page
from benchmarks.studies.paper_figures.figures import Plate, absent_class, panels, samples, segmentation, two_classes
from benchmarks.studies.paper_figures.pipeline import pipeline
from benchmarks.studies.paper_figures.sources import SOURCES, Source, own_pictures
from benchmarks.studies.paper_figures.subjects import Group, Subject, explain
from mint.contract import InputError


def draw(source: Source, count: int, seed: int) -> Iterator[Plate]:
    """Explain what one source holds and draw its figures; ``count`` samples and the seed are MINT's and LIME's."""

    def explained(group: Group) -> list[Subject]:
        cases = tqdm(group.cases, desc=f"{source.name}, {group.network.name}", unit="explanation")
        return [explain(group, case, count, seed) for case in cases]

    shown = [explained(group) for group in source.panels]
    yield pipeline(shown[0][0])
    yield segmentation(shown[0][:3])
    yield samples(shown[0][0])
    yield from (panels(subjects, group.rule) for subjects, group in zip(shown, source.panels, strict=True))
    yield two_classes(explained(source.pairs), source.pairs.rule)
    yield absent_class(explained(source.absent), source.absent.rule)


def make_figures(sources: Sequence[Source], directory: Path, made: str, *, count: int | None, seed: int) -> list[Path]:
    """Explain what the sources hold, draw every figure, and write the files and the page.

    Parameters
    ----------
    sources : sequence of Source
        Each gives a set of figures.
    directory : pathlib.Path
        Made if it does not exist.
    made : str
        What the page says of how it was made.
    count : int or None
        How often MINT and LIME ask the network; None: each source's own number.
    seed : int
        The seed of MINT and LIME.

    Returns
    -------
    list of pathlib.Path
        The picture files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    parts = [
        "The figures of Cui, Wang and Wang (IEEE TMM 2019), drawn with this suite's networks and pictures. `g` is the "
        "class's probability, and `first` marks the network's most probable class. Where a data set has masks, a line "
        "in the input runs around the object. In the tables, the coarse region is a share of the picture, and R² is "
        "the surrogates' on samples held out.",
        f"{made} The same command draws the same figures.",
    ]
    for source in sources:
        parts.append(f"## {source.name}")
        for plate in draw(source, count or source.samples, seed):
            files.append(directory / f"{source.name}-{plate.name}.jpg")
            save_picture(plate.figure, files[-1])
            parts += [f"### {plate.title}", f"![{plate.title}]({files[-1].name})", plate.caption]
            parts += filter(None, [plate.table])
    write_page(directory / "README.md", "The paper's figures, made again", parts)
    return files


def main(arguments: Sequence[str]) -> int:
    """Draw the figures from the command line; return the exit status."""
    parser = study_parser("figures")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--from", dest="sources", nargs="+", metavar="NAME", help=f"({' '.join(SOURCES)})")
    chosen.add_argument("--pictures", type=Path, nargs="+", metavar="FILE", help="pictures of yours, with --network")
    parser.add_argument("--samples", type=positive, metavar="K", help="how often MINT and LIME ask (by source)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of MINT and LIME (%(default)s)")
    return finish(partial(_study, parser.parse_args(arguments), arguments))


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    if options.pictures and not options.network:
        raise InputError("--pictures needs to know which network to ask: add --network NAME.")
    if not options.pictures and (options.network or options.weights):
        raise InputError("--network and --weights are for --pictures; scenes and photos have networks of their own.")
    if options.pictures:
        sources = [own_pictures(options.pictures, options.network, options.weights, options.device)]
    else:
        sources = [look_up("source", name, SOURCES)(options.device) for name in options.sources or SOURCES]
    made = made_by("figures", arguments, options.device)
    files = make_figures(sources, options.out, made, count=options.samples, seed=options.seed)
    return f"{len(files)} figures: {options.out / 'README.md'}"
