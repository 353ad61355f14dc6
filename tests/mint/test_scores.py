import warnings
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from examples import SmallCNN
from torch import Tensor, nn

from baselines import LIME, EngineOcclusion, GradCAM, Occlusion
from mint import MINT, OverlayMINT
from mint.contract import Attributor, InputError, read_scores
from mint.perturbation import masked_scores
from mint.scores import SCORE_NAMES


class Head(nn.Module):
    """A network whose answer is changed by a function."""

    def __init__(self, inner: nn.Module, change: object) -> None:
        super().__init__()
        self.inner, self.change = inner, change

    def forward(self, images: Tensor) -> object:
        return self.change(self.inner(images))  # type: ignore[operator]


def test_each_score_is_read_of_each_images_own_target(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with torch.no_grad():
        logits = small_cnn(images)
    own = torch.arange(3), targets
    found = {score: read_scores(small_cnn, images, targets, score) for score in SCORE_NAMES}
    torch.testing.assert_close(found["logit"], logits[own])
    torch.testing.assert_close(found["log-probability"], logits.log_softmax(dim=1)[own])
    torch.testing.assert_close(found["sigmoid"], logits.sigmoid()[own])
    torch.testing.assert_close(read_scores(small_cnn, images, targets), logits.softmax(dim=1)[own])
    assert found["logit"].requires_grad


def test_a_function_of_the_users_is_a_score(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    found = read_scores(small_cnn, images, targets, lambda logits: logits - logits.mean(dim=1, keepdim=True))
    logits = small_cnn(images)
    torch.testing.assert_close(found, logits[range(3), targets] - logits.mean(dim=1))
    with pytest.raises(InputError, match=r"the score <lambda> gave \(3,\) for answers of shape \(3, 5\)"):
        read_scores(small_cnn, images, targets, lambda logits: logits[:, 0])


@pytest.mark.parametrize(
    ("answer", "target", "sentence"),
    [
        (torch.tensor([[0.0, float("nan")]]), 0, "NaN or infinite"),
        (torch.zeros(1, 3), 3, "target 3 lies outside the network's 3 classes, 0 to 2"),
        (torch.zeros(1, 1), 2, "target 2 lies outside the network's 2 classes, 0 to 1"),
        (torch.zeros(1, 3, 2, 2), 0, r"\(n, classes\) logits, not with \(1, 3, 2, 2\)"),
        (torch.zeros(2, 3), 0, r"must answer 1 images"),
        (torch.zeros(1, 0), 0, r"not with \(1, 0\)"),
        ("a word", 0, "not with str"),
        ({"boxes": 1}, 0, "not with a dict of 'boxes'"),
        ((torch.zeros(1, 2, 4, 4), 3), 0, r"not with a tuple of \(1, 2, 4, 4\), int"),
        ((), 0, "not with a tuple of nothing"),
        (None, 0, "not with NoneType"),
    ],
)
def test_answers_that_cannot_be_used_are_refused(answer: object, target: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_scores(lambda _images: answer, torch.zeros(1, 3, 4, 4), torch.tensor([target]))  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: (logits, "more"),
        lambda logits: {"logits": logits, "loss": 0},
        lambda logits: SimpleNamespace(logits=logits),
        lambda logits: namedtuple("Outputs", ["logits", "aux"])(logits, logits * 0),
    ],
)
def test_logits_are_found_in_answers_of_other_kinds(
    wrap: object, small_cnn: SmallCNN, images: Tensor, targets: Tensor
) -> None:
    for method in (MINT(samples=10), GradCAM(), OverlayMINT(samples=10), EngineOcclusion(window=112, stride=112)):
        expected = method(small_cnn, images[:1], targets[:1])
        assert torch.equal(method(Head(small_cnn, wrap).eval(), images[:1], targets[:1]), expected)


BINARY: list[Attributor] = [
    MINT(samples=10, response="sigmoid"),
    OverlayMINT(samples=10, score="sigmoid"),
    LIME(samples=10, score="sigmoid"),
    Occlusion(window=112, stride=112, score="sigmoid"),
    EngineOcclusion(window=112, stride=112, score="sigmoid"),
]


@pytest.mark.parametrize("method", BINARY, ids=repr)
def test_the_classes_of_one_logit_are_p_and_its_complement(
    method: Attributor, small_cnn: SmallCNN, images: Tensor
) -> None:
    """As of a network of two classes, whose logits differ by the one logit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        small_cnn.head = nn.Linear(16, 1)
    network = Head(small_cnn, lambda z: 3 * z).eval()
    z = network(images[:1])
    for target, expected in ((0, z.sigmoid()), (1, 1 - z.sigmoid())):
        torch.testing.assert_close(read_scores(network, images[:1], torch.tensor([target]), "sigmoid"), expected[0])
    yes, no = (method(network, images[:1], torch.tensor([target])) for target in (0, 1))
    if not isinstance(method, MINT | OverlayMINT):  # whose foreground is that of the class
        torch.testing.assert_close(yes, -no)
    assert yes.abs().max() > 1e-5


def test_a_softmax_of_one_output_is_refused(small_cnn: SmallCNN, images: Tensor) -> None:
    network = Head(small_cnn, lambda logits: logits[:, :1])
    for method in (MINT(samples=10), OverlayMINT(samples=10), LIME(samples=10), Occlusion()):
        with pytest.raises(InputError, match="one output is always 1; choose the score 'sigmoid' or 'logit'"):
            method(network, images[:1], torch.tensor([0]))


def test_probabilities_are_warned_of(small_cnn: SmallCNN, images: Tensor) -> None:
    network = Head(small_cnn, lambda logits: logits.softmax(dim=1)).eval()
    labels, states = torch.zeros(images.shape[-2:], dtype=torch.int64), torch.ones(3, 1, dtype=torch.bool)
    for score in ("probability", "log-probability"):
        with pytest.warns(UserWarning, match="seem to be probabilities already"):
            masked_scores(network, images[0], torch.zeros(()), labels, states, 0, score=score)
    with pytest.warns(UserWarning, match="seem to be probabilities already"):
        read_scores(network, images, torch.zeros(3, dtype=torch.int64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masked_scores(network, images[0], torch.zeros(()), labels, states, 0, score="logit")


@pytest.mark.parametrize("score", ["softmax", None, 3, ("logit",)])
def test_a_score_that_does_not_exist_is_refused_at_once(score: object) -> None:
    for make in (MINT, OverlayMINT, LIME, Occlusion, EngineOcclusion):
        field = "response" if make is MINT else "score"
        with pytest.raises(InputError, match=f"^{field} is one of 'probability', 'logit', "):
            make(**{field: score})
