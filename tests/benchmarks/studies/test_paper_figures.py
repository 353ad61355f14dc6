"""The paper's figures: do they show what they say, and do the files come out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.studies.paper_figures import sources
from benchmarks.studies.paper_figures.figures import compared, pipeline, samples, seeds, spread, strongest
from benchmarks.studies.paper_figures.folder import main
from benchmarks.studies.paper_figures.sheet import evidence, only
from benchmarks.studies.paper_figures.sources import SOURCES, Group, Source, own_pictures, probabilities, scenes
from benchmarks.studies.paper_figures.subjects import Subject, explain, measured, share_inside
from mint.contract import InputError


@pytest.fixture(scope="module")
def source() -> Source:
    return scenes()


@pytest.fixture(scope="module")
def subject(source: Source) -> Subject:
    group = source.panels[0]
    return explain(group, group.cases[0], samples=40, seed=0)


def _first(group: Group, count: int) -> Group:
    return replace(group, cases=group.cases[:count])


@pytest.fixture(scope="module")
def drawn(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of figures of the first scenes."""
    few = replace(
        source,
        panels=tuple(_first(group, 1) for group in source.panels),
        pairs=_first(source.pairs, 2),
        absent=_first(source.absent, 2),
    )
    directory = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "scenes", lambda device: few)  # type: ignore[misc]
        assert main(["--from", "scenes", "--samples", "20", "--out", str(directory)]) == 0
        yield directory


def test_every_figure_is_a_small_file_that_the_index_shows(drawn: Path) -> None:
    files = sorted(drawn.glob("*.jpg"))
    assert [file.stem for file in files] == [
        "scenes-1-pipeline",
        "scenes-2-segmentation",
        "scenes-3-samples",
        "scenes-4-panels-scenes-resnet",
        "scenes-4-panels-scenes-vgg",
        "scenes-6-two-classes",
        "scenes-7-absent-class",
    ]
    index = (drawn / "README.md").read_text()
    for file in files:
        assert 10_000 < file.stat().st_size < 400_000, file.name
        with Image.open(file) as picture:
            assert picture.width > 900, file.name
        assert f"]({file.name})" in index


def test_the_index_says_how_the_figures_were_made(drawn: Path, source: Source) -> None:
    index = " ".join((drawn / "README.md").read_text().split())
    for group in (*source.panels, source.pairs, source.absent):
        assert f"Network `{group.network.name}`; {group.cases[0].target_name} ({group.cases[0].picture})" in index
    assert "20 samples, seed 0" in index
    assert "`python -m benchmarks study figures --from scenes --samples 20" in index


def test_the_panels_have_the_networks_first_class_and_it_is_there(source: Source) -> None:
    for group in source.panels:
        assert len({case.picture for case in group.cases}) == 5
        for case in group.cases:
            assert probabilities(group.network, case.image).argmax() == case.target
            assert case.region is not None
            assert case.region.any()


def test_a_pair_is_one_picture_with_two_objects_of_its_own(source: Source) -> None:
    first, second = source.pairs.cases[:2]
    assert first.picture == second.picture
    assert first.target != second.target
    assert first.region is not None
    assert second.region is not None
    assert first.region.any()
    assert second.region.any()
    assert not (first.region & second.region).any()


def test_mint_abstains_from_the_absent_class_and_not_from_the_other(source: Source) -> None:
    group = _first(source.absent, 2)
    subjects = [explain(group, case, samples=200, seed=0) for case in group.cases]
    present, absent = (subject.explanation for subject in subjects)
    assert present.chosen_coarse is not None
    assert absent.chosen_coarse is None
    assert absent.abstention is not None
    assert absent.abstention.endswith("below the minimal importance 0.05")
    # The default would have chosen a region: it is the parameter that makes the figure.
    assert float(absent.u_c.max()) > 0.05 * absent.answer
    figure = compared("", "", subjects, "").figure
    marked = [axes for axes in figure.axes if any(text.get_text() == "none" for text in axes.texts)]
    assert len(marked) == 1
    assert len(np.unique(_image(marked[0]))) == 1
    assert "| none" in measured(subjects).splitlines()[3]


