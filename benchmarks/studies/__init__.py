"""The studies: questions that no plan answers, each with its own command ``python -m benchmarks study NAME``.

A study is a module with ``main(arguments: Sequence[str]) -> int``, which reads the options after the name and returns
the exit status: 0, or 2 for bad input. Importing this package imports no study, and not torch.
"""

from collections.abc import Mapping

STUDIES: Mapping[str, str] = {
    "budget": "benchmarks.studies.budget",
    "figures": "benchmarks.studies.paper_figures.folder",
    "forwards": "benchmarks.studies.forwards",
    "protocols": "benchmarks.studies.protocols",
    "results": "benchmarks.studies.results",
    "speed": "benchmarks.studies.speed.command",
}
"""The module of each study, by name."""

SUMMARIES: Mapping[str, str] = {
    "budget": "measure what more forward passes buy: every perturbation method's scores at several budgets",
    "figures": "draw the figures of MINT's paper, from real explanations",
    "forwards": "measure how many forward passes an explanation needs",
    "protocols": "score the same maps as seven other tools and papers do",
    "results": "make all committed results anew, each by its own command, and say how long they took",
    "speed": "time MINT and the metrics beside bare forward passes, Captum and other tools",
}
"""What each study does, in a line."""
