"""The copy in which each call is a module of its own: it answers as the network does, and nothing of it is missed."""

import threading

import pytest
import torch
from small_resnets import Functional, Reusing, Separate, noise, seeded, small_resnet18, small_vgg11
from torch import Tensor, fx, nn
from torch.nn import functional as F

from baselines.written_modules import Join
from baselines.written_out import ELEMENTWISE, require_rules, write_out
from mint.contract import InputError


def kinds(written: fx.GraphModule) -> list[str]:
    """The types of the modules in the order in which they are called."""
    return [type(written.get_submodule(n.target)).__name__ for n in written.graph.nodes if n.op == "call_module"]


BLOCK = ["Conv2d", "BatchNorm2d", "ReLU"]


@pytest.mark.parametrize("make", [Separate, Reusing, Functional])
def test_each_call_is_a_module_of_its_own_and_not_in_place(make: type[nn.Module]) -> None:
    network, images = seeded(make), noise(2, 3, 12, 12)
    written = write_out(network, images[0], "this")
    found = [kind for kind in kinds(written) if kind not in ("Flatten", "Linear")]
    pooling = "Mean" if make is Reusing else "AdaptiveAvgPool2d"
    assert found == [*BLOCK, "MaxPool2d", *BLOCK, "Conv2d", "BatchNorm2d", "Join", "ReLU", pooling]
    assert len(set(map(id, written.children()))) == len(list(written.children())) == len(kinds(written))
    assert not any(getattr(module, "inplace", False) for module in written.modules())
    torch.testing.assert_close(written(images), seeded(Separate)(images))
    require_rules(written, "this")


def test_the_copy_shares_the_weights_and_no_module() -> None:
    network = seeded(Reusing)
    written = write_out(network, noise(3, 12, 12), "this")
    assert set(map(id, written.parameters())) == set(map(id, network.parameters()))
    assert not set(map(id, written.modules())) & set(map(id, network.modules()))
    next(iter(written.children())).register_forward_hook(lambda *_: None)
    assert not network.stem._forward_hooks
    assert network.relu.inplace


def test_a_compiled_network_is_written_out_as_it_was_before() -> None:
    network, images = seeded(Reusing), noise(2, 3, 12, 12)
    written = write_out(torch.compile(network, backend="eager"), images[0], "this")
    assert kinds(written) == kinds(write_out(network, images[0], "this"))
    torch.testing.assert_close(written(images), network(images))


def torchvisions(name: str) -> nn.Module:
    from torchvision.models import densenet121, googlenet, mobilenet_v2

    if name == "googlenet":
        return googlenet(num_classes=7, init_weights=False, transform_input=True)
    return {"mobilenet_v2": mobilenet_v2, "densenet121": densenet121}[name](num_classes=7)


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "googlenet", "mobilenet_v2", "densenet121"])
def test_torchvision_s_networks_answer_the_same_and_have_rules(name: str) -> None:
    made = {"resnet18": small_resnet18, "vgg11": small_vgg11}
    network = made[name]() if name in made else seeded(lambda: torchvisions(name))  # type: ignore[arg-type]
    images = noise(2, 3, 64, 64)
    written = write_out(network, images[0], "this")
    torch.testing.assert_close(written(images), network(images), rtol=1e-4, atol=1e-4)
    require_rules(written, "this")
    sums = {"resnet18": 8, "vgg11": 0, "googlenet": 0, "mobilenet_v2": 10, "densenet121": 0}[name]
    assert sum(isinstance(module, Join) for module in written.modules()) == sums
    assert any(isinstance(module, ELEMENTWISE) for module in written.modules())


class Overwriting(nn.Module):
    """What is overwritten in place is read again later, as it is then."""

    def forward(self, images: Tensor) -> Tensor:
        features = images * 2
        kept = features
        F.relu_(features)
        kept = kept + 1
        features.mul_(3)
        return torch.flatten(features + kept, 1)


def test_what_was_overwritten_is_read_as_it_is_afterwards() -> None:
    images = noise(2, 3, 4, 4)
    written = write_out(Overwriting(), images[0], "this")
    assert torch.equal(written(images), Overwriting()(images))
    assert torch.equal(written(images)[:, 0], (images * 2).relu()[:, 0, 0, 0] * 4 + 1)


def test_an_overwritten_view_is_refused() -> None:
    class View(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            features = images * 2
            features[:, 0].relu_()
            return torch.flatten(features, 1)

    with pytest.raises(InputError, match=r"this rewrites the network .* answers otherwise"):
        write_out(View(), -torch.ones(3, 4, 4), "this")


def test_constants_are_not_left_on_the_network() -> None:
    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]))

        def forward(self, images: Tensor) -> Tensor:
            return torch.flatten(images - self.mean.view(1, 3, 1, 1), 1)

    network, images = Normalised(), noise(2, 3, 4, 4)
    before = set(vars(network))
    written = write_out(network, images[0], "this")
    assert set(vars(network)) == before
    assert torch.equal(written(images), network(images))
    assert kinds(written) == ["Affine"]


