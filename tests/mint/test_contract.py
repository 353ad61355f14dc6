"""The contract's checks must catch what they claim to catch: each broken method here breaks one clause, or a few."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from examples import SmallCNN
from torch import Tensor, nn

from baselines import Saliency
from mint.contract import InputError, attributor_checks, check_attributor, explaining, read_scores


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
    "evaluation mode": (leave_evaluation_mode, {TRAINING}, "the training mode ("),
    "training mode": (leave_training_mode, {EVALUATION}, "the training mode ("),
    "hook": (leave_a_hook, {TRAINING, EVALUATION}, "the hooks (stem)"),
    # In training mode its forward pass moves the running statistics, and later calls give other maps.
    "gradient": (leave_a_gradient, {TRAINING, EVALUATION, APART}, "stem.1.num_batches_tracked); the gradients ("),
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


def test_an_answer_that_is_no_tensor_has_no_device(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    found = broken_clauses(broken(lambda m, i, t, maps: maps.numpy()), small_cnn, images, targets)
    assert found["gives the maps on the images' device"] == "it returned a ndarray; it must return a tensor."


@pytest.mark.parametrize(
    "draw", [lambda: torch.rand(()), np.random.random, random.random], ids=["torch", "NumPy", "Python"]
)
def test_a_method_that_draws_from_a_global_generator_is_caught(
    draw: Callable[[], float], small_cnn: SmallCNN, images: Tensor, targets: Tensor
) -> None:
    method = broken(lambda m, i, t, maps: maps + draw())
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


def test_a_function_is_no_network_to_check_a_method_on(images: Tensor, targets: Tensor) -> None:
    with pytest.raises(InputError, match=r"give an nn\.Module, not a function"):
        check_attributor(Brightness(), lambda pictures: pictures, images, targets)  # type: ignore[arg-type]


class Answering(nn.Module):
    """A network whose answer holds the logits of some outputs under their name."""

    def __init__(self, inner: nn.Module, outputs: int) -> None:
        super().__init__()
        self.inner, self.outputs = inner, outputs

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": self.inner(images)[:, : self.outputs]}


@pytest.mark.parametrize("outputs", [5, 1])
def test_what_a_network_answers_with_is_not_held_against_a_method(
    outputs: int, small_cnn: SmallCNN, images: Tensor
) -> None:
    method, targets = Saliency(), torch.arange(len(images)) % 2
    check_attributor(method, Answering(small_cnn, outputs), images, targets)
