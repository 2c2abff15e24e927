import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from emofuse.evaluation.reporting.figures import (
    TimelineSegment,
    draw_kept_patches,
    draw_timeline,
    emotion_colours,
    kept_levels,
)
from emofuse.evaluation.reporting.figures.patches import outline, shade_frames
from tests.evaluation.reporting.figure_reading import named, pixels, words


def nested(rng, frames, grid, sizes):
    """Compressions that each keep some of what the one before had kept."""
    stages = []
    alive = [np.arange(grid[0] * grid[1])] * frames
    for size in sizes:
        alive = [np.sort(rng.choice(row, size, replace=False)) for row in alive]
        stages.append(np.stack(alive))
    return stages


# --- kept patches


def test_levels_count_the_compressions_a_patch_outlived():
    rng = np.random.default_rng(0)
    kept = nested(rng, 3, (4, 5), (12, 7, 2))
    levels = kept_levels(kept, (4, 5), 3)
    for frame in range(3):
        for row in range(4):
            for column in range(5):
                survived = sum(row * 5 + column in stage[frame] for stage in kept)
                assert levels[frame, row, column] == survived


def test_levels_take_ragged_rows_and_padding():
    ragged = kept_levels([[np.array([0, 3]), np.array([], dtype=int)]], (2, 2), 2)
    padded = kept_levels([np.array([[0, 3, -1], [-1, -1, -1]])], (2, 2), 2)
    np.testing.assert_array_equal(ragged, padded)
    assert ragged.sum() == 2


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([np.array([[0, 1]])], "indices for 1 frames, there are 2"),
        ([np.array([[0, 4], [0, 1]])], "outside the grid of 2×2"),
        ([np.array([[0, -2], [0, 1]])], "outside the grid"),
        ([np.array([[0, 1], [0, 1]]), np.array([[2], [0]])], "compression 2 keeps a patch that an earlier"),
    ],
)
def test_levels_refuse_indices_that_do_not_fit(kept, message):
    with pytest.raises(ValueError, match=message):
        kept_levels(kept, (2, 2), 2)


def test_shading_keeps_what_was_kept_and_dims_the_rest_the_darker_the_earlier():
    frames = np.full((1, 7, 9, 3), (200, 120, 40), dtype=np.uint8)
    levels = np.array([[[2, 0, 1], [0, 2, 2]]])
    shaded = shade_frames(frames, levels, 2)
    for y in range(7):
        for x in range(9):
            level = levels[0, y * 2 // 7, x * 3 // 9]
            if level == 2:
                assert tuple(shaded[0, y, x]) == (200, 120, 40)
            else:
                strength = 0.16 + 0.42 * level / 2
                assert tuple(shaded[0, y, x]) == (round(120 * strength + 20 * (1 - strength)),) * 3
    dropped_first, dropped_later = shaded[0, 0, 4], shaded[0, 0, 7]
    assert dropped_first.max() < dropped_later.max() < 120


def test_without_compression_frames_stay_as_they_are():
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shade_frames(frames, kept_levels([], (2, 2), 2), 0), frames)


@given(st.integers(0, 2**12 - 1))
def test_the_outline_is_every_inner_border_between_kept_and_dropped(bits):
    alive = np.array([bits >> n & 1 for n in range(12)], dtype=bool).reshape(3, 4)
    wanted = set()
    for y in range(3):
        for x in range(4):
            if x + 1 < 4 and alive[y, x] != alive[y, x + 1]:
                wanted.add(((x + 1, y), (x + 1, y + 1)))
            if y + 1 < 3 and alive[y, x] != alive[y + 1, x]:
                wanted.add(((x, y + 1), (x + 1, y + 1)))
    pieces = outline(alive)
    assert set(pieces) == wanted
    assert len(pieces) == len(wanted)


@pytest.mark.parametrize(("narrow", "across"), [(False, 5), (True, 3)])
def test_the_contact_sheet_has_every_frame_with_its_patches(narrow, across):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (15, 32, 32, 3), dtype=np.uint8)
    kept = nested(rng, 15, (16, 16), (196, 144, 100))
    figure = draw_kept_patches(frames, kept, (16, 16), times=np.linspace(0, 2.8, 15), narrow=narrow)
    levels = kept_levels(kept, (16, 16), 15)
    shaded = shade_frames(frames, levels, 3)
    columns = {round(axes.get_position().x0, 3) for axes in figure.axes if axes.images}
    assert len(columns) == across
    for index in range(15):
        picture = named(figure, f"frame-{index}")
        np.testing.assert_array_equal(picture.get_array(), shaded[index])
        lines = [
            c
            for c in picture.axes.collections
            if isinstance(c, LineCollection) and c.get_gid() == f"kept-{index}"
        ]
        assert all(len(c.get_segments()) == len(outline(levels[index] == 3)) for c in lines)
        assert len(lines) == 2
    shown = words(figure)
    assert any("256 → 196 → 144 → 100 patches per frame" in word for word in shown)
    assert {"0.00 s", "1.40 s", "2.80 s"} <= set(shown)


