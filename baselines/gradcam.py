"""Grad-CAM: which channels of a convolutional layer would raise the target's logit, and where they are active.

Reference: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, equations 1 and 2:

    alpha_k = mean over (i, j) of  d y / d A_k(i, j)        map = ReLU( sum over k of  alpha_k A_k )

with y the target's logit, before the softmax, as in the paper. Computed by Captum's ``LayerGradCam``. Tokens and
channels-last maps are read as the (n, channels, height, width) grid that they stand for, see :mod:`mint.grids`.
"""

from captum.attr import LayerGradCam
from torch import Tensor, nn

from baselines.gradients import needs_a_gradient
from baselines.layer_maps import LayerMap, hooked, never_called, no_gradient, require_layout
from mint.contract import read_scores
from mint.features import read_features, require_tensor, resolve_layer


class GradCAM(LayerMap):
    """Grad-CAM's map of one layer, enlarged bilinearly to the picture (the paper's choice).

    The layer is its only hyper-parameter. Captum gives the rest of the network a copy of the layer's output, so an
    in-place ReLU after the layer does not change what is read. Where the network calls the module several times, Captum
    reads the last call.

    Its parameters are those of :class:`~baselines.layer_maps.LayerMap`.
    """

    def layer_maps(self, model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
        """Explain a batch by (n, height, width) maps of the size of the layer ``name``, at least 0."""
        layer = resolve_layer(model, name)
        outputs: list[Tensor] = []
        with hooked(layer, lambda _module, _inputs, output: outputs.append(require_tensor(name, output))):
            maps = _captum_maps(model, layer, name, images, targets)
        (output,) = outputs[-1:]
        layout = require_layout(model, name, images, output)
        if layout.channels == 1:
            return maps[:, 0]
        # Captum averages over all axes but the first two, so it is given a module through which the grid alone runs.
        grid = nn.Identity()
        with hooked(layer, lambda _module, _inputs, output: layout.with_map(output, grid(layout.as_map(output)))):
            maps = _captum_maps(model, grid, name, images, targets)
        if layout.dropped and not maps.any():
            read_features(model, images[0], int(targets[0]), name)  # which refuses a grid that the answer does not read
        return maps[:, 0]


def _captum_maps(model: nn.Module, layer: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
    def logits(batch: Tensor) -> Tensor:
        return read_scores(model, batch, targets, "logit")

    try:
        with needs_a_gradient(no_gradient(name)):
            maps: Tensor = LayerGradCam(logits, layer).attribute(images.clone(), relu_attributions=True)
    except AssertionError as error:  # Captum's, where its hook was never called
        raise never_called(name) from error
    return maps.detach()
