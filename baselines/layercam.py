"""LayerCAM: where a layer is active and this helps the target, place by place, so that early layers can be read.

Reference: P.-T. Jiang, C.-B. Zhang, Q. Hou, M.-M. Cheng, Y. Wei, "LayerCAM: Exploring Hierarchical Class Activation
Maps for Localization", IEEE Transactions on Image Processing 30, 2021, section III:

    map(i, j) = ReLU( sum over k of  ReLU( d y / d A_k(i, j) ) A_k(i, j) )

with y the target's logit and A the layer's output. The paper also joins the maps of several layers, each scaled by a
hyperbolic tangent (equation 9); this is the map of one.

Cost: one forward and one backward pass for each picture; the backward pass ends at the layer.
"""

from torch import Tensor, nn

from baselines.layer_maps import LayerMap, read_layer


class LayerCAM(LayerMap):
    """LayerCAM's map of one layer, enlarged bilinearly to the picture.

    Its parameters are those of :class:`~baselines.layer_maps.LayerMap`. The method is made for earlier layers, too:
    name one for a finer map.
    """

    def layer_maps(self, model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
        """Explain a batch by (n, height, width) maps of the size of the layer ``name``, at least 0."""
        activations, gradients = read_layer(model, name, images, targets)
        return (gradients.relu() * activations).sum(1).relu()
