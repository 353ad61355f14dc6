"""Score-CAM: each channel of a layer is weighed by the answer to the picture seen through it, without a gradient.

Reference: H. Wang, Z. Wang, M. Du, F. Yang, Z. Zhang, S. Ding, P. Mardziel, X. Hu, "Score-CAM: Score-Weighted Visual
Explanations for Convolutional Neural Networks", CVPR Workshops 2020, algorithm 1. With A the layer's output for the
picture X, and H_k the channel A_k, enlarged to the picture and scaled to [0, 1]:

    H_k = s( enlarged A_k ),   s(M) = (M - min M) / (max M - min M)
    S_k = g(X H_k) - g(0)        alpha = softmax over k of  S_k        map = ReLU( sum over k of  alpha_k A_k )

with g the target's logit, or another score. The softmax does not depend on g(0), which is not asked for. Absent pixels
become 0 in the normalised space. The authors' program does something else than the paper's algorithm: it takes the
class's softmax probability for g, and weighs by S_k itself, without a softmax over channels.

torch-cam 0.5.0 scales each channel to [0, 1] before it is enlarged, so that a mask may stay below 1;
pytorch-grad-cam 1.5.7 enlarges with the corners aligned. Both let channels without contrast take part.

Cost: one forward pass to read the layer, and one for each channel that is put to the network; no backward pass. That
is up to 512 for VGG16 and ResNet-18, 2048 for ResNet-50, 768 for ViT-B.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from baselines.layer_maps import LayerMap, enlarge, read_activations
from mint.parameters import require_count
from mint.perturbation import scores_of_drawn
from mint.scores import Score, require_score

# A channel that varies less, as a share of the layer's largest value, varies by rounding, and adds nothing to the map.
LEAST_CONTRAST = 1e-5


@dataclass(frozen=True)
class ScoreCAM(LayerMap):
    """Score-CAM's map of one layer, enlarged bilinearly to the picture.

    A channel without contrast makes no mask, and is left out, as the authors' program does. If there is no other, the
    map is 0.

    Parameters
    ----------
    deep_layer
        As for :class:`~baselines.layer_maps.LayerMap`.
    batch_size
        Masked pictures through the network at a time; None lets the perturbation engine choose. The maps do not
        depend on it.
    channels
        The most channels that are put to the network: those of the largest variance over the picture. Others are left
        out, as in "Faster Score-CAM" (github.com/tabayashi0117/Score-CAM). None: all, as in the paper.
    score
        g: "probability", "sigmoid", "logit", "log-probability", or a function; see `mint.scores.read_scores`. Logits
        may differ by so much that a few channels have nearly all the weight. Probabilities differ by less than 1, and
        make the weights nearly equal.
    """

    channels: int | None = None
    score: Score = "logit"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels is not None:
            require_count("channels", self.channels, 1)
        require_score("score", self.score)

    @torch.no_grad()
    def layer_maps(self, model: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
        """Explain a batch by (n, height, width) maps of the size of the layer ``name``, at least 0."""
        activations = read_activations(model, name, images, targets)
        each = zip(images, activations, targets, strict=True)
        return torch.stack([self._layer_map(model, *one) for one in each])

    def _layer_map(self, model: nn.Module, image: Tensor, activations: Tensor, target: Tensor) -> Tensor:
        kept = self._kept(activations)
        pixels = image.permute(1, 2, 0)  # as the engine's batches

        def draw(start: int, stop: int, batch: Tensor) -> None:
            masks = enlarge(kept[start:stop], image.shape[1:])
            masks -= masks.amin((1, 2), keepdim=True)
            masks /= masks.amax((1, 2), keepdim=True).clamp(min=torch.finfo(masks.dtype).tiny)
            torch.mul(masks.to(batch.dtype)[..., None], pixels, out=batch)

        ask = partial(scores_of_drawn, model, image, len(kept), draw)
        answers = ask(int(target), target[None], [self.score], self.batch_size).read()[:, 0]
        weights = answers.softmax(0).to(kept)
        return (weights[:, None, None] * kept).sum(0).relu()

    def _kept(self, activations: Tensor) -> Tensor:
        """Choose the channels, of (channels, height, width), that are put to the network."""
        flat = activations.flatten(1)
        contrasts = flat.amax(1) - flat.amin(1)
        rich = activations[contrasts > LEAST_CONTRAST * flat.abs().max()]
        if self.channels is None or self.channels >= len(rich):
            return rich
        return rich[rich.flatten(1).var(1).topk(self.channels).indices]
