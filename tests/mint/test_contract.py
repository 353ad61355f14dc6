"""The contract's checks must catch what they claim to catch: each broken method here breaks one clause, or a few."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from examples import SmallCNN
from torch import Tensor, nn

from mint.contract import InputError, attribute, attributor_checks, check_attributor, explaining, read_scores


@dataclass(frozen=True)
class Brightness:
    """A correct method: brightness times the target's probability."""

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        with explaining(model, images, targets), torch.no_grad():
            scores = read_scores(model, images, targets)
        return images.detach().mean(dim=1) * scores[:, None, None]


def broken(change: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]) -> object:
    @dataclass(frozen=True)
    class Broken(Brightness):
        def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
            return change(model, images, targets, super().__call__(model, images, targets))

    return Broken()


def leave_a_hook(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
    next(model.children()).register_forward_hook(lambda *_: None)
    return maps


def leave_evaluation_mode(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
    model.eval()
    return maps


def leave_training_mode(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
    model.train()
    return maps


def leave_a_gradient(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
    model(images).sum().backward()
    return maps


def change_the_images(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
    images.mul_(2)
    return maps


def broken_clauses(method: object, model: nn.Module, images: Tensor, targets: Tensor) -> dict[str, str]:
    """Run every check; return what those that fail say, by clause."""
    found = {}
    for clause, check in attributor_checks(method, model, images, targets):  # type: ignore[arg-type]
        try:
            check()
        except Exception as error:
            found[clause] = str(error)
    return found


MAPS = "answers with finite float32 maps, (n, h, w)"
GRAPH = "gives maps without a gradient graph"
APART = "explains each image apart from its batch"
AGAIN = "gives the same maps again"
TRAINING = "leaves a network in training mode as it was"
EVALUATION = "leaves a network in evaluation mode as it was"

# A change, the clauses that it breaks, and what the first of them says.
BROKEN: dict[str, tuple[Callable[..., object], set[str], str]] = {
    "shape": (lambda m, i, t, maps: maps[:, :-1], {MAPS}, "returned maps of shape"),
    "dtype": (lambda m, i, t, maps: maps.double(), {MAPS}, "they must be torch.float32"),
    "graph": (lambda m, i, t, maps: maps.requires_grad_(), {GRAPH}, "the maps carry a gradient graph"),
    "graph of the images": (lambda m, i, t, maps: maps + 0 * i[:, 0], {GRAPH}, "maps of images that require grad"),
    "batch": (lambda m, i, t, maps: maps - maps.mean(), {APART}, "a call for each image alone gives other maps"),
    "images": (change_the_images, {"leaves the images alone"}, "changed the images"),
    "evaluation mode": (leave_evaluation_mode, {TRAINING}, "mode changed"),
    "training mode": (leave_training_mode, {EVALUATION}, "mode changed"),
    "hook": (leave_a_hook, {TRAINING, EVALUATION}, "hooks changed"),
    # In training mode its forward pass moves the running statistics, and later calls give other maps.
    "gradient": (leave_a_gradient, {TRAINING, EVALUATION, AGAIN, APART}, "gradients, parameters changed"),
}


def test_a_correct_method_passes(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    check_attributor(Brightness(), small_cnn, images, targets)
    small_cnn.train().stem.eval()
    modes = [module.training for module in small_cnn.modules()]
    check_attributor(Brightness(), small_cnn, images, targets)
    assert [module.training for module in small_cnn.modules()] == modes


@pytest.mark.parametrize("clause", BROKEN)
def test_each_broken_clause_is_caught(clause: str, small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    change, expected, sentence = BROKEN[clause]
    found = broken_clauses(broken(change), small_cnn, images, targets)
    kept = {name: said for name, said in found.items() if not name.startswith("refuses ")}
    assert set(kept) == expected
    assert sentence in kept[min(expected, key=list(kept).index)]
    assert not any(module.training for module in small_cnn.modules())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m, i, t, maps: maps * float("nan"), "NaN or infinite"),
        (lambda m, i, t, maps: maps.numpy(), "must return a tensor"),
    ],
)
def test_an_answer_that_is_no_map_is_caught(
    change: Callable[..., object], sentence: str, small_cnn: SmallCNN, images: Tensor, targets: Tensor
) -> None:
    assert sentence in broken_clauses(broken(change), small_cnn, images, targets)[MAPS]


def test_a_method_that_draws_from_the_global_generator_is_caught(
    small_cnn: SmallCNN, images: Tensor, targets: Tensor
) -> None:
    method = broken(lambda m, i, t, maps: maps + torch.rand(()))
    found = broken_clauses(method, small_cnn, images, targets)
    assert "drew from a global random generator" in found["leaves the global random generators alone"]


def test_a_method_that_is_not_deterministic_is_caught(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    calls = iter(range(100))
    method = broken(lambda m, i, t, maps: maps * (1 + next(calls)))
    found = broken_clauses(method, small_cnn, images, targets)
    assert "a second call gives other maps" in found["gives the same maps again"]


def test_a_result_that_depends_on_the_batch_size_is_caught(
    small_cnn: SmallCNN, images: Tensor, targets: Tensor
) -> None:
    @dataclass(frozen=True)
    class Batched(Brightness):
        batch_size: int | None = None

        def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
            return super().__call__(model, images, targets) * (self.batch_size or 7)

    found = broken_clauses(Batched(), small_cnn, images, targets)
    assert set(found) == {f"gives the same maps with batch_size={size}" for size in (1, 64)}


def careless(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return images.detach().nan_to_num().mean(dim=1)


def test_a_method_without_input_checks_is_caught(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    found = broken_clauses(careless, small_cnn, images, targets)
    assert set(found) == {
        "refuses an image containing NaN",
        "refuses an image without its batch dimension",
        "refuses fewer targets than images",
        "refuses a target outside the classes",
        "refuses an image with one channel too many",
    }
    assert "accepted an image containing NaN" in found["refuses an image containing NaN"]


def test_every_broken_clause_is_reported_at_once(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    def double(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return careless(model, images, targets).double()

    with pytest.raises(AssertionError) as caught:
        check_attributor(double, small_cnn, images, targets)
    first, *lines = str(caught.value).splitlines()
    assert first == "double breaks 6 of its checks:"
    assert lines[0] == f"- {MAPS}: InputError: double returned torch.float64 maps; they must be torch.float32."
    assert len(lines) == 6


def test_one_image_is_too_few_to_check_a_method(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with pytest.raises(InputError, match="two images or more"):
        check_attributor(Brightness(), small_cnn, images[:1], targets[:1])


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