def test_panels_show_the_explanations_own_pictures(subject: Subject) -> None:
    shown, _, lime, coarse, fine = map(_image, compared("", "", [subject], "").figure.axes)
    np.testing.assert_array_equal(shown, subject.case.image)
    np.testing.assert_array_equal(coarse, subject.explanation.coarse_picture())
    np.testing.assert_array_equal(fine, subject.explanation.fine_picture())
    np.testing.assert_array_equal((lime != 128).any(axis=2), strongest(subject.lime, 5))


def test_the_pipeline_holds_the_explanations_numbers(subject: Subject) -> None:
    figure = pipeline(subject).figure
    words = _words(figure)
    explanation = subject.explanation
    assert f"coarse super-pixels, p = {len(explanation.u_c)}" in words
    assert f"fine super-pixels, q = {len(explanation.u_f)}" in words
    assert {f"{float(value):.2f}" for value in explanation.u_c} <= words
    assert {f"{float(value):.2g}" for value in explanation.a_c} <= words
    pictures = [_image(axes) for axes in figure.axes]
    for picture in (explanation.coarse_picture(), explanation.fine_picture()):
        assert any(np.array_equal(picture, other) for other in pictures)


def test_the_pipeline_says_so_where_mint_abstains(subject: Subject) -> None:
    assert "the most important region" in _words(pipeline(subject).figure)
    explanation = replace(subject.explanation, chosen_coarse=None, abstention="for the test")
    words = _words(pipeline(replace(subject, explanation=explanation)).figure)
    assert "none: all importances are minimal" in words
    assert "the most important region" not in words


def test_samples_are_masked_as_the_network_saw_them(subject: Subject) -> None:
    figure = samples(subject).figure
    assert len(figure.axes) == 10
    np.testing.assert_array_equal(_image(figure.axes[0]), subject.case.image)
    answers = subject.explanation.answers
    strongest_sample = 1 + int(answers[1:].argmax())
    present = subject.explanation.states[strongest_sample][subject.explanation.superpixels.fine].numpy()
    shown = _image(figure.axes[1])
    np.testing.assert_array_equal(shown[present], subject.case.image[present])
    assert (shown[~present] == np.rint(255 * np.array(subject.network.preprocess.mean))).all()
    # The picture as drawn has the probability written under it, to a pixel's rounding.
    assert probabilities(subject.network, shown)[subject.case.target] == pytest.approx(
        float(answers[strongest_sample]), abs=0.01
    )


def _image(axes: object) -> np.ndarray:
    return np.asarray(axes.get_images()[0].get_array())  # type: ignore[attr-defined]


def _words(figure: Figure) -> set[str]:
    return {text.get_text() for holder in (figure, *figure.axes) for text in holder.texts}


def test_the_same_seed_draws_the_same_and_another_does_not(source: Source, subject: Subject) -> None:
    group = source.panels[0]
    again, other = (explain(group, group.cases[0], samples=40, seed=seed) for seed in (0, 1))
    for one, another in (
        (subject.explanation.u_f, again.explanation.u_f),
        (torch.from_numpy(subject.lime), torch.from_numpy(again.lime)),
    ):
        assert torch.equal(one, another)
    assert not torch.equal(subject.explanation.states, other.explanation.states)
    assert not np.array_equal(subject.lime, other.lime)


def test_own_pictures_are_asked_for_their_two_most_probable_classes(source: Source, tmp_path: Path) -> None:
    group = source.panels[0]
    picture = tmp_path / "mine.png"
    Image.fromarray(group.cases[0].image).resize((150, 130)).save(picture)
    found = own_pictures([picture], "scenes-vgg", None, "cpu")
    (shown,) = found.panels
    first, second = found.pairs.cases
    answers = probabilities(group.network, first.image)
    assert first.image.shape == (112, 112, 3)
    assert [first.target, second.target] == np.argsort(-answers)[:2].tolist()
    assert shown.cases == (first,)
    assert first.key == f"mine.{first.target_name}"
    # There is no other picture whose class it could be asked for.
    assert [case.target for case in found.absent.cases] == [first.target, answers.argmin()]