def test_a_mean_is_told_where_frames_keep_different_numbers():
    frames = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    figure = draw_kept_patches(frames, [[np.array([0]), np.array([0, 1])]], (2, 2))
    assert any("4 → 1.5 patches" in word for word in words(figure))


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (2, 300, 200, 3), (7, 17, 41, 3), (1, 1, 1, 3)])
def test_any_number_and_shape_of_frames(shape):
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 256, shape, dtype=np.uint8)
    figure = draw_kept_patches(frames, nested(rng, shape[0], (4, 4), (9,)), (4, 4), title="One utterance")
    pictures = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(pictures) == shape[0]
    assert max(pictures[0].get_array().shape[:2]) <= 192
    assert pixels(figure).std() > 5
    assert "One utterance" in words(figure)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 1), np.uint8),
        np.zeros((2, 4, 4, 3), np.float32),
    ],
)
def test_frames_of_another_form_are_refused(frames):
    with pytest.raises(ValueError, match="uint8"):
        draw_kept_patches(frames, [], (2, 2))


# --- timeline

SCENE = [
    TimelineSegment(0.0, 2.0, "joy", {"joy": 0.7, "anger": 0.2, "neutral": 0.1}, "Mónica"),
    TimelineSegment(1.5, 4.0, "anger", {"anger": 0.9, "joy": 0.1}, "Ross & <Rachel>"),
    TimelineSegment(4.0, 4.0, "neutral", {}, "Mónica"),
]


def rectangles(figure):
    (axes,) = figure.axes
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_each_segment_stands_in_its_speakers_lane_from_start_to_end():
    figure = draw_timeline(SCENE)
    colours = emotion_colours(["joy", "anger", "neutral"])
    for index, segment in enumerate(SCENE[:2]):
        box = named(figure, f"segment-{index}")
        assert box.get_x() == segment.start
        assert box.get_width() == segment.end - segment.start
        assert to_hex(box.get_facecolor()) == colours[segment.label]
        assert int(box.get_y()) == index
    assert named(figure, "segment-2").get_y() == named(figure, "segment-0").get_y()
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["Mónica", "Ross & <Rachel>"]


def test_a_segment_of_no_length_is_still_seen():
    assert named(draw_timeline(SCENE), "segment-2").get_width() > 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_probabilities_are_piled_up_in_proportion_without_gaps(weights):
    labels = [f"e{n}" for n in range(len(weights))]
    shares = np.array(weights) / sum(weights)
    figure = draw_timeline(
        [TimelineSegment(0, 1, "e0", dict(zip(labels, shares, strict=True)))], labels=labels
    )
    pile = [box for box in rectangles(figure) if box.get_gid() is None]
    heights = np.array([box.get_height() for box in pile])
    np.testing.assert_allclose(heights / heights.sum(), shares, rtol=1e-6)
    feet = [box.get_y() + box.get_height() for box in pile]
    np.testing.assert_allclose(feet[1:], [box.get_y() for box in pile][:-1], atol=1e-9)


def test_the_legend_names_every_emotion_and_wide_segments_their_own():
    shown = words(draw_timeline(SCENE, labels=["neutral", "joy", "anger", "fear"]))
    assert shown.count("fear") == 1
    assert shown.count("joy") == 2


def test_a_label_that_does_not_fit_is_left_to_the_colour():
    short = [TimelineSegment(0, 0.5, "joy"), TimelineSegment(99.5, 100, "anger")]
    assert words(draw_timeline(short)).count("joy") == 1


@pytest.mark.parametrize("narrow", [False, True])
def test_without_speakers_or_probabilities_there_is_one_plain_lane(narrow):
    figure = draw_timeline(
        [TimelineSegment(61, 125.5, "joy"), TimelineSegment(130, 131, "fear")], narrow=narrow
    )
    assert len(rectangles(figure)) == 2
    assert any(word.startswith(("1:", "2:")) for word in words(figure))


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (TimelineSegment(2, 1, "joy"), "not a span"),
        (TimelineSegment(float("nan"), 1, "joy"), "not a span"),
        (TimelineSegment(0, 1, "joy", {"joy": 0.9, "fear": 0.9}), "not a distribution"),
        (TimelineSegment(0, 1, "joy", {"joy": float("nan")}), "not a distribution"),
        (TimelineSegment(0, 1, "joy", {"joy": -0.2}), "not a distribution"),
    ],
)
def test_segments_that_make_no_sense_are_refused(segment, message):
    with pytest.raises(ValueError, match=message):
        draw_timeline([segment])


def test_no_segments():
    with pytest.raises(ValueError, match="at least one"):
        draw_timeline([])
