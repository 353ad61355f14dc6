"""The guards around a call: what is refused, in one sentence, and what is restored."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from examples import SmallCNN
from torch import Tensor, nn

from mint.contract import InputError, attribute, explaining, read_scores


@dataclass(frozen=True)
class Brightness:
    """A correct method: brightness times the target's probability."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        with explaining(model, images, targets), torch.no_grad():
            scores = read_scores(model, images, targets)
        return images.detach().mean(dim=1) * scores[:, None, None]


def in_inference_mode(tensor: Tensor) -> Tensor:
    with torch.inference_mode():
        return tensor.clone()


@pytest.mark.parametrize(
    ("change_images", "change_targets", "sentence"),
    [
        (lambda i: i[0], lambda t: t, r"shape \(n, c, h, w\)"),
        (lambda i: i.long(), lambda t: t, "floating point"),
        (lambda i: i / 0, lambda t: t, "NaN or infinite"),
        (lambda i: i[:, :1], lambda t: t, "1 channels but the network's first convolution takes 3"),
        (lambda i: i, lambda t: t[:1], r"shape \(3,\), not torch.int64 \(1,\)"),
        (lambda i: i, lambda t: t.float(), "int64"),
        (lambda i: i, lambda t: t - 9, "from 0, not -9"),
        (lambda i: i, lambda t: t + 2, "target 6 lies outside the network's 5 classes"),
        (lambda i: "picture.png", lambda t: t, "not str"),
        (lambda i: i.double(), lambda t: t, r"images are torch.float64 on cpu but the network is torch.float32 on cpu"),
        (lambda i: i.bfloat16(), lambda t: t, r"pass images.to\('cpu', torch.float32\)"),
        (lambda i: i[..., :2, :2], lambda t: t, "pictures of 2 x 2 pixels are too small for the network"),
        (lambda i: in_inference_mode(i), lambda t: t, "were made in torch.inference_mode"),
        (lambda i: i, lambda t: in_inference_mode(t), "were made in torch.inference_mode"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(
    small_cnn: SmallCNN,
    images: Tensor,
    targets: Tensor,
    change_images: Callable[[Tensor], Tensor],
    change_targets: Callable[[Tensor], Tensor],
    sentence: str,
) -> None:
    with pytest.raises(InputError, match=sentence):
        attribute(Brightness(), small_cnn, change_images(images), change_targets(targets))


def test_inference_mode_is_refused_in_one_sentence(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with torch.inference_mode(), pytest.raises(InputError, match="call them outside of it"):
        attribute(Brightness(), small_cnn, images, targets)


def test_a_kernel_larger_than_the_picture_is_refused_in_one_sentence() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    with pytest.raises(InputError, match="pictures of 1 x 2 pixels are too small"):
        attribute(Brightness(), model, torch.ones(1, 3, 1, 2), torch.tensor([0]))


def test_a_network_elsewhere_is_refused_in_one_sentence(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with pytest.raises(InputError, match=r"images are torch.float32 on cpu but the network is torch.float32 on meta"):
        attribute(Brightness(), small_cnn.to("meta"), images, targets)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_targets_elsewhere_are_refused_in_one_sentence(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with pytest.raises(InputError, match=r"targets are on cpu but the images on cuda:0"):
        attribute(Brightness(), small_cnn.cuda(), images.cuda(), targets)


def test_a_network_may_convert_its_input(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    class Narrowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small_cnn

        def forward(self, images: Tensor) -> Tensor:
            return self.inner(images.float())

    with explaining(Narrowed(), images.double(), targets):
        found = Narrowed()(images.double())
    assert torch.equal(found, small_cnn(images))


def test_explaining_restores_modes_gradients_and_flags(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    small_cnn.train()
    small_cnn.stem.eval()
    small_cnn.head.weight.requires_grad_(False)
    small_cnn(images).sum().backward()
    before = small_cnn.head.bias.grad.clone()

    def disturb() -> None:
        with explaining(small_cnn, images, targets):
            assert not any(module.training for module in small_cnn.modules())
            small_cnn(images).sum().backward()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        disturb()
    assert small_cnn.training
    assert not small_cnn.stem.training
    assert not small_cnn.head.weight.requires_grad
    assert torch.equal(small_cnn.head.bias.grad, before)
