"""Networks that give no gradient, do not look at their picture, or are explained from several threads."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from examples import SmallCNN, smooth_images
from torch import Tensor, nn

from baselines import LIME, GradCAM
from mint import MINT, OverlayMINT
from mint.app.describe import describe
from mint.contract import Attributor, InputError, explaining
from mint.method import SAME_ANSWERS


class Ungraded(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images)


def ungraded(network: SmallCNN, kind: str) -> object:
    if kind == "no_grad":
        return Ungraded(network).eval()
    if kind == "traced":
        return torch.jit.trace(network, smooth_images(1))
    if kind == "scripted":
        return torch.jit.script(network)
    return lambda images: network(images)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", ["no_grad", "traced", "scripted", "function"])
def test_without_a_gradient_mint_cuts_by_slic_and_says_so(kind: str, small_cnn: SmallCNN, images: Tensor) -> None:
    network = ungraded(small_cnn, kind)
    with pytest.warns(UserWarning, match="MINT goes on without a gradient: SLIC alone cuts the picture"):
        found = MINT(samples=40).explain(network, images[0], 3)  # type: ignore[arg-type]
    assert found.superpixels.route == "slic"
    assert found.cost.backwards == 0
    assert found.answer == pytest.approx(small_cnn(images[:1]).softmax(dim=1)[0, 3].item(), abs=1e-6)
    assert any("no layers" in line for line in describe(found))
    with pytest.warns(UserWarning, match="without a gradient"):
        maps = OverlayMINT(samples=40)(network, images[:1], torch.tensor([3]))  # type: ignore[arg-type]
    assert maps.abs().max() > 0
    with pytest.raises(InputError, match=r"no gradient leads|scripted or traced|is a function"):
        GradCAM()(network, images[:1], torch.tensor([3]))  # type: ignore[arg-type]
    perturbed = LIME(samples=10)
    same = perturbed(network, images[:1], torch.tensor([3]))  # type: ignore[arg-type]
    torch.testing.assert_close(same, perturbed(small_cnn, images[:1], torch.tensor([3])))


def test_what_is_no_network_is_refused(images: Tensor, targets: Tensor) -> None:
    for network in ("resnet50", 5, SmallCNN):
        with pytest.raises(InputError, match=r"the network must be an nn.Module, or a function"):
            MINT(samples=10)(network, images, targets)  # type: ignore[arg-type]


def test_a_full_backward_hook_on_a_module_in_place_is_named(small_cnn: SmallCNN, images: Tensor) -> None:
    small_cnn.trunk[2].register_full_backward_hook(lambda *_: None)
    with pytest.raises(InputError, match="a full backward hook on a module that works in place"):
        MINT(samples=10).explain(small_cnn, images[0], 3)


def test_a_network_that_ignores_its_picture_gets_no_region(small_cnn: SmallCNN, images: Tensor) -> None:
    nn.init.zeros_(small_cnn.head.weight)
    found = MINT(samples=40).explain(small_cnn, images[0], 3)
    assert (found.chosen_coarse, found.chosen_fine, found.abstention) == (None, (), SAME_ANSWERS)
    assert found.fidelity.fine != found.fidelity.fine  # NaN
    assert any("do not read these importances" in line for line in describe(found))
    small_cnn.head.weight.data.fill_(1e-9)  # rounding alone
    assert MINT(samples=40).explain(small_cnn, images[0], 3).chosen_coarse is None


@pytest.mark.parametrize("training", [False, True])
def test_threads_wait_for_each_other_and_find_the_right_maps(training: bool, small_cnn: SmallCNN) -> None:
    method, pictures = MINT(samples=20), smooth_images(8, seed=3)
    targets = torch.arange(8) % 5
    small_cnn.train(training)
    buffers = {name: value.clone() for name, value in small_cnn.state_dict().items()}

    def explain(i: int) -> Tensor:
        return method(small_cnn, pictures[i : i + 1], targets[i : i + 1])

    expected = [explain(i) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(explain, [*range(8)] * 3))
    assert all(torch.equal(one, other) for one, other in zip(found, expected * 3, strict=True))
    assert all(module.training == training for module in small_cnn.modules())
    assert all(torch.equal(value, small_cnn.state_dict()[name]) for name, value in buffers.items())


def test_a_thread_may_enter_again(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with explaining(small_cnn, images, targets), explaining(small_cnn, images, targets):
        pass


class Answering(nn.Module):
    """A network whose answer is put into another form."""

    def __init__(self, inner: nn.Module, form: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.inner, self.form = inner, form

    def forward(self, images: Tensor) -> object:
        return self.form(self.inner(images))


class Attributes(dict[str, Tensor]):
    """A dictionary whose keys are attributes, as several packages have one; a missing one is a KeyError."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("form", [lambda logits: Attributes(logits=logits), lambda logits: (logits.half(), None)])
