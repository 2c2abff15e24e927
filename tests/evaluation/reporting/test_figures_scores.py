import itertools
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from PIL import Image

from emofuse.evaluation.metrics.calibration import reliability_table
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.figures import (
    Bar,
    Cost,
    draw_confusion,
    draw_costs,
    draw_learning_curves,
    draw_modalities,
    draw_per_class,
    draw_protocols,
    draw_reliability,
    emotion_colours,
    save_figure,
)
from emofuse.evaluation.reporting.figures.style import WARNING
from tests.evaluation.reporting.figure_reading import bar, extent, named, pixels, svg_words, words

LABELS = ["neutral", "joy", "悲しみ & <b>"]
COUNTS = np.array([[30, 6, 4], [2, 17, 1], [0, 0, 0]])


# --- confusion matrix


def test_confusion_shows_counts_and_row_percents():
    figure = draw_confusion(COUNTS, LABELS)
    counts, shares = figure.axes
    assert [t.get_text() for t in counts.texts] == ["30", "6", "4", "2", "17", "1", "0", "0", "0"]
    assert [t.get_text() for t in shares.texts] == ["75", "15", "10", "10", "85", "5", "–", "–", "–"]
    for axes in figure.axes:
        assert [t.get_text() for t in axes.get_xticklabels()] == LABELS
        assert [t.get_text() for t in axes.get_yticklabels()] == LABELS
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_confusion_has_its_first_class_on_top_and_shades_by_share():
    for axes in draw_confusion(COUNTS, LABELS).axes:
        bottom, top = axes.get_ylim()
        assert bottom > top
        (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
        shaded = np.ma.filled(mesh.get_array(), np.nan)
        np.testing.assert_allclose(shaded[:2], COUNTS[:2] / [[40], [20]])
        assert np.isnan(shaded[2]).all()


def test_confusion_panels_stand_below_each_other_on_a_phone():
    labels = ["neutral", "joy", "sadness"]
    wide, narrow = draw_confusion(COUNTS, labels), draw_confusion(COUNTS, labels, narrow=True)
    assert wide.get_figwidth() > wide.get_figheight()
    assert narrow.get_figwidth() < narrow.get_figheight()
    narrow.draw_without_rendering()
    upper, lower = narrow.axes
    assert upper.get_position().y0 > lower.get_position().y1


@pytest.mark.parametrize("narrow", [False, True])
def test_numbers_of_twelve_classes_stay_inside_their_cells_and_readable(narrow):
    labels = [f"emotion number {n}" for n in range(12)]
    counts = np.random.default_rng(0).integers(0, 9999, (12, 12))
    figure = draw_confusion(counts, labels, narrow=narrow)
    figure.draw_without_rendering()
    for axes in figure.axes:
        cell = axes.get_window_extent().width / 12
        widths = [extent(figure, text).width for text in axes.texts]
        assert max(widths) < cell
        assert min(text.get_fontsize() for text in axes.texts) >= 5
        names = [extent(figure, name) for name in axes.get_yticklabels()]
        assert all(lower.y1 <= upper.y0 + 1 for upper, lower in itertools.pairwise(names))
        assert min(name.x0 for name in names) >= 0


@pytest.mark.parametrize(
    ("matrix", "labels", "message"),
    [
        (COUNTS[:2], LABELS, "3 × 3"),
        (COUNTS, LABELS[:2], "2 × 2"),
        (np.empty((0, 0)), [], "0 × 0"),
        (-COUNTS, LABELS, "not negative"),
        (COUNTS * math.nan, LABELS, "finite"),
    ],
)
def test_confusion_refuses_what_is_no_confusion_matrix(matrix, labels, message):
    with pytest.raises(ValueError, match=message):
        draw_confusion(matrix, labels)


def test_confusion_of_one_class():
    assert "100" in words(draw_confusion([[7]], ["joy"]))


# --- bars


def per_class():
    f1 = {"joy": Estimate(0.6, 0.5, 0.7), "fear": Estimate(math.nan), "sadness": Estimate(0.25)}
    recall = {"joy": Estimate(0.8, 0.7, 0.85), "fear": Estimate(math.nan), "sadness": Estimate(0.5)}
    return f1, recall, {"joy": 41, "fear": 0, "sadness": 12}


def test_per_class_bars_are_as_long_as_the_scores_and_in_the_emotions_colours():
    f1, recall, support = per_class()
    figure = draw_per_class(f1, recall, support)
    colours = emotion_colours(f1)
    for row, label in ((0, "joy"), (2, "sadness")):
        assert bar(figure, f"f1-{row}").get_width() == f1[label].value
        assert bar(figure, f"recall-{row}").get_width() == recall[label].value
        assert to_hex(bar(figure, f"f1-{row}").get_facecolor()) == colours[label]
        middle = bar(figure, f"f1-{row}").get_y() + bar(figure, f"f1-{row}").get_height() / 2
        assert middle < bar(figure, f"recall-{row}").get_y() + bar(figure, f"recall-{row}").get_height() / 2
    drawn = {artist.get_gid() for artist in figure.findobj() if artist.get_gid()}
    assert drawn == {"f1-0", "recall-0", "f1-2", "recall-2"}


def test_per_class_says_numbers_and_support_in_words():
    shown = words(draw_per_class(*per_class()))
    assert "joy  (n = 41)" in shown
    assert "F1 60.0 · recall 80.0" in shown
    assert "fear  (n = 0)" in shown
    assert "F1 – · recall –" in shown
    assert "95 % interval" in shown


def test_whiskers_end_at_the_interval():
    (axes,) = draw_per_class(*per_class()).axes
    whiskers = {tuple(line.get_xdata()) for line in axes.lines}
    assert whiskers == {(0.5, 0.7), (0.7, 0.85)}


def test_per_class_without_any_interval_promises_none():
    figure = draw_per_class({"joy": Estimate(0.5)}, {"joy": Estimate(0.5)}, {"joy": 3})
    assert not any("interval" in word for word in words(figure))


def test_per_class_wants_the_same_classes():
    f1, recall, support = per_class()
    del support["joy"]
    with pytest.raises(ValueError, match="same classes"):
        draw_per_class(f1, recall, support)
    with pytest.raises(ValueError, match="at least one"):
        draw_per_class({}, {}, {})


MODALITIES = [
    Bar("text", Estimate(0.42, 0.37, 0.46), ceiling=0.45),
    Bar("audio", Estimate(0.47, 0.42, 0.51), ceiling=0.5),
    Bar("text + audio + video", Estimate(0.78, 0.73, 0.82), ceiling=0.92),
]


@pytest.mark.parametrize("narrow", [False, True])
def test_modalities_show_scores_ceilings_and_chance(narrow):
    figure = draw_modalities(MODALITIES, chance=0.11, narrow=narrow)
    for row, each in enumerate(MODALITIES):
        assert bar(figure, f"bar-{row}").get_width() == each.estimate.value
        mark = named(figure, f"ceiling-{row}")
        assert list(mark.get_xdata()) == [each.ceiling, each.ceiling]
        low, high = sorted(mark.get_ydata())
        assert low < bar(figure, f"bar-{row}").get_y() + 0.17 < high
    shown = words(figure)
    assert "text + audio + video" in shown
    assert "78.0 (73.0 to 82.0)" in shown
    assert "ceiling" in shown
    assert "majority class (11.0)" in shown


def test_a_missing_ceiling_is_no_mark():
    figure = draw_modalities([Bar("text", Estimate(0.4)), Bar("audio", Estimate(0.5), ceiling=math.nan)])
    assert not any((artist.get_gid() or "").startswith("ceiling") for artist in figure.findobj())
    assert "majority class" not in " ".join(words(figure))


def test_the_best_bar_stands_out_and_an_undefined_one_is_left_blank():
    figure = draw_modalities([Bar("a", Estimate(math.nan)), Bar("b", Estimate(0.2)), Bar("c", Estimate(0.9))])
    assert bar(figure, "bar-1").get_facecolor() != bar(figure, "bar-2").get_facecolor()
    assert not [a for a in figure.findobj() if a.get_gid() == "bar-0"]


def test_an_optimistic_protocol_is_hatched_and_says_so_beside_its_number():
    figure = draw_protocols(
        [Bar("speaker", Estimate(0.71)), Bar("random-kfold", Estimate(0.86, sd=0.02), optimistic=True)]
    )
    assert not bar(figure, "bar-0").get_hatch()
    assert bar(figure, "bar-1").get_hatch()
    assert to_hex(bar(figure, "bar-1").get_edgecolor()) == WARNING
    shown = words(figure)
    assert "86.0 (± 2.0) optimistic" in shown
    assert "71.0" in shown
    assert "± sd" in shown


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="at least one"):
        draw_protocols([])


