"""Every number that an option takes is refused in one sentence at once, or it works: nothing fails later."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from examples import SmallCNN, smooth_images
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from baselines import LIME, Centre, EngineOcclusion, Occlusion, Random
from mint import MINT, Display, InputError, OverlayMINT, Segmentation, Surrogate, UntilSettled

KINDS: dict[str, tuple[type, dict[str, Any]]] = {
    "MINT": (MINT, {"samples": 6, "layers": ("stem", "trunk")}),
    "OverlayMINT": (OverlayMINT, {"samples": 6, "deep_layer": "trunk", "slic_segments": (4,)}),
    "LIME": (LIME, {"samples": 6}),
    "Occlusion": (Occlusion, {"window": 112, "stride": 112}),
    "EngineOcclusion": (EngineOcclusion, {"window": 112, "stride": 112}),
    "Random": (Random, {}),
    "Centre": (Centre, {}),
    "Segmentation": (Segmentation, {}),
    "Surrogate": (Surrogate, {}),
    "Display": (Display, {}),
    "UntilSettled": (UntilSettled, {"most": 6}),
}
FIELDS = [(kind, field.name) for kind, (make, _) in KINDS.items() for field in dataclasses.fields(make)]
# Samples, windows and iterations beyond any machine are no border, only slow.
NUMBERS = st.one_of(
    st.sampled_from([-1, 0, 1, 2, 0.0, -0.0, 0.5, 1.0, 2**31, 2**63, 2**64, -(2**63), 1e-300, 1e300]),
    st.sampled_from([math.nan, math.inf, -math.inf, True, False, None, "x", "", (1, 2), (0,), ()]),
    st.floats(-2, 2),
    st.integers(-3, 20),
)
SLOW = {"samples", "most", "grabcut_iterations", "background_segments", "slic_segments", "batch_size", "max_dist"}


def network() -> SmallCNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SmallCNN().eval()


def method_with(part: Any) -> Any:
    part_of = {Segmentation: "segmentation", Surrogate: "surrogate", Display: "shown", UntilSettled: "samples"}
    name = part_of.get(type(part))
    return part if name is None else MINT(**{"samples": 6, "layers": ("stem", "trunk"), name: part})


@pytest.mark.parametrize(("kind", "field"), FIELDS)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@example(value=-1)
@example(value=0)
@example(value="x")
@example(value=math.nan)
@example(value=math.inf)
@example(value=2**63)
@given(value=NUMBERS)
def test_a_number_is_refused_at_once_or_works(kind: str, field: str, value: Any) -> None:
    make, others = KINDS[kind]
    sentence = ""
    try:
        part = make(**{**others, field: value})
    except InputError as error:
        sentence = str(error)
    if sentence:
        assert field in sentence or field in ("window", "stride")
        assert "\n" not in sentence
        return
    if field in SLOW and isinstance(value, int | float) and value > 100:
        return
    if field in ("layers", "deep_layer"):
        return  # names, which only a network can judge
    maps = method_with(part)(network(), smooth_images(1, (24, 24)), torch.tensor([1]))
    assert bool(torch.isfinite(maps).all())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: MINT(seed="x"), r"^seed is a whole number from 0 to 2\^63 - 1, not 'x'.$"),
        (lambda: MINT(layers=(1, 2)), "^layers is a pair of names"),
        (lambda: Segmentation(fine="x"), "^fine is one of 'quickshift', 'slic', not 'x'.$"),
        (lambda: Segmentation(kernel_size=0), "^kernel_size is a number 1 or more, not 0.$"),
        (lambda: LIME(kernel_size=0), "^kernel_size is a number 1 or more, not 0.$"),
        (lambda: MINT(fill=math.nan), "^fill is a number or one of"),
        (lambda: Random(seed=-1), "^seed is a whole number from 0"),
    ],
)
def test_mistakes_that_were_noticed_late(make: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make()