def test_an_answer_in_another_form_is_read(form: Callable[[Tensor], object], small_cnn: SmallCNN) -> None:
    image = smooth_images(1)
    found = MINT(samples=20)(Answering(small_cnn, form).eval(), image, torch.tensor([3]))
    torch.testing.assert_close(found, MINT(samples=20)(small_cnn, image, torch.tensor([3])), rtol=0.05, atol=1e-3)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (lambda logits: Attributes(other=logits), "not with a Attributes of 'other'"),
        (lambda logits: (100 * logits).long(), r"a torch.strided tensor of torch.int64; logits must be"),
        (lambda logits: logits > 0, r"a torch.strided tensor of torch.bool; logits must be"),
        (lambda logits: logits.to(torch.complex64), r"tensor of torch.complex64; logits must be"),
        (lambda logits: logits.to_sparse(), r"a torch.sparse_coo tensor of torch.float32; logits must be a dense"),
        (lambda logits: logits.argmax(dim=1), r"not with \(1,\)"),
    ],
)
@pytest.mark.parametrize("method", [MINT(samples=20), OverlayMINT(samples=20), LIME(samples=10), GradCAM()], ids=repr)
def test_an_answer_that_holds_no_logits_is_refused_by_every_method(
    method: Attributor, form: Callable[[Tensor], object], sentence: str, small_cnn: SmallCNN
) -> None:
    sentence = sentence.replace(r"\(1,\)", r"\(10,\)") if isinstance(method, LIME) else sentence
    with pytest.raises(InputError, match=sentence):
        method(Answering(small_cnn, form).eval(), smooth_images(1), torch.tensor([3]))


class Writing(nn.Module):
    """A network that subtracts the mean colour from its input itself, in place."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        images.sub_(0.5)
        return self.inner(images)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("method", [MINT(samples=20), OverlayMINT(samples=20), LIME(samples=10), GradCAM()], ids=repr)
def test_a_network_that_writes_on_its_input_leaves_the_pictures_alone(
    method: Attributor, layout: torch.memory_format, small_cnn: SmallCNN
) -> None:
    pictures = smooth_images(2).contiguous(memory_format=layout)
    kept = pictures.clone()
    method(Writing(small_cnn).eval(), pictures, torch.tensor([3, 1]))
    assert torch.equal(pictures, kept)


class Tokens(nn.Module):
    """A transformer of one block."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.patches = nn.Conv2d(3, 8, 8, 8)
            self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True) for _ in range(2)))
            self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.patches(images).flatten(2).transpose(1, 2)).mean(dim=1))


def test_finding_where_tokens_lie_leaves_the_picture_alone() -> None:
    picture = smooth_images(1)
    kept = picture.clone()
    found = GradCAM()(Writing(Tokens()).eval(), picture, torch.tensor([3]))
    assert torch.equal(picture, kept)
    torch.testing.assert_close(found, GradCAM()(Tokens().eval(), picture - 0.5, torch.tensor([3])))


def test_frozen_scripts_and_exported_programs_are_asked_as_they_are(small_cnn: SmallCNN) -> None:
    image, target = smooth_images(1), torch.tensor([3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = torch.jit.freeze(torch.jit.script(small_cnn))
        many = torch.export.Dim("many", min=1, max=4096)
        exported = torch.export.export(small_cnn, (smooth_images(2),), dynamic_shapes=({0: many},)).module()
        expected = LIME(samples=10)(small_cnn, image, target)
        for network in (frozen, exported):
            torch.testing.assert_close(LIME(samples=10)(network, image, target), expected)
            assert MINT(samples=20)(network, image, target).abs().max() > 0


def test_what_is_on_the_device_meta_is_refused(small_cnn: SmallCNN, images: Tensor, targets: Tensor) -> None:
    with pytest.raises(InputError, match="images and targets on the device meta hold no values"):
        MINT(samples=10)(small_cnn, images.to("meta"), targets)
    with pytest.raises(InputError, match=r"torch.float32 on meta; weights have no values there"):
        MINT(samples=10)(small_cnn.to("meta"), images, targets)
