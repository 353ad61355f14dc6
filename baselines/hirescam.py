"""HiResCAM: how much each place of a layer adds to the target's logit, by the gradient at that place.

Reference: R. L. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
networks", arXiv:2011.08891, 2020, section 3:

    map(i, j) = sum over k of  d y / d A_k(i, j)  A_k(i, j)

with y the target's logit and A the layer's output. Where one linear layer follows, with a mean over all places before
it or without, the map's sum over the layer's places is the logit without its bias. With such a mean, the gradient is
the same at all places, and Grad-CAM is the ReLU of this map.

Cost: one forward and one backward pass for each picture; the backward pass ends at the layer.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from baselines.layer_maps import explain_at_layer, read_layer
from mint.parameters import require_batch_size


@dataclass(frozen=True)
class HiResCAM:
    """HiResCAM's map of one layer, enlarged bilinearly to the picture.

    Negative values speak against the target, and are kept, as in the paper's formula; pytorch-grad-cam cuts them off.

    Parameters
    ----------
    deep_layer, batch_size
        As for :class:`~baselines.gradcam.GradCAM`.
    """

    deep_layer: str | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps.

        Raises
        ------
        InputError
            If the layer cannot be read, see :func:`~baselines.layer_maps.read_layer`.
        """
        return explain_at_layer(model, images, targets, self.deep_layer, self.batch_size, _layer_maps)


def _layer_maps(model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
    activations, gradients = read_layer(model, name, images, targets)
    return (gradients * activations).sum(1)
