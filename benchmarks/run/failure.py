"""What could not be computed, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """What went wrong with which case, and in which step."""

    dataset: str
    network: str
    method: str
    step: str  # "data", "map", "pictures", "timing", or a metric's name
    case: str
    reason: str
    control: str = ""  # the control that it went wrong with; "" is the method's own map
