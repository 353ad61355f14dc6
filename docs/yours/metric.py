"""A metric of yours: how much of a map lies at the border. Run it as docs/yours.md says."""

from dataclasses import dataclass

from torch import Tensor

from benchmarks.metrics import Context, Metric


@dataclass(frozen=True)
class BorderShare(Metric):
    """Share of the map within so many pixels of the border; lower is better: objects lie inside."""

    width: int = 4
    direction = "lower"

    def score_map(self, context: Context, saliency: Tensor) -> float:
        """Divide what lies at the border by the whole; NaN for a map of zeros."""
        sizes, w = saliency.abs(), self.width
        whole = float(sizes.sum())
        return 1 - float(sizes[w:-w, w:-w].sum()) / whole if whole else float("nan")
