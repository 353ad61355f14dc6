"""Grad-CAM++: Grad-CAM with weights that count the places where a channel helps, however few they are.

Reference: A. Chattopadhay, A. Sarkar, P. Howlader, V. N. Balasubramanian, "Grad-CAM++: Generalized Gradient-based
Visual Explanations for Deep Convolutional Networks", WACV 2018, section 3, with equation 19. With S the target's
logit, A the layer's output, and g = d S / d A:

    alpha_k(i, j) = g_k(i, j)^2 / ( 2 g_k(i, j)^2 + g_k(i, j)^3 sum over (a, b) of  A_k(a, b) )
    w_k = sum over (i, j) of  alpha_k(i, j) ReLU( g_k(i, j) )        map = ReLU( sum over k of  w_k A_k )

The paper explains exp(S), whose gradient is exp(S) g. This would multiply a picture's whole map by one positive number,
which may be too large for float32, and is left out. Divided by g^2, alpha is 1 / (2 + g sum A), which needs no small
number against a division by zero where gradients are small.

The formula is computed here, because both packages that have it give something else. pytorch-grad-cam 1.5.7 adds 1e-6
to the denominator, which is as large as g^2 in the last layer of a ResNet. torch-cam 0.5.0 sums A_k g_k^3 over the
places, instead of A_k alone; and it divides a copy of alpha's numerator, so that its alpha stays g^2.

Cost: one forward and one backward pass for each picture; the backward pass ends at the layer.
"""

from torch import Tensor, nn

from baselines.layer_maps import LayerMap, read_layer


class GradCAMPlusPlus(LayerMap):
    """Grad-CAM++'s map of one layer, enlarged bilinearly to the picture.

    It is made for outputs that are not negative, as after a ReLU. Elsewhere, as in a transformer's tokens, the
    denominator of alpha may be close to zero, and a few places then decide the map.

    Its parameters are those of :class:`~baselines.layer_maps.LayerMap`.
    """

    def layer_maps(self, model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
        """Explain a batch by (n, height, width) maps of the size of the layer ``name``, at least 0."""
        activations, gradients = read_layer(model, name, images, targets)
        denominators = 2 + gradients * activations.sum((2, 3), keepdim=True)
        # As in the authors' program, a denominator of zero is replaced by one.
        alphas = 1 / denominators.where(denominators != 0, 1)
        weights = (alphas * gradients.relu()).sum((2, 3), keepdim=True)
        return (weights * activations).sum(1).relu()
