import numpy as np
import pytest

from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.figures import (
    draw_confusion_difference,
    draw_differences,
    draw_forest,
    draw_method_scores,
)
from tests.evaluation.reporting.figure_reading import extent, named, words

METHODS = ("ours", "theirs", "random")


def rows(**shift: float) -> dict[str, dict[str, Estimate]]:
    return {
        row: {
            name: Estimate(0.4 + 0.1 * i + shift.get(name, 0), 0.35 + 0.1 * i, 0.52 + 0.1 * i)
            for i, name in enumerate(METHODS)
        }
        for row in ("Weighted F1", "Accuracy")
    }


def test_every_score_has_its_dot_in_its_row():
    figure = draw_method_scores(rows(), optimistic=["random"])
    for row in range(2):
        places = [named(figure, f"dot-{row}-{i}").get_xydata()[0] for i in range(3)]
        assert [x for x, _ in places] == pytest.approx([0.4, 0.5, 0.6])
        assert all(row - 0.5 < y < row + 0.5 for _, y in places)
        assert sorted(y for _, y in places) == [y for _, y in places]
    shown = words(figure)
    assert "random (optimistic)" in shown
    assert "ours" in shown


def test_the_axis_holds_every_whisker():
    scores = rows()
    scores["Accuracy"]["ours"] = Estimate(0.9, 0.81, 0.99)
    (axes,) = draw_method_scores(scores).axes
    low, high = axes.get_xlim()
    assert low <= 0.35
    assert high >= 0.99


def test_an_undefined_score_leaves_its_place_empty():
    scores = rows()
    scores["Accuracy"]["ours"] = Estimate(float("nan"))
    figure = draw_method_scores(scores)
    named(figure, "dot-0-0")
    with pytest.raises(ValueError, match="unpack"):
        named(figure, "dot-1-0")


def test_differences_stand_around_the_first_method_in_the_colours_of_the_others():
    scores = draw_method_scores(rows())
    differences = {"Weighted F1": {"theirs": Estimate(0.04, 0.01, 0.07), "random": Estimate(-0.1, -0.2, 0.0)}}
    figure = draw_differences(differences, "ours")
    (axes,) = figure.axes
    assert axes.get_xlim()[0] == pytest.approx(-axes.get_xlim()[1])
    for i, place in ((1, 0.04), (2, -0.1)):
        assert named(figure, f"dot-0-{i}").get_xydata()[0][0] == pytest.approx(place)
        assert named(figure, f"dot-0-{i}").get_color() == named(scores, f"dot-0-{i}").get_color()
    assert "ours" in words(figure)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("count", [1, 9])
def test_nothing_is_cut_off(narrow, count):
    names = [f"a method with a long name, number {i}" for i in range(count)]
    scores = {row: {name: Estimate(0.5) for name in names} for row in ("Average recall (UAR)", "joy")}
    figure = draw_method_scores(scores, narrow=narrow)
    figure.draw_without_rendering()
    width = figure.bbox.width
    for legend in figure.legends:
        for text in legend.get_texts():
            assert extent(figure, text).x1 <= width + 1
    for label in figure.axes[0].get_yticklabels():
        assert extent(figure, label).x0 >= -1


@pytest.mark.parametrize("scores", [{}, {"a": {}}, {"a": {"x": Estimate(1)}, "b": {"y": Estimate(1)}}])
def test_rows_must_name_the_same_methods(scores):
    with pytest.raises(ValueError, match="same methods"):
        draw_method_scores(scores)


def test_confusions_are_subtracted_in_points():
    first = np.array([[0.5, 0.5], [0.25, 0.75]])
    second = np.array([[0.75, 0.25], [0.25, 0.75]])
    figure = draw_confusion_difference(first, second, ["joy", "anger"])
    assert [t.get_text() for t in figure.axes[0].texts] == ["+25", "−25", "0", "0"]
    nobody = np.array([[np.nan, np.nan], [0.1, 0.9]])
    figure = draw_confusion_difference(nobody, nobody, ["joy", "anger"])
    assert [t.get_text() for t in figure.axes[0].texts] == ["–", "–", "0", "0"]
    with pytest.raises(ValueError, match="3 × 3"):
        draw_confusion_difference(first, second, ["a", "b", "c"])


def test_a_forest_shows_each_score_where_it_is_and_the_optimistic_one_hollow() -> None:
    scores = {
        "a": Estimate(0.7, 0.6, 0.8),
        "linear": Estimate(0.5, 0.4, 0.6),
        "failed": Estimate(float("nan")),
    }
    figure = draw_forest(scores, axis="weighted F1", baselines=["linear"], optimistic={"a": Estimate(0.75)})
    marks = {line.get_gid(): line for line in figure.axes[0].lines if line.get_gid()}
    assert float(np.asarray(marks["score-a"].get_xdata())[0]) == pytest.approx(70)
    assert marks["optimistic-a"].get_markerfacecolor() == "none"
    assert float(np.asarray(marks["optimistic-a"].get_xdata())[0]) == pytest.approx(75)
    assert marks["score-linear"].get_color() != marks["score-a"].get_color()
    assert set(marks) == {"score-a", "optimistic-a", "score-linear"}
    errors = draw_forest({"a": Estimate(1.2, share=False)}, axis="MAE")
    assert float(np.asarray(errors.axes[0].lines[0].get_xdata())[0]) == pytest.approx(1.2)
    with pytest.raises(ValueError, match="needs one"):
        draw_forest({}, axis="MAE")
