import io
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from examples import SmallCNN, smooth_images
from matplotlib.figure import Figure
from PIL import Image

from mint.contract import InputError
from mint.explanation import Explanation
from mint.method import MINT
from mint.panel import Map, borders, draw_panels

METHOD = MINT(samples=30, layers=("stem", "trunk"))


def explain(network: SmallCNN, size: tuple[int, int], method: MINT = METHOD) -> Explanation:
    return method.explain(network, smooth_images(1, size)[0], 3)


@pytest.fixture
def explanation(small_cnn: SmallCNN) -> Explanation:
    return replace(explain(small_cnn, (40, 48)), chosen_coarse=1, abstention=None)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]]


def test_a_row_shows_input_coarse_and_fine(explanation: Explanation) -> None:
    figure = explanation.plot(class_name="zebra")
    shown = [axes.images[0].get_array() for axes in figure.axes]
    expected = [explanation.picture, explanation.coarse_picture(), explanation.fine_picture()]
    assert all(np.array_equal(*pair) for pair in zip(shown[:3], expected, strict=True))
    importance = f"{float(explanation.u_c[1]):.2g}"
    assert set(texts(figure)) == {
        "zebra",
        f"g(X) = {explanation.answer:.3g} (probability)",
        "input, 48 x 40",
        "as the network sees it",
        f"coarse: importance {importance}",
        "the most important region",
        f"fine: {len(explanation.chosen_fine)} of {len(explanation.u_f)} super-pixels",
        "colour: shallow feature, not importance",
        "MINT: attribution",
        "importance: red for, blue against",
    }
    assert explanation.plot().texts[1].get_text() == "class 3"


def test_an_abstention_says_why_inside_the_coarse_panel(explanation: Explanation) -> None:
    silent = replace(explanation, chosen_coarse=None, abstention="no coarse super-pixel has a positive importance")
    coarse = silent.plot().axes[1]
    reason, caption, note = (text.get_text() for text in coarse.texts)
    assert reason.replace("\n", " ") == "no region is chosen: no coarse super-pixel has a positive importance"
    assert (caption, note) == ("coarse: none", "no region is important enough")


@pytest.mark.parametrize("size", [(112, 112), (40, 160), (160, 40), (180, 48), (20, 240)])
def test_no_two_texts_overlap_and_none_leaves_the_figure(explanation: Explanation, size: tuple[int, int]) -> None:
    height, width = size
    wide = replace(
        explanation,
        picture=np.zeros((height, width, 3), dtype=np.uint8),
        superpixels=replace(explanation.superpixels, coarse=torch.zeros(size, dtype=torch.int64)),
        feature=torch.ones(size),
    )
    wide = replace(wide, superpixels=replace(wide.superpixels, fine=torch.zeros(size, dtype=torch.int64)))
    reason = "the largest coarse importance, 1.2e-05, is below 0.05 of |g(X)| = 0.00031"
    rows = [wide, replace(wide, chosen_coarse=None, abstention=reason)]
    names = ["W" * 90, "$\\frac{1}$ of a class, with a name that is long, " * 2]
    figure = draw_panels([each.row(name) for each, name in zip(rows, names, strict=True)])
    boxes = {
        (text.get_text(), i): text.get_window_extent()
        for i, text in enumerate([*figure.texts, *(text for axes in figure.axes for text in axes.texts)])
    }
    for (one, here), (other, there) in combinations(boxes.items(), 2):
        assert not here.overlaps(there), (one, other)
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text
    # The reason stays inside its panel, and the numbers of a colour bar beside it.
    for axes in figure.axes:
        for bar in axes.child_axes:
            for label in bar.get_yticklabels():
                box = label.get_window_extent()
                assert axes.bbox.y0 - 2 <= box.y0 <= box.y1 <= axes.bbox.y1 + 2, label
    panel = figure.axes[5]
    inside = panel.texts[0].get_window_extent()
    assert panel.bbox.x0 <= inside.x0 <= inside.x1 <= panel.bbox.x1
    assert panel.bbox.y0 <= inside.y0 <= inside.y1 <= panel.bbox.y1
    # Pictures keep their proportions.
    assert all(axes.bbox.width / axes.bbox.height == pytest.approx(width / height) for axes in figure.axes)


