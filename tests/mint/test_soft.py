import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from mint import InputError
from mint.perturbation import blurred, masked_scores
from mint.soft import Edges, soft_scores

LABELS = torch.arange(48 * 48).view(48, 48) // 24 % 2 + 2 * (torch.arange(48)[:, None] // 24)  # quarters
STATES = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]]).bool()
GROUPS = torch.tensor([0, 1, 0, 1, 1])


def ask(model: nn.Module, image: Tensor, width: float = 0.0, size: int | None = None):
    return soft_scores(
        model,
        image,
        torch.stack([torch.zeros_like(image), blurred(image)]),
        LABELS,
        STATES,
        GROUPS,
        2,
        edges=Edges.of(image, width),
        factor=torch.full((48, 48), 2.0).double(),
        score="probability",
        batch_size=size,
    ).read()


def test_hard_samples_get_the_answers_of_the_engine_for_their_hiding_value(small_cnn: SmallCNN) -> None:
    image = smooth_images(1, (48, 48))[0]
    answers, shown, seen = ask(small_cnn.eval(), image)
    for group, fill in enumerate((torch.zeros_like(image), blurred(image))):
        chosen = group == GROUPS
        expected = masked_scores(small_cnn, image, fill, LABELS, STATES[chosen], 2)
        torch.testing.assert_close(answers[chosen], expected, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(shown, STATES.double().mean(dim=1))
    torch.testing.assert_close(seen, 2 * STATES.double() / 4)


def test_soft_masks_of_a_partition_sum_to_one_and_keep_a_flat_one() -> None:
    edges = Edges.of(torch.zeros(3, 48, 48), 0.05)
    masks = torch.stack([(i == LABELS).float() for i in range(4)])
    soft = edges.soften(masks)
    torch.testing.assert_close(soft.sum(dim=0), torch.ones(48, 48))
    assert float(soft[0, 0, 0]) > 0.99
    assert 0.4 < float(soft[0, 23, 5]) < 0.6  # on the border of two quarters
    assert float(soft.min()) >= 0


def test_gather_is_the_transpose_of_soften() -> None:
    edges = Edges.of(torch.zeros(3, 20, 30), 0.1)
    one, other = torch.rand(2, 20, 30, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close((edges.soften(one) * other).sum(), (one * edges.gather(other)).sum())


def test_hard_edges_change_nothing() -> None:
    masks = torch.rand(2, 20, 30)
    assert Edges.of(torch.zeros(3, 20, 30), 0.0).soften(masks) is masks


def test_a_density_of_soft_super_pixels_sees_what_the_masks_show(small_cnn: SmallCNN) -> None:
    """Summed over the segments with weights, what is seen is the sum over the pixels of mask times density."""
    image = smooth_images(1, (48, 48))[0]
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0]).double()
    edges = Edges.of(image, 0.05)
    density = 2 * edges.soften(weights[LABELS])
    masks = edges.soften(STATES.double()[:, LABELS])
    _, shown, seen = ask(small_cnn.eval(), image, 0.05)
    torch.testing.assert_close(seen @ weights, (masks * density).mean(dim=(1, 2)), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(shown, masks.mean(dim=(1, 2)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_batch_size_changes_nothing(small_cnn: SmallCNN, size: int) -> None:
    image = smooth_images(1, (48, 48))[0]
    for found, expected in zip(ask(small_cnn.eval(), image, 0.05, size=size), ask(small_cnn, image, 0.05), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


class Infinite(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 3), float("nan"))


def test_answers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        ask(Infinite(), smooth_images(1, (48, 48))[0])
