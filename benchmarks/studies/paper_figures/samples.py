"""The paper's Figure 3: perturbed samples and what the network answers to them."""

from itertools import chain

from benchmarks.studies.paper_figures.drawing import only, rows
from benchmarks.studies.paper_figures.plate import Plate, about, mean_colour, spread_samples
from benchmarks.studies.paper_figures.subjects import Subject

ROWS, COLUMNS = 2, 5


def samples(subject: Subject) -> Plate:
    """Draw the picture and nine perturbed samples, with the class's probability of each."""
    explanation = subject.explanation
    present = explanation.states.numpy()[:, explanation.superpixels.fine.numpy()]
    sheet, places = rows(ROWS, COLUMNS, head=0.06, between=0.28)
    chosen = spread_samples(explanation.answers.numpy(), ROWS * COLUMNS)
    for k, (left, top) in zip(chosen, chain.from_iterable(places), strict=True):
        picture = only(subject.case.image, present[k], mean_colour(subject.network))
        sheet.panel(picture, left, top, note=f"g = {explanation.answers[k]:.3f}")
    caption = (
        f"{about([subject])} First the whole picture, then nine of the samples, from the one with the highest "
        "probability of the class to the lowest, in even steps of rank. Absent super-pixels have the mean colour, zero "
        "in the network's input. Look at which parts the first have in common and the last lack."
    )
    return Plate("3-samples", "Figure 3: perturbed samples with their probabilities", caption, sheet.figure)
