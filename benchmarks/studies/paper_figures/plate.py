"""What a finished figure is, and what several of them need to know of a subject."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from benchmarks.networks.network import Network
from benchmarks.studies.paper_figures.subjects import Subject


@dataclass(frozen=True)
class Plate:
    """A figure with its words.

    Attributes
    ----------
    name : str
        Its part of the file's name.
    title : str
        One line.
    caption : str
        Network, class, samples and seed, and what to look at; Markdown.
    figure : matplotlib.figure.Figure
    table : str
        Numbers to what it shows, a Markdown table or nothing.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    table: str = ""


def about(subjects: Sequence[Subject]) -> str:
    """Say in Markdown with what the subjects, of one network, were explained, and which classes they are."""
    first = subjects[0]
    classes = ", ".join(dict.fromkeys(f"{each.case.target_name} ({each.case.picture})" for each in subjects))
    parameters = first.explanation.parameters
    return (
        f"Network `{first.network.entry.name}`; {classes}; {len(first.explanation.states)} samples, "
        f"seed {parameters['seed']}."
    )


def mean_colour(network: Network) -> np.ndarray:
    """Return what zero in the network's normalised input looks like, uint8 (3,): the colour of absent pixels."""
    colour: np.ndarray = np.rint(255 * np.array(network.entry.mean)).astype(np.uint8)
    return colour


def spread_samples(answers: np.ndarray, count: int) -> list[int]:
    """Choose the unperturbed image, then samples from the strongest answer to the weakest in even steps of rank."""
    order = 1 + np.argsort(-answers[1:], kind="stable")
    ranks = np.linspace(0, len(order) - 1, count - 1).round().astype(int)
    return [0, *order[ranks].tolist()]
