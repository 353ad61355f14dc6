"""A network that reads its picture by one linear layer, so that all maps of the layer before it are known on paper."""

import torch
from torch import Tensor, nn

# One picture of two channels and 2 x 2 pixels, which is the layer's output, too; and the logit's gradient there.
PICTURE = torch.tensor([[[1.0, 2.0], [0.0, 1.0]], [[3.0, 0.0], [1.0, 0.0]]])
GRADIENT = torch.tensor([[[1.0, -1.0], [2.0, 0.0]], [[-1.0, 1.0], [1.0, 2.0]]])


def reading(gradient: Tensor = GRADIENT) -> nn.Module:
    """Answer with the picture times the gradient, for class 1, and with 0 for class 0; the layer is "0"."""
    head = nn.Linear(gradient.numel(), 2)
    with torch.no_grad():
        head.weight.zero_()[1] = gradient.flatten()
        head.bias.fill_(7)
    return nn.Sequential(nn.Identity(), nn.Flatten(), head).eval()