def test_borders_are_the_edges_between_labels() -> None:
    found = borders(np.array([[0, 0], [0, 1]]))
    assert found.tolist() == [[[0.5, 0.5], [0.5, 1.5]], [[0.5, 0.5], [1.5, 0.5]]]
    assert sorted(borders(np.array([[0, 1], [0, 0]])).tolist()) == [[[0.5, -0.5], [0.5, 0.5]], [[0.5, 0.5], [1.5, 0.5]]]
    assert len(borders(np.zeros((3, 3), dtype=np.int64))) == 0


def test_contours_are_drawn_on_demand(explanation: Explanation) -> None:
    plain, lined = explanation.plot(), explanation.plot(contours=True)
    assert [len(axes.collections) for axes in plain.axes] == [0, 0, 0, 0]
    assert [len(axes.collections) for axes in lined.axes] == [4, 0, 0, 0]
    fine, coarse = (lined.axes[0].collections[i] for i in (1, 3))
    assert len(coarse.get_segments()) == len(borders(explanation.superpixels.coarse.numpy()))
    assert len(fine.get_segments()) == len(borders(explanation.superpixels.fine.numpy()))
    assert coarse.get_linewidth()[0] > fine.get_linewidth()[0]


def test_an_attribution_is_drawn_signed_with_its_scale(explanation: Explanation) -> None:
    axes = explanation.plot().axes[3]
    attribution = axes.images[1]
    largest = float(explanation.u_f.abs().max())
    assert attribution.get_clim() == pytest.approx((-largest, largest))
    np.testing.assert_allclose(attribution.get_array(), explanation.importance_map().numpy())
    (bar,) = axes.child_axes
    assert [label.get_text() for label in bar.get_yticklabels()] == [f"{-largest:.2g}", "0", f"{largest:.2g}"]
    assert bar.get_window_extent().x1 < axes.figure.bbox.x1
    (colours,) = (image.get_array() for image in bar.images)
    against, nothing, strongest = colours[0, 0], colours[127, 0], colours[-1, 0]
    assert np.ptp(nothing) == 0
    assert strongest.argmax() == 0
    assert against.argmax() == 2


def test_the_order_of_tied_pixels_is_not_drawn(explanation: Explanation) -> None:
    tied = Map("another", np.linspace(0, 1e-41, 40 * 48).reshape(40, 48), "nothing")
    axes = draw_panels([replace(explanation.row(), attributions=(tied,))]).axes[3]
    assert axes.images[1].get_alpha().max() < 1e-3


def test_further_attributions_stand_beside(explanation: Explanation) -> None:
    row = explanation.row()
    further = replace(row, attributions=(*row.attributions, Map("another", np.zeros((40, 48)), "nothing")))
    figure = draw_panels([row, further])
    assert len(figure.axes) == 4 + 5
    assert "another: attribution" in texts(figure)


def test_a_figure_of_ones_own_is_used(explanation: Explanation) -> None:
    own = Figure(figsize=(1, 1))
    own.text(0, 0, "old")
    assert explanation.plot(figure=own) is own
    assert "old" not in texts(own)
    assert own.get_size_inches().tolist() == explanation.plot().get_size_inches().tolist()


def test_a_notebook_gets_a_png(explanation: Explanation) -> None:
    png = explanation._repr_png_()
    assert png is not None
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1710
        assert len(set(picture.convert("RGB").get_flattened_data())) > 100


def test_pyplot_is_not_touched(explanation: Explanation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert explanation._repr_png_()


def test_without_matplotlib_the_sentence_says_what_to_install(
    explanation: Explanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r'pip install "mint-attribution\[plot\]"'):
        explanation.plot()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert explanation._repr_png_() is None


def test_a_panel_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="at least one explanation"):
        draw_panels([])