@pytest.mark.parametrize("narrow", [False, True])
def test_a_long_name_never_runs_into_its_number(narrow):
    long = "DeepMSI-MER with everything switched on, seed 0, folds 0 to 9"
    bars = [Bar(long, Estimate(0.86, 0.82, 0.89), optimistic=True), Bar("WWWWWWWWWWWWWWWW", Estimate(0.5))]
    figure = draw_protocols(bars, narrow=narrow)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    by_row = {}
    for text in axes.texts:
        by_row.setdefault(round(text.get_position()[1], 2), []).append(extent(figure, text))
    for name, number in (sorted(row, key=lambda box: box.x0) for row in by_row.values()):
        assert name.x1 < number.x0
        assert name.x0 >= 0
        assert number.x1 <= figure.bbox.width


def test_costs_are_multiples_of_the_baseline():
    figure = draw_costs(
        [Cost("plain", 1.6, "s", baseline=True), Cost("VSC", 0.4, "s"), Cost("no", math.nan, "s")]
    )
    assert bar(figure, "cost-0").get_width() == 1
    assert bar(figure, "cost-1").get_width() == 0.25
    shown = words(figure)
    assert "0.25× · 0.4 s" in shown
    assert "not measured" in shown


@pytest.mark.parametrize(
    "costs",
    [
        [Cost("a", 1, "s")],
        [Cost("a", 1, "s", True), Cost("b", 1, "s", True)],
        [Cost("a", 0, "s", True)],
        [Cost("a", math.nan, "s", True)],
    ],
)
def test_costs_want_one_real_baseline(costs):
    with pytest.raises(ValueError, match="exactly one"):
        draw_costs(costs)


