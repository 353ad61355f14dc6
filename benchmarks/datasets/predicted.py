"""The data set ``imagenet`` with the class that the network predicts in place of the label, as RISE explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from benchmarks.datasets.case import Case, DataOptions, LazyCases
from benchmarks.datasets.imagenet import imagenet_folder, require_folder
from benchmarks.networks.network import Network
from mint.scores import read_logits, score_classes


@dataclass(frozen=True, eq=False)
class PredictedCases(LazyCases):
    """Cases whose target is what the network predicts when a case is asked for; their key still has the label."""

    network: Network

    def _case(self, item: Case) -> Case:
        predicted = self._predict(item)
        if predicted == item.target:
            return item
        # The boxes are of the label.
        name = self.network.classes[predicted]
        return replace(item, target=predicted, target_name=name, region=None, difficult=False)

    @property
    def passed_over(self) -> Mapping[str, int]:
        """How many files were left aside, by what they are."""
        return getattr(self.items, "passed_over", {})

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
