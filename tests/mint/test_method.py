from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from mint import MINT, Display, InputError, Segmentation, Surrogate, UntilSettled
from mint.features import Features, class_saliency
from mint.perturbation import proximity_kernel, removed_energy

SMALL = MINT(samples=60, layers=("stem", "trunk"))


class Evidence(nn.Module):
    """Two classes; the logit of class 0 is linear in the picture: a weighted sum of the pixels' brightness."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.shallow = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())
        for convolution in (self.shallow[0], self.deep[0]):
            nn.init.constant_(convolution.weight, 1.0)
        self.register_buffer("weight", weight)

    def forward(self, images: Tensor) -> Tensor:
        brightness = self.deep(self.shallow(images))[:, 0]
        evidence = (self.weight * brightness).sum(dim=(1, 2))
        return torch.stack([evidence, torch.zeros_like(evidence)], dim=1)


def tiles() -> tuple[Tensor, Tensor]:
    """Draw a 5 x 5 board of 12-pixel tiles, each of one colour; every tile becomes one fine super-pixel."""
    generator = torch.Generator().manual_seed(4)
    colours = 0.5 + torch.rand(3, 5, 5, generator=generator)
    index = torch.arange(25).reshape(5, 5)
    enlarge = torch.ones(12, 12, dtype=torch.int64)
    return torch.kron(colours, torch.ones(1, 12, 12)), torch.kron(index, enlarge)


def test_planted_super_pixels_are_recovered_from_a_linear_response() -> None:
    image, tile = tiles()
    planted = [6, 7, 11, 12]
    weight = torch.isin(tile, torch.tensor(planted)).float() / 144
    method = MINT(
        samples=1000,
        layers=("shallow", "deep"),
        response="logit",
        segmentation=Segmentation(kernel_size=2, max_dist=6, ratio=1.0),
    )
    explanation = method.explain(Evidence(weight), image, 0)
    fine, u_f = explanation.superpixels.fine, explanation.u_f
    inside = torch.tensor([bool(weight[fine == j].mean() > 0.5 / 144) for j in range(len(u_f))])
    assert inside.any()
    assert float(u_f[inside].min()) > 3 * float(u_f[~inside].clamp(min=0).max())
    chosen = torch.isin(fine, torch.tensor(explanation.chosen_fine))
    assert float((chosen & (weight > 0)).sum() / (chosen | (weight > 0)).sum()) > 0.9
    assert explanation.chosen_coarse is not None
    region = explanation.superpixels.coarse == explanation.chosen_coarse
    assert float(weight[region].sum() / weight.sum()) > 0.9


@pytest.mark.parametrize("against", [0.0, -1.0], ids=["no evidence", "evidence of another class"])
def test_the_coarse_explanation_of_an_absent_class_abstains(against: float) -> None:
    image, tile = tiles()
    weight = against * torch.isin(tile, torch.tensor([6, 7])).float() / 144
    method = MINT(samples=200, layers=("shallow", "deep"), response="logit")
    explanation = method.explain(Evidence(weight), image, 0)
    assert explanation.chosen_coarse is None
    assert explanation.chosen_fine == ()
    assert (explanation.coarse_picture() == 128).all()


class Counter(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.forwards, self.backwards = network, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        logits = self.network(images)
        if logits.requires_grad:
            logits.register_hook(self.count_backward)
        return logits

    def count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def test_an_explanation_costs_one_forward_and_backward_and_the_samples(small_cnn: SmallCNN, images: Tensor) -> None:
    counter = Counter(small_cnn)
    method = replace(SMALL, layers=("network.stem", "network.trunk"))
    method.explain(counter, images[0], 3)
    assert (counter.forwards, counter.backwards) == (1 + 60, 1)


def test_everything_is_kept_and_fits_together(small_cnn: SmallCNN, images: Tensor) -> None:
    explanation = SMALL.explain(small_cnn, images[0], 3)
    with torch.no_grad():
        clean = small_cnn(images[:1]).softmax(dim=1)[0, 3]
    assert explanation.answer == pytest.approx(float(clean), rel=1e-6)
    assert explanation.answers[0] == explanation.answer
    assert float(explanation.proximity.sum()) == pytest.approx(1)
    assert explanation.proximity.argmax() == 0
    solution = explanation.solution
    torch.testing.assert_close(solution.w_f @ explanation.superpixels.relation, solution.w_c)
    torch.testing.assert_close(explanation.u_f, solution.w_f * explanation.a_f)
    with torch.no_grad():
        feature = small_cnn.stem(images[:1])[0].sum(dim=0)
    torch.testing.assert_close(explanation.feature, feature.double(), rtol=1e-5, atol=1e-5)


def test_proximity_is_the_kernel_of_the_masked_picture() -> None:
    image = smooth_images(1)[0]
    fine = torch.arange(40 * 48).reshape(40, 48) % 6
    states = torch.rand(8, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    states[0] = True
    weights = proximity_kernel(states, removed_energy(image, fine, 6), 0.73)
    squares = torch.stack([(image - image * state[fine]).double().square().sum() for state in states])
    expected = torch.exp(-squares / (0.73 * image.double().square().sum()))
    torch.testing.assert_close(weights, expected, rtol=1e-6, atol=1e-9)


def test_half_the_energy_removed_weighs_about_one_half() -> None:
    states = torch.tensor([[True, True], [True, False]])
    weights = proximity_kernel(states, torch.tensor([1.0, 1.0]).double(), 0.73)
    assert float(weights[1] / weights[0]) == pytest.approx(0.504, abs=0.001)


def test_an_image_of_zeros_weighs_all_samples_alike() -> None:
    states = torch.tensor([[True, True], [True, False]])
    assert proximity_kernel(states, torch.zeros(2).double(), 0.73).tolist() == [1.0, 1.0]


def test_explain_takes_one_image(small_cnn: SmallCNN, images: Tensor) -> None:
    with pytest.raises(InputError, match=r"one image of shape \(c, h, w\)"):
        SMALL.explain(small_cnn, images, 0)


def test_a_layer_that_does_not_exist_names_the_nearest(small_cnn: SmallCNN, images: Tensor) -> None:
    with pytest.raises(InputError, match="no layer 'trnk'; the nearest names are trunk"):
        replace(SMALL, layers=("stem", "trnk")).explain(small_cnn, images[0], 0)


def test_another_seed_draws_other_samples(small_cnn: SmallCNN, images: Tensor) -> None:
    first, second = (replace(SMALL, seed=seed).explain(small_cnn, images[0], 0) for seed in (0, 1))
    assert not torch.equal(first.states, second.states)


def test_pictures_have_the_images_size(small_cnn: SmallCNN, images: Tensor) -> None:
    pictures = SMALL.pictures(small_cnn, images[0], 0)
    assert {name: picture.shape for name, picture in pictures.items()} == {"coarse": (40, 48, 3), "fine": (40, 48, 3)}


def test_samples_are_drawn_until_the_importances_have_settled(small_cnn: SmallCNN, images: Tensor) -> None:
    method = replace(SMALL, response="logit")
    eager, strict = (
        replace(method, samples=UntilSettled(level, most=1000)).explain(small_cnn, images[0], 3) for level in (0.5, 2.0)
    )
    assert eager.cost.forwards - 1 == len(eager.states) < 1000
    assert len(eager.states) % 100 == 0
    assert len(strict.states) == 1000
    # The rounds are one long draw, cut short; weights always sum to 1.
    assert torch.equal(eager.states, strict.states[: len(eager.states)])
    torch.testing.assert_close(eager.answers, strict.answers[: len(eager.states)])
    assert float(eager.proximity.sum()) == pytest.approx(1)
    whole = replace(method, samples=1000).explain(small_cnn, images[0], 3)
    torch.testing.assert_close(strict.u_f, whole.u_f)


def test_classes_one_by_one_are_explained_as_each_alone(small_cnn: SmallCNN, images: Tensor) -> None:
    one_by_one = SMALL.explain_classes(small_cnn, images[0], [3, 1])
    for explanation, target in zip(one_by_one, [3, 1], strict=True):
        alone = SMALL.explain(small_cnn, images[0], target)
        assert explanation.target == target
        torch.testing.assert_close(explanation.u_f, alone.u_f)


def test_classes_together_share_samples_and_cost_one_set_of_forwards(small_cnn: SmallCNN, images: Tensor) -> None:
    counter = Counter(small_cnn)
    method = replace(SMALL, layers=("network.stem", "network.trunk"))
    first, second = method.explain_classes(counter, images[0], [3, 1], shared=True)
    assert (counter.forwards, counter.backwards) == (2 + 60, 2) == (first.cost.forwards, first.cost.backwards)
    assert torch.equal(first.states, second.states)
    assert torch.equal(first.superpixels.fine, second.superpixels.fine)
    assert (first.target, second.target) == (3, 1)
    assert not torch.equal(first.u_f, second.u_f)
    with torch.no_grad():
        clean = small_cnn(images[:1]).softmax(dim=1)[0]
    assert [first.answer, second.answer] == pytest.approx([float(clean[3]), float(clean[1])], rel=1e-6)


def test_no_class_is_refused(small_cnn: SmallCNN, images: Tensor) -> None:
    with pytest.raises(InputError, match="at least one target"):
        SMALL.explain_classes(small_cnn, images[0], [])


@pytest.mark.parametrize(
    "change", [{"fill": "blur"}, {"surrogate": Surrogate(constraint="off")}, {"surrogate": Surrogate(mu=9.0)}], ids=str
)
def test_an_option_changes_the_explanation(small_cnn: SmallCNN, images: Tensor, change: dict[str, Any]) -> None:
    default, changed = (each(small_cnn, images[:1], torch.tensor([3])) for each in (SMALL, replace(SMALL, **change)))
    assert not torch.allclose(default, changed)


def test_the_prior_joins_gradient_and_activation_by_element_or_by_channel() -> None:
    deep, gradient = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 3.0]]])
    features = Features(shallow=deep, deep=deep, gradient=gradient)
    assert class_saliency(features).tolist() == [[1.0, 0.0], [0.0, 12.0]]
    assert class_saliency(features, "grad-cam").tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_the_papers_setting_pools_raw_features() -> None:
    assert MINT.paper(samples=700) == MINT(
        samples=700,
        response="probability",
        derivative_of="probability",
        prior="elementwise",
        sampling="coins",
        fill=0.0,
        pooling="raw",
        surrogate=Surrogate(intercept=False, constraint="hard"),
        shown=Display(scale="fine"),
    )
    assert MINT.paper().samples == 5000


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"samples": "auto"}, "samples is a whole number, 2 or more, not 'auto'"),
        ({"samples": 2.5}, "a whole number, 2 or more, not 2.5"),
        ({"samples": 1}, "a whole number, 2 or more, not 1"),
        ({"sampling": "coin"}, "sampling is one of 'coins', 'uniform-cardinality', .*, not 'coin'"),
        *(({name: "x"}, f"{name} is one of ") for name in ("pooling", "response", "prior", "derivative_of")),
        *(({name: "x"}, f"{name} is a {kind}") for name, kind in (("surrogate", "Surrogate"), ("shown", "Display"))),
        ({"segmentation": {}}, "segmentation is a Segmentation"),
        ({"layers": "relu"}, "layers is a pair of names, .*, not 'relu'"),
        ({"layers": ("relu",)}, "layers is a pair of names"),
        ({"proximity": 0.0}, "proximity is a number 1e-06 or more, at most 1e.12, not 0.0"),
        ({"proximity": np.ones(2)}, "proximity is a number 1e-06 or more"),
        ({"proximity": float("nan")}, "proximity is a number 1e-06 or more, at most 1e.12, not nan"),
        ({"batch_size": 0}, "batch_size is a whole number, 1 or more, not 0"),
    ],
)
def test_hyper_parameters_are_checked_before_anything_is_computed(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        MINT(**change)


def test_targets_are_a_class_or_any_sequence_of_classes(small_cnn: SmallCNN, images: Tensor) -> None:
    small = replace(SMALL, samples=20)
    expected = [small.explain(small_cnn, images[0], each).u_f for each in (1, 2)]
    for targets in ([1, 2], np.array([1, 2]), torch.tensor([1, 2])):
        found = small.explain_classes(small_cnn, images[0], targets)
        assert all(torch.equal(one.u_f, other) for one, other in zip(found, expected, strict=True))
    for wrong in ("3", None, 1.5, [1, 2]):
        with pytest.raises(InputError, match="target"):
            small.explain(small_cnn, images[0], wrong)  # type: ignore[arg-type]


def test_features_read_before_their_relu_are_rectified(images: Tensor) -> None:
    class Late(nn.Module):
        """Layers that end in a convolution; what follows takes their ReLU."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.stem, self.trunk = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
            self.head = nn.Linear(6, 4)

        def forward(self, pictures: Tensor) -> Tensor:
            hidden = self.trunk(self.stem(pictures).relu()).relu()
            return self.head(hidden.mean(dim=(2, 3)))

    model = Late().eval()
    found = replace(SMALL, samples=20, pooling="raw").explain(model, images[0], 1)
    with torch.no_grad():
        stem = model.stem(images[:1]).relu()
        deep = model.trunk(stem).relu()[0].sum(dim=0).double()
    coarse = found.superpixels.coarse
    expected = torch.stack([deep[coarse == i].mean() for i in range(int(coarse.max()) + 1)])
    torch.testing.assert_close(found.a_c, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.feature, stem[0].sum(dim=0).double(), rtol=1e-4, atol=1e-5)


def test_an_explanation_knows_its_fidelity_cost_and_parameters(small_cnn: SmallCNN, images: Tensor) -> None:
    explanation = replace(SMALL, response="logit", surrogate=Surrogate(intercept=True), seed=7).explain(
        small_cnn, images[0], 3
    )
    fidelity = explanation.fidelity
    assert 0 < fidelity.fine <= 1
    assert fidelity.fine_held_out < fidelity.fine
    assert explanation.cost.seconds > 0
    assert explanation.parameters["seed"] == 7
    assert explanation.parameters["layers"] == ("stem", "trunk")
    assert explanation.parameters["surrogate"]["intercept"] is True
    assert explanation.parameters["segmentation"]["kernel_size"] == 4.0
