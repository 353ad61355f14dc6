"""Guided Grad-CAM: guided backpropagation's fine map, kept where Grad-CAM's coarse one is large.

Reference: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
ICCV 2017, section 3.2: the product of the two maps, pixel by pixel, with Grad-CAM's enlarged bilinearly. Both are
computed by Captum, see `baselines.guided_backprop` and `baselines.gradcam`. The product is that of Captum's
``GuidedGradCam`` with bilinear interpolation. It costs two forward passes, a backward pass, and another one to the
layer.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from baselines.gradcam import GradCAM
from baselines.gradients import Channels, require_channels
from baselines.guided_backprop import GuidedBackprop
from mint.contract import explaining
from mint.parameters import require_batch_size, require_layer


@dataclass(frozen=True)
class GuidedGradCAM:
    """The product of Grad-CAM's map and guided backpropagation's, both of the target's logit.

    Parameters
    ----------
    deep_layer
        Grad-CAM's layer; None: found by tracing, as for MINT.
    channels
        What is told of a pixel's channels: "max-abs", the largest absolute value (the paper shows the channels as
        colours); "sum-abs"; or "sum", which keeps the signs.
    batch_size
        Pictures through the network at a time; None lets the perturbation engine choose. The maps do not depend on it.
    """

    deep_layer: str | None = None
    channels: Channels = "max-abs"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        require_layer("deep_layer", self.deep_layer)
        require_channels(self.channels)
        require_batch_size(self.batch_size)

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """Explain (n, c, h, w) images: (n, h, w) float32 maps.

        Raises
        ------
        InputError
            As `GradCAM` and `GuidedBackprop` raise it.
        """
        with explaining(model, images, targets):
            coarse = GradCAM(self.deep_layer, self.batch_size)(model, images, targets)
            # Grad-CAM's map is at least 0, so that it can be multiplied after the channels are joined.
            return coarse * GuidedBackprop(self.channels, self.batch_size)(model, images, targets)