def test_a_network_of_one_output_is_refused_in_one_sentence(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, picture = source.panels[0].network, tmp_path / "mine.png"
    Image.fromarray(source.panels[0].cases[0].image).save(picture)
    monkeypatch.setattr(network.module, "forward", lambda images: images.mean(dim=(1, 2, 3))[:, None])
    monkeypatch.setattr(sources, "load_network", lambda *_, **__: network)
    with pytest.raises(InputError, match="no picture shows two classes"):
        own_pictures([picture], "mine", None, "cpu")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "scene"], "unknown source 'scene'; the nearest are scenes"),
        (["--pictures", "a.jpg"], "--pictures needs to know which network to ask"),
        (["--network", "resnet50"], "--network and --weights are for --pictures"),
        (["--samples", "1", "--from", "scenes"], "samples "),
        (["--pictures", "nowhere.jpg", "--network", "scenes-vgg"], "the picture nowhere.jpg does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    errors = capsys.readouterr().err.strip()
    assert errors.startswith(f"error: {sentence}")
    assert "\n" not in errors


def test_a_network_or_weights_that_cannot_be_had_are_named(
    source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(source.pairs.cases[0].image).save(picture)
    for extra, sentence in (
        (["--network", "resnet5"], "unknown network 'resnet5'; the nearest are resnet50"),
        (["--network", "scenes-vgg", "--weights", "no.pth"], "the weights file no.pth for scenes-vgg does not exist"),
    ):
        assert main(["--pictures", str(picture), *extra, "--out", str(tmp_path)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {sentence}")


def test_samples_are_spread_over_the_answers() -> None:
    assert spread(np.array([0.5, 0.1, 0.9, 0.3, 0.7]), 3) == [0, 2, 1]
    assert spread(np.array([0.5, 0.1, 0.9, 0.3, 0.7]), 5) == [0, 2, 4, 3, 1]


def test_seeds_follow_the_thresholds() -> None:
    thresholds = {"sure_foreground": 0.7, "probable_foreground": 0.3, "probable_background": 0.1}
    saliency = torch.tensor([[-5.0, 0.5, 2.0], [5.0, 8.0, 10.0]], dtype=torch.float64)
    explanation = SimpleNamespace(saliency=saliency, parameters={"segmentation": thresholds})
    assert seeds(explanation).tolist() == [[0, 0, 1], [2, 3, 3]]  # type: ignore[arg-type]


def test_the_strongest_regions_are_positive() -> None:
    values = np.array([[3.0, 3.0, 1.0], [2.0, -4.0, 0.0]])
    assert strongest(values, 2).tolist() == [[True, True, False], [True, False, False]]
    assert strongest(values, 9).sum() == 4
    assert not strongest(-np.ones((2, 2)), 5).any()


def test_maps_and_masks_are_laid_over_pictures() -> None:
    image = np.full((1, 2, 3), 200, np.uint8)
    dark, bright = evidence(image, np.array([[-1.0, 4.0]]))[0].astype(int).sum(axis=1)
    assert bright > dark
    assert only(image, np.array([[True, False]])).tolist() == [[[200] * 3, [128] * 3]]


def test_the_share_of_the_fine_importance_counts_pixels_of_the_object() -> None:
    region = np.array([[True, False], [False, False]])
    explanation = SimpleNamespace(
        u_f=torch.tensor([0.6, -5.0, 0.2]),
        superpixels=SimpleNamespace(fine=torch.tensor([[0, 0], [1, 2]])),
    )
    assert share_inside(explanation, region) == pytest.approx(0.3 / 0.8)  # type: ignore[arg-type]
