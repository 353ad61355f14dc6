import pytest
import torch
from examples import SmallCNN
from torch import Tensor

from mint.parameters import InputError
from mint.scores import read_scores


def test_each_score_is_read_of_each_images_own_target(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with torch.no_grad():
        logits = small_cnn(images)
    own = torch.arange(3), targets
    found = {score: read_scores(small_cnn, images, targets, score) for score in ("logit", "log-probability")}
    torch.testing.assert_close(found["logit"], logits[own])
    torch.testing.assert_close(found["log-probability"], logits.log_softmax(dim=1)[own])
    torch.testing.assert_close(read_scores(small_cnn, images, targets), logits.softmax(dim=1)[own])
    assert found["logit"].requires_grad


@pytest.mark.parametrize(
    ("answer", "target", "sentence"),
    [
        (torch.tensor([[0.0, float("nan")]]), 0, "NaN or infinite"),
        (torch.zeros(1, 3), 3, "target 3 lies outside the network's 3 classes, 0 to 2"),
        (torch.zeros(1, 3, 2, 2), 0, r"\(n, classes\) logits, not with \(1, 3, 2, 2\)"),
        (torch.zeros(2, 3), 0, r"must answer 1 images"),
        ("a word", 0, "not with str"),
    ],
)
def test_answers_that_cannot_be_used_are_refused(answer: object, target: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_scores(lambda _images: answer, torch.zeros(1, 3, 4, 4), torch.tensor([target]))  # type: ignore[arg-type,return-value]
