"""HiResCAM: how much each place of a layer adds to the target's logit, by the gradient at that place.

Reference: R. L. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
networks", arXiv:2011.08891, 2020, section 3:

    map(i, j) = sum over k of  d y / d A_k(i, j)  A_k(i, j)

with y the target's logit and A the layer's output. Where one linear layer follows, with a mean over all places before
it or without, the map's sum over the layer's places is the logit without its bias. With such a mean, the gradient is
the same at all places, and Grad-CAM is the ReLU of this map.

Cost: one forward and one backward pass for each picture; the backward pass ends at the layer.
"""

from torch import Tensor, nn

from baselines.layer_maps import LayerMap, read_layer


class HiResCAM(LayerMap):
    """HiResCAM's map of one layer, enlarged bilinearly to the picture.

    Negative values speak against the target, and are kept, as in the paper's formula; pytorch-grad-cam cuts them off.

    Its parameters are those of :class:`~baselines.layer_maps.LayerMap`.
    """

    def layer_maps(self, model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
        """Explain a batch by (n, height, width) maps of the size of the layer ``name``."""
        activations, gradients = read_layer(model, name, images, targets)
        return (gradients * activations).sum(1)
