"""The data set ``imagenet`` with the class that the network predicts in place of the label, as RISE explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.datasets.case import Case, DataOptions
from benchmarks.datasets.imagenet import imagenet_folder, require_folder
from benchmarks.networks.network import Network
from mint.scores import read_logits, score_classes


@dataclass(frozen=True, eq=False)
class PredictedCases(Sequence[Case]):
    """Cases whose target is what the network predicts when a case is asked for; their key still has the label."""

    cases: Sequence[Case]
    network: Network

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.cases)

    def __getitem__(self, index: Any) -> Any:
        """Read one case, or select some without reading them."""
        found = self.cases[index]
        if isinstance(index, slice):
            return replace(self, cases=found)
        predicted = self._predict(found)
        if predicted == found.target:
            return found
        # The boxes are of the label.
        return replace(
            found, target=predicted, target_name=self.network.classes[predicted], region=None, difficult=False
        )

    @property
    def passed_over(self) -> Mapping[str, int]:
        """How many files were left aside, by what they are."""
        return getattr(self.cases, "passed_over", {})

    @torch.no_grad()
    def _predict(self, case: Case) -> int:
        image = self.network.tensor(case.image).unsqueeze(0)
        logits = read_logits(self.network.module, image, case.target)
        return int(score_classes("logit", logits).argmax())


def imagenet_predicted(network: Network, options: DataOptions) -> Sequence[Case]:
    """Find the cases of a folder in ImageNet's layout, and explain the class that the network predicts, right or wrong.

    Where that is not the label, a case has no region, as the boxes are the label's. All else is as `imagenet_folder`
    has it, and so are the errors.
    """
    return PredictedCases(imagenet_folder(network, options), network)


imagenet_predicted.require = require_folder  # type: ignore[attr-defined]
