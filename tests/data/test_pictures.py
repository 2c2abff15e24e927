"""Pictures come block by block, and are those of one reading of the whole."""

from pathlib import Path

import numpy as np
import pytest

from emofuse.data import pictures
from emofuse.data.frames import read_frames
from emofuse.data.media import MediaError
from emofuse.data.media_writer import write_video, write_wav
from emofuse.data.pictures import PictureSampling, open_pictures
from tests.data.material import expected_numbers, numbered_frames, numbers, turn

TIMES = [number / 25 for number in range(100)]
SIZE = (48, 64)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s at 25 frames per second."""
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    write_video(path, numbered_frames(100), 25, keyframe_interval=10)
    return path


def seen(clip, sampling: PictureSampling, **part) -> list[int]:
    return numbers(np.concatenate(list(open_pictures(clip, sampling, **part))))


@pytest.fixture(params=[1, 7, 10_000], ids=["one at a time", "sevens", "all at once"])
def per_block(request, monkeypatch) -> int:
    monkeypatch.setattr(pictures, "_BLOCK_BYTES", request.param * 3 * SIZE[0] * SIZE[1])
    return request.param


@pytest.mark.parametrize("part", [{}, {"start": 1.0, "end": 2.5}, {"start": 3.0}, {"end": 99.0}])
def test_a_number_of_pictures_is_spread_evenly(clip, per_block, part):
    opened = open_pictures(clip, PictureSampling(frames=20, size=SIZE), **part)
    assert opened.count == 20
    assert next(len(block) for block in opened) == min(per_block, 20)
    whole = numbers(read_frames(clip, n=20, size=SIZE, **part))
    assert numbers(np.concatenate(list(opened))) == whole


@pytest.mark.parametrize(
    ("part", "count", "begin", "finish"),
    [
        ({}, 60, 0, 4),
        ({"start": 1.0, "end": 2.5}, 22, 1, 2.5),
        ({"start": 3.0, "end": 50.0}, 15, 3, 4),
        ({"start": 2.0, "end": 2.01}, 1, 2, 2.01),
    ],
)
def test_a_rate_of_pictures_follows_the_clock(clip, per_block, part, count, begin, finish):
    found = seen(clip, PictureSampling(rate=15.0, size=SIZE), **part)
    assert len(found) == count
    assert found == expected_numbers(TIMES, begin, finish, count)


def test_pictures_come_again_when_they_are_asked_for_again(clip, monkeypatch):
    monkeypatch.setattr(pictures, "_BLOCK_BYTES", 5 * 3 * SIZE[0] * SIZE[1])
    opened = open_pictures(clip, PictureSampling(frames=12, size=SIZE))
    first, second = (np.concatenate(list(opened)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert opened.nbytes == 5 * 3 * SIZE[0] * SIZE[1]


def test_large_pictures_are_reduced_and_small_ones_left(tmp_path):
    write_video(tmp_path / "wide.mp4", np.zeros((5, 60, 120, 3), np.uint8), 10)
    for longest, crop, expected in [
        (40, None, (20, 40)),
        (500, None, (60, 120)),
        (30, "left", (30, 30)),
        (500, "right", (60, 60)),
    ]:
        opened = open_pictures(tmp_path / "wide.mp4", PictureSampling(frames=2, longest=longest), crop=crop)
        assert next(iter(opened)).shape == (2, *expected, 3)


def test_a_turned_picture_is_reduced_as_shown(tmp_path):
    write_video(tmp_path / "turned.mp4", np.zeros((5, 60, 120, 3), np.uint8), 10)
    turn(tmp_path / "turned.mp4", 1)
    opened = open_pictures(tmp_path / "turned.mp4", PictureSampling(frames=2, longest=60))
    assert next(iter(opened)).shape == (2, 60, 30, 3)


def test_a_file_that_breaks_off_gives_what_there_is(clip, tmp_path, monkeypatch):
    whole = tmp_path / "whole.mkv"
    write_video(whole, numbered_frames(100), 25, keyframe_interval=10)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    monkeypatch.setattr(pictures, "_BLOCK_BYTES", 10 * 3 * SIZE[0] * SIZE[1])
    found = seen(cut, PictureSampling(rate=25.0, size=SIZE))
    assert 20 < len(found) <= 100
    assert found[:20] == list(range(20))


@pytest.mark.parametrize(
    "sampling", [PictureSampling(frames=3, longest=64), PictureSampling(rate=5, size=SIZE)]
)
def test_what_cannot_be_read_says_so_at_once(tmp_path, clip, sampling):
    write_wav(tmp_path / "sound.wav", np.zeros(16000, np.float32))
    (tmp_path / "empty.mp4").write_bytes(b"")
    for path, part, reason in [
        (tmp_path / "gone.mp4", {}, "missing-file"),
        (tmp_path / "empty.mp4", {}, "empty-file"),
        (tmp_path / "sound.wav", {}, "no-video"),
        (clip, {"start": 9.0}, "no-frames-in-segment"),
        (clip, {"start": 2.0, "end": 1.0}, "bad-segment"),
    ]:
        with pytest.raises(MediaError) as caught:
            open_pictures(path, sampling, **part)
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    "wrong", [{}, {"frames": 3}, {"size": SIZE}, {"frames": 3, "rate": 2.0, "size": SIZE}]
)
def test_a_sampling_says_which_and_how_large(wrong):
    with pytest.raises(ValueError, match="either"):
        PictureSampling(**wrong)