# --- curves


def test_learning_curves_skip_what_was_not_measured():
    history = {
        "train_loss": [1.8, 1.5, 1.2, 1.0],
        "val_loss": [1.7, None, math.nan, 1.1],
        "val_weighted_f1": [0.3, 0.5, None, 0.7],
        "learning_rate": [1e-3] * 4,
    }
    figure = draw_learning_curves(history, chosen=4)
    assert list(named(figure, "train_loss").get_xdata()) == [1, 2, 3, 4]
    assert list(named(figure, "val_loss").get_xdata()) == [1, 4]
    np.testing.assert_allclose(named(figure, "val_weighted_f1").get_ydata(), [30, 50, 70])
    shown = words(figure)
    assert shown.count("kept: epoch 4") == 2
    assert {"training", "validation", "Loss", "Weighted F1, percent"} <= set(shown)
    chosen = [artist for artist in figure.findobj() if artist.get_gid() == "chosen"]
    assert [list(line.get_xdata()) for line in chosen] == [[4, 4], [4, 4]]


def test_learning_curves_of_one_epoch_show_a_point():
    figure = draw_learning_curves({"train_loss": [1.8], "val_weighted_f1": [0.3]}, chosen=1)
    line = named(figure, "train_loss")
    assert line.get_marker() != "None"
    assert list(line.get_xdata()) == [1]
    left, right = figure.axes[0].get_xlim()
    assert left < 1 < right
    ticks = [tick for tick in figure.axes[0].get_xticks() if left <= tick <= right]
    assert ticks == [1]


