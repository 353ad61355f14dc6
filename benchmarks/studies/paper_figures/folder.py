"""Writes a folder of figures: a picture file for each, and a page that shows them with their captions."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from benchmarks.arguments import positive, several
from benchmarks.registry import look_up
from benchmarks.report.plots import save_picture
from benchmarks.studies.commandline import finish, made_by, study_parser, write_page
from benchmarks.studies.paper_figures.figures import Plate, compared, pipeline, samples, segmentation
from benchmarks.studies.paper_figures.sources import MINIMAL_IMPORTANCE, SOURCES, Group, Source, own_pictures
from benchmarks.studies.paper_figures.subjects import Subject, explain
from mint.app.classifiers import usable_device
from mint.contract import InputError

ABSTAINING = (
    f"Here MINT has `minimal_importance={MINIMAL_IMPORTANCE:g}`: it chooses no coarse region if no importance reaches "
    "that. The default rule compares with 5 % of the class's own probability, which the importance of any class "
    "reaches, however improbable the class is. Grad-CAM and LIME always show something, as they are scaled to their "
    "maximum, and so does the fine picture."
)


def draw(source: Source, count: int, seed: int) -> Iterator[Plate]:
    """Explain what one source holds and draw its figures; ``count`` samples and the seed are MINT's and LIME's."""

    def explained(group: Group) -> list[Subject]:
        cases = tqdm(group.cases, desc=f"{source.name}, {group.network.name}", unit="explanation", disable=None)
        return [explain(group, case, count, seed) for case in cases]

    shown = [explained(group) for group in source.panels]
    yield pipeline(shown[0][0])
    yield segmentation(shown[0][:3])
    yield samples(shown[0][0])
    for group, subjects in zip(source.panels, shown, strict=True):
        name = group.network.name
        question = "Does the coarse region cover the object? Does the fine picture show its texture or parts?"
        yield compared(f"4-panels-{name}", f"Figures 4 and 5: {name}", subjects, f"{group.rule} {question}")
    words = f"{source.pairs.rule} Does each of the two classes have a region of its own?"
    yield compared("6-two-classes", "Figure 6: two classes in one picture", explained(source.pairs), words)
    words = f"{source.absent.rule} {ABSTAINING}"
    yield compared("7-absent-class", "Figures 7 and 8: a class that is not there", explained(source.absent), words)


def main(arguments: Sequence[str]) -> int:
    """Draw the figures from the command line; return the exit status."""
    parser = study_parser("figures")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--from", dest="sources", **several(), metavar="A,B", help=f"({','.join(SOURCES)})")
    chosen.add_argument("--pictures", type=Path, nargs="+", metavar="FILE", help="pictures of yours, with --network")
    parser.add_argument("--samples", type=positive, metavar="K", help="how often MINT and LIME ask (by source)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of MINT and LIME (%(default)s)")
    options = parser.parse_args(arguments)
    return finish(_study, options, arguments)


def _study(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    if options.pictures and not options.network:
        raise InputError("--pictures needs to know which network to ask: add --network NAME.")
    if not options.pictures and (options.network or options.weights):
        raise InputError("--network and --weights are for --pictures; scenes and photos have networks of their own.")
    if options.pictures:
        sources = [own_pictures(options.pictures, options.network, options.weights, options.device)]
    else:
        sources = [look_up("source", name, SOURCES)(options.device) for name in options.sources or SOURCES]
    parts = [
        "The figures of Cui, Wang and Wang (IEEE TMM 2019), drawn with this suite's networks and pictures. `g` is the "
        "class's probability, and `first` marks the network's most probable class. Where a data set has masks, a line "
        "in the input runs around the object. In the tables, the coarse region is a share of the picture, and R² is "
        "the surrogates' on samples held out.",
        f"{made_by('figures', arguments, usable_device(options.device))} The same command draws the same figures.",
    ]
    files = []
    for source in sources:
        parts.append(f"## {source.name}")
        for plate in draw(source, options.samples or source.samples, options.seed):
            files.append(options.out / f"{source.name}-{plate.name}.jpg")
            save_picture(plate.figure, files[-1])
            parts += [f"### {plate.title}", f"![{plate.title}]({files[-1].name})", plate.caption]
            parts += filter(None, [plate.table])
    write_page("The paper's figures, made again", parts, options.out / "README.md")
    return f"{len(files)} figures: {options.out / 'README.md'}"
