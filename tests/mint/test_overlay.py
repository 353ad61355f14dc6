from dataclasses import replace

import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from mint.overlay import OverlayMINT, draw_dealt_states, overlay, ridge

SMALL = OverlayMINT(samples=60, deep_layer="trunk", slic_segments=(6, 9))


def test_the_deep_layer_is_found_where_none_is_named(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    found = replace(SMALL, deep_layer=None)(small_cnn, images[:1], targets[:1])
    assert torch.equal(found, SMALL(small_cnn, images[:1], targets[:1]))


def test_an_overlay_cuts_along_all_borders_and_no_others() -> None:
    rows = torch.tensor([[0, 0], [1, 1]])
    columns = torch.tensor([[0, 1], [0, 1]])
    assert overlay([rows, columns]).tolist() == [[0, 1], [2, 3]]
    assert overlay([rows, rows]).tolist() == rows.tolist()


def test_states_are_coins_of_one_partition_after_the_other() -> None:
    owners = [torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])]
    states = draw_dealt_states(41, owners, seed=0)
    assert states[0].all()
    for k in range(1, 41):
        same = [(states[k, i] == states[k, j]) for i, j in ([(0, 1), (2, 3)] if k % 2 == 0 else [(0, 2), (1, 3)])]
        assert all(same)
    assert 0.3 < float(states.double().mean()) < 0.7


def test_ridge_finds_a_linear_answer_with_an_intercept() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(80, 5, generator=generator, dtype=torch.float64)
    effects = torch.tensor([1.0, 0.0, -2.0, 0.5, 0.0]).double()
    weights = 0.1 + torch.rand(80, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(ridge(inputs, 3 + inputs @ effects, weights), effects, atol=0.01, rtol=0)


def test_ridge_is_the_closed_form_at_the_penalty_of_the_least_cross_validation_score() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(30, 8, generator=generator, dtype=torch.float64)
    answers = inputs[:, 0] + 0.3 * torch.randn(30, generator=generator, dtype=torch.float64)
    weights = torch.ones(30).double() / 30
    centred, target = inputs - inputs.mean(dim=0), answers - answers.mean()
    gram = centred.T @ centred / 30

    def fit(penalty: float) -> tuple[Tensor, float]:
        inverse = torch.linalg.inv(gram + penalty * torch.eye(8, dtype=torch.float64))
        found = inverse @ centred.T @ target / 30
        freedom = float((inverse @ gram).trace()) + 1
        return found, float((target - centred @ found).square().sum()) / (1 - freedom / 30) ** 2

    # The grid's unit is the mean squared singular value, of which there are 8.
    grid = float(gram.trace()) / 8 * torch.logspace(-3, 2, 21, dtype=torch.float64)
    best = min((fit(float(penalty)) for penalty in grid), key=lambda each: each[1])
    torch.testing.assert_close(ridge(inputs, answers, weights), best[0])


class Patch(nn.Module):
    """Two classes; the logit of class 0 is the brightness of one patch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 1, 1, bias=False)
        self.trunk = nn.Conv2d(1, 1, 1, bias=False)
        for convolution in (self.stem, self.trunk):
            nn.init.constant_(convolution.weight, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        evidence = self.trunk(self.stem(images))[:, 0, 10:22, 14:26].mean(dim=(1, 2))
        return torch.stack([evidence, torch.zeros_like(evidence)], dim=1)


def test_the_map_is_highest_where_the_evidence_is() -> None:
    image = 1 + smooth_images(1)[0].abs()
    saliency = replace(SMALL, samples=400)(Patch(), image[None], torch.tensor([0]))[0]
    assert float(saliency[10:22, 14:26].mean()) > 2 * float(saliency.abs().mean())
    row, column = divmod(int(saliency.argmax()), 48)
    assert 8 <= row < 24
    assert 12 <= column < 28


def test_it_costs_one_forward_and_the_samples(small_cnn: SmallCNN, images: Tensor) -> None:
    asked = []
    hook = small_cnn.register_forward_pre_hook(lambda _module, inputs: asked.append(len(inputs[0])))
    SMALL(small_cnn, images[:1], torch.tensor([0]))
    hook.remove()
    assert sum(asked) == 1 + 60