def test_learning_curves_leave_out_a_panel_without_values():
    only = draw_learning_curves({"val_loss": [math.nan, None], "val_weighted_f1": [0.1, 0.2]})
    assert [axes.get_title("left") for axes in only.axes] == ["Weighted F1, percent"]
    with pytest.raises(ValueError, match="no value"):
        draw_learning_curves({"val_loss": [None], "speed": [3.0]})


@pytest.mark.parametrize("chosen", [1, 5])
def test_the_note_on_the_chosen_epoch_stays_in_the_panel(chosen):
    figure = draw_learning_curves({"train_loss": [5, 4, 3, 2, 1]}, chosen=chosen, narrow=True)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (note,) = [text for text in axes.texts if text.get_text().startswith("kept")]
    box, panel = extent(figure, note), axes.get_window_extent()
    assert panel.x0 <= box.x0
    assert box.x1 <= panel.x1


def test_reliability_bars_are_the_accuracy_of_each_bin():
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.55, 0.45]] * 2)
    table = reliability_table(probabilities, [0, 0, 0, 1, 0, 1], bins=10)
    figure = draw_reliability(table, calibration_error=0.1833)
    low, high = bar(figure, "bin-0"), bar(figure, "bin-1")
    assert (low.get_x() + low.get_width() / 2, low.get_height()) == pytest.approx((0.55, 0.5))
    assert (high.get_x() + high.get_width() / 2, high.get_height()) == pytest.approx((0.95, 0.75))
    counts = [patch.get_height() for patch in figure.axes[1].patches]
    assert counts == [2, 4]
    assert "Calibration error 18.3 %" in words(figure)


def test_reliability_of_nothing():
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_reliability([])


# --- files


def test_files_hold_the_words_and_are_the_same_each_time(tmp_path):
    labels = ["joy", "<script>alert(1)</script>", "$5 & $6", "悲しみ\x00"]
    counts = np.diag([4, 3, 2, 1])
    once = save_figure(draw_confusion(counts, labels), tmp_path / "a", "confusion")
    again = save_figure(draw_confusion(counts, labels), tmp_path / "b", "confusion")
    assert once.svg.read_bytes() == again.svg.read_bytes()
    assert once.png.read_bytes() == again.png.read_bytes()
    shown = svg_words(once.svg)
    assert {"joy", "$5 & $6", "悲しみ�", "predicted", "100"} <= set(shown)
    assert "<script>alert(1…" in shown
    assert not [node for node in ElementTree.parse(once.svg).iter() if node.tag.endswith("script")]


def test_files_carry_a_dark_theme_no_date_and_a_generic_font(tmp_path):
    saved = save_figure(draw_costs([Cost("plain", 1.6, "s", baseline=True)]), tmp_path, "costs")
    text = saved.svg.read_text("utf-8")
    assert "prefers-color-scheme: dark" in text
    assert "fill: #fefefe" in text
    assert "dc:date" not in text
    assert "sans-serif" in text


def test_the_png_is_no_blank_sheet(tmp_path):
    saved = save_figure(
        draw_modalities(MODALITIES), tmp_path, "modalities", draw_modalities(MODALITIES, narrow=True)
    )
    with Image.open(saved.png) as picture:
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    # A bar of the best score, in its colour, of about the size that it should have.
    blue = (colours == [0, 114, 178]).all(axis=1).mean()
    assert 0.02 < blue < 0.2
    assert saved.narrow is not None
    assert saved.narrow.png.name == "modalities-narrow.png"
    with Image.open(saved.png) as wide, Image.open(saved.narrow.png) as narrow:
        assert narrow.width < wide.width


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "a b"])
def test_a_figures_name_is_a_plain_file_name(tmp_path, name):
    with pytest.raises(ValueError, match="plain file name"):
        save_figure(draw_costs([Cost("plain", 1, "s", baseline=True)]), tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_drawing_leaves_matplotlibs_settings_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_modalities(MODALITIES)
    assert dict(matplotlib.rcParams) == before


def test_a_title_is_drawn_over_the_figure():
    plain, titled = draw_modalities(MODALITIES), draw_modalities(MODALITIES, title="Test part, speaker 4")
    assert "Test part, speaker 4" in words(titled)
    assert pixels(titled).shape[0] > pixels(plain).shape[0]