def test_code_that_depends_on_values_is_refused() -> None:
    class Branch(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.flatten(images if images.sum() > 0 else -images, 1)

    with pytest.raises(InputError, match=r"this needs each activation .* torch.fx cannot follow .*TraceError"):
        write_out(Branch(), noise(3, 4, 4), "this")
    with pytest.raises(InputError, match="this must see the network's layers"):
        write_out(torch.nn.functional.relu, noise(3, 4, 4), "this")  # type: ignore[arg-type]


@pytest.mark.parametrize("function", ["mul", "softmax", "matmul"])
def test_calls_without_a_rule_are_named(function: str) -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            odd = {
                "mul": lambda: images * images,
                "softmax": lambda: images.softmax(1),
                "matmul": lambda: images @ images,
            }
            return torch.flatten(odd[function](), 1)

    with pytest.raises(InputError, match=f"this has no rule for {function}, which"):
        require_rules(write_out(Odd(), noise(3, 4, 4), "this"), "this")


def test_another_thread_may_run_a_network_meanwhile() -> None:
    """torch.fx changes nn.Module while it traces; a call in another thread must not notice."""
    other, images, errors, stop = seeded(Separate), noise(1, 3, 12, 12), [], threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                other(images)
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(10):
        write_out(seeded(Reusing), images[0], "this")
    stop.set()
    thread.join()
    assert errors == []


class Cosine(nn.Linear):
    """Derived from a linear layer, and not linear."""

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(F.normalize(features), F.normalize(self.weight))


class Thresholded(nn.ReLU):
    """Derived from ReLU, and another function."""

    def forward(self, features: Tensor) -> Tensor:
        return features * (features > 0.5)


class Squared(nn.Identity):
    """Derived from the identity, and of two maps."""

    def forward(self, features: Tensor) -> Tensor:
        return features * features


class Renamed(nn.ReLU):
    """Derived from ReLU, and one in all but its code."""

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features)


def _changed(layer: nn.Module) -> nn.Module:
    layer.forward = lambda features: features.sin()  # type: ignore[method-assign]
    return layer


@pytest.mark.parametrize(
    ("layer", "called"),
    [
        (Cosine(48, 5), "normalize"),
        (Thresholded(), "gt"),
        (Squared(), "mul"),
        (_changed(nn.ReLU()), "sin"),
    ],
    ids=["cosine", "threshold", "square", "changed"],
)
def test_a_layer_derived_from_torch_s_has_no_rule_for_what_it_computes_instead(layer: nn.Module, called: str) -> None:
    written = write_out(nn.Sequential(nn.Flatten(), layer).eval(), noise(3, 4, 4), "this")
    with pytest.raises(InputError, match=f"this has no rule for {called},"):
        require_rules(written, "this")


class Padded(nn.Conv2d):
    """Pads as TensorFlow does, more at the end, and then calls the function."""

    def forward(self, images: Tensor) -> Tensor:
        padded = F.pad(images, (0, 1, 0, 1))
        return F.conv2d(padded, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Doubled(nn.Linear):
    """Linear, with weights that it computes."""

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, 2 * self.weight)


@pytest.mark.parametrize("bias", [True, False])
def test_a_function_with_weights_is_its_layer(bias: bool) -> None:
    class Calling(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            return F.linear(torch.flatten(self[0](images), 1), weight=self[1].weight)

    images = noise(2, 4, 5, 5)
    network = Calling(Padded(4, 6, 2, stride=2, groups=2, bias=bias), nn.Linear(6 * 9, 3)).eval()
    written = write_out(network, images[0], "this")
    assert kinds(written) == ["Conv2d", "Linear"]
    assert torch.equal(written(images), network(images))
    assert {*map(id, written.parameters())} < {*map(id, network.parameters())}
    require_rules(written, "this")


def test_a_function_with_weights_that_are_computed_has_no_rule() -> None:
    written = write_out(nn.Sequential(nn.Flatten(), Doubled(48, 5)).eval(), noise(3, 4, 4), "this")
    with pytest.raises(InputError, match="this has no rule for linear,"):
        require_rules(written, "this")


def test_a_batch_norm_without_running_statistics_has_no_rule() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten()).eval()
    with pytest.raises(InputError, match="this has no rule for BatchNorm2d,"):
        require_rules(write_out(network, noise(3, 4, 4), "this"), "this")


def test_a_layer_derived_from_torch_s_that_calls_relu_is_a_relu() -> None:
    written = write_out(nn.Sequential(nn.Flatten(), Renamed()).eval(), noise(3, 4, 4), "this")
    assert kinds(written) == ["Flatten", "ReLU"]
    require_rules(written, "this")


def test_hooks_of_the_network_watch_the_copy_in_its_name() -> None:
    """They find what the network holds, come before and after, and may ask for keywords."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    image = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    begun: list[nn.Module] = []
    ended: list[int] = []
    network.register_forward_pre_hook(lambda module, _: begun.append(module))
    network.register_forward_hook(lambda _, inputs, __, ___: ended.append(len(inputs[0])), with_kwargs=True)
    written = write_out(network, image, "It")
    assert begun == [network, network]
    written(image.expand(5, -1, -1, -1))
    assert begun == [network] * 3
    assert ended == [1, 1, 5]
