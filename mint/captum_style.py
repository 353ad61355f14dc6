"""MINT as a method of Captum's: bound to a network, called as ``.attribute(inputs, target=...)``.

Captum itself is not needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mint.contract import Attributor
from mint.parameters import InputError


@dataclass(frozen=True)
class BoundAttribution:
    """An attribution method and the network it explains.

    Attributes
    ----------
    method : Attributor
        A :class:`~mint.method.MINT`, or any other.
    model : nn.Module
        A classifier.
    """

    method: Attributor
    model: nn.Module

    def attribute(self, inputs: Tensor, target: int | Sequence[int] | Tensor | None = None) -> Tensor:
        """Attribute a class's score to the pixels of each picture of a batch.

        Parameters
        ----------
        inputs : Tensor
            (n, c, h, w) floating point, normalised, on any device.
        target : int, sequence of int, or Tensor
            One class for all pictures, or one for each. Captum requires it of classifiers, and so does this.

        Returns
        -------
        Tensor
            (n, c, h, w), of the inputs' dtype and on their device: the method's map, the same in every channel, as
            super-pixels have no channels.

        Raises
        ------
        InputError
            If the target is missing or fits the inputs in no way, or as the method raises.
        """
        if not isinstance(inputs, Tensor) or not inputs.ndim:
            kind = "a single number" if isinstance(inputs, Tensor) else f"a {type(inputs).__name__}"
            raise InputError(f"inputs must be one tensor of shape (n, c, h, w), not {kind}.")
        maps = self.method(self.model, inputs, _targets(target, len(inputs)).to(inputs.device))
        return maps.to(inputs.dtype)[:, None].expand_as(inputs).clone()


def _targets(target: int | Sequence[int] | Tensor | None, count: int) -> Tensor:
    targets = as_classes(target)
    if len(targets) not in (1, count):
        raise InputError(f"target holds {len(targets)} classes for {count} pictures; give one, or one for each.")
    return targets.expand(count)


def as_classes(target: int | Sequence[int] | Tensor | None) -> Tensor:
    """Turn a class, or a sequence, array or tensor of them, into (n,) int64.

    Raises
    ------
    InputError
        If it is missing, or holds anything but whole numbers.
    """
    if target is None:
        raise InputError("a target is missing: the class to explain, or a sequence of classes.")
    try:
        targets = torch.as_tensor(target).flatten()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"target must be a class index or a sequence of them, not {target!r}.") from error
    if len(targets) and (targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool):
        raise InputError(f"target must hold class indices, whole numbers, not {targets.dtype}.")
    return targets.long()
