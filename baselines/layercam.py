"""LayerCAM: where a layer is active and this helps the target, place by place, so that early layers can be read.

Reference: P.-T. Jiang, C.-B. Zhang, Q. Hou, M.-M. Cheng, Y. Wei, "LayerCAM: Exploring Hierarchical Class Activation
Maps for Localization", IEEE Transactions on Image Processing 30, 2021, section III:

    map(i, j) = ReLU( sum over k of  ReLU( d y / d A_k(i, j) ) A_k(i, j) )

with y the target's logit and A the layer's output. The paper also joins the maps of several layers, each scaled by a
hyperbolic tangent (equation 9); this is the map of one.

Cost: one forward and one backward pass for each picture; the backward pass ends at the layer.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from baselines.layer_maps import explain_at_layer, read_layer
from mint.parameters import require_batch_size


@dataclass(frozen=True)
class LayerCAM:
    """LayerCAM's map of one layer, enlarged bilinearly to the picture.

    Parameters
    ----------
    deep_layer, batch_size
        As for :class:`~baselines.gradcam.GradCAM`. The method is made for earlier layers, too: name one for a finer
        map.
    """

    deep_layer: str | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps, at least 0.

        Raises
        ------
        InputError
            If the layer cannot be read, see :func:`~baselines.layer_maps.read_layer`.
        """
        return explain_at_layer(model, images, targets, self.deep_layer, self.batch_size, _layer_maps)


def _layer_maps(model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
    activations, gradients = read_layer(model, name, images, targets)
    return (gradients.relu() * activations).sum(1).relu()
