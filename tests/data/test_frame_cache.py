"""Kept frames are the decoded ones, and are given only for what they were decoded from."""

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.dataset import FrameSampling, UtteranceDataset
from emofuse.data.frame_cache import FrameCache
from emofuse.data.manifest import Utterance
from emofuse.data.media import MediaError
from emofuse.data.media_writer import write_video
from emofuse.errors import EmofuseError
from emofuse.training.fit import fit_run
from tests.data.material import numbered_frames
from tests.small_corpus import make_corpus, small_settings

SIZE = (24, 32)


def utterance(path: Path, **said) -> Utterance:
    nothing = dict.fromkeys(field.name for field in fields(Utterance))
    return Utterance(**(nothing | {"id": "u", "video": path} | said))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write_video(tmp_path / "clip é.mp4", numbered_frames(30, 48, 64), 10)
    return tmp_path / "clip é.mp4"


def decoded(row: Utterance, count: int = 4) -> np.ndarray:
    return FrameSampling(count, SIZE).read(row)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_kept_frames_are_the_decoded_ones(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, row = FrameCache(tmp_path / "frames"), utterance(clip)
    first = cache.read(row, 4, SIZE)
    np.testing.assert_array_equal(first, decoded(row))
    monkeypatch.setattr("emofuse.data.frame_cache.read_frames", None)  # decoding again would be an error
    np.testing.assert_array_equal(cache.read(row, 4, SIZE), first)
    assert len(files(tmp_path / "frames")) == 1
    assert first.flags.writeable


def test_another_segment_crop_or_sampling_is_another_entry(clip: Path, tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "frames")
    rows = [utterance(clip), utterance(clip, start=1.0), utterance(clip, start=1.0, end=2.0)]
    for row in rows:
        for count in (1, 3):
            np.testing.assert_array_equal(cache.read(row, count, SIZE), decoded(row, count))
    assert cache.read(rows[0], 3, (8, 8)).shape == (3, 8, 8, 3)
    assert len(files(tmp_path / "frames")) == 7


def test_a_changed_clip_is_decoded_again(clip: Path, tmp_path: Path) -> None:
    cache, row = FrameCache(tmp_path / "frames"), utterance(clip)
    before = cache.read(row, 4, SIZE)
    write_video(clip, 255 - numbered_frames(30, 48, 64), 10)
    os.utime(clip, (1, 1))
    after = cache.read(row, 4, SIZE)
    np.testing.assert_array_equal(after, decoded(row))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_entry_is_made_anew(clip: Path, tmp_path: Path, content: bytes | None) -> None:
    cache, row = FrameCache(tmp_path / "frames"), utterance(clip)
    frames = cache.read(row, 4, SIZE)
    [entry] = files(tmp_path / "frames")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2] if content is None else content)
    np.testing.assert_array_equal(cache.read(row, 4, SIZE), frames)
    assert entry.read_bytes() == whole


def test_what_cannot_be_decoded_is_an_error_each_time_and_leaves_nothing(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "frames")
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    for path in (tmp_path / "bad.mp4", tmp_path / "absent.mp4"):
        for _ in range(2):
            with pytest.raises(MediaError):
                cache.read(utterance(path), 4, SIZE)
    assert not (tmp_path / "frames").exists()


def test_a_place_that_cannot_be_written_to_is_named(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "frames").write_text("a file", encoding="utf-8")
    with pytest.raises(EmofuseError, match=r"frames.*data\.frame_cache"):
        FrameCache(tmp_path / "frames").read(utterance(clip), 4, SIZE)


def test_training_with_kept_frames_ends_in_the_same_numbers(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    settings = small_settings(corpus)
    plain = fit_run(settings, corpus, tmp_path / "plain")
    kept = settings.with_changes({"data.frame_cache": str(tmp_path / "frames")})
    cached = fit_run(kept, corpus, tmp_path / "cached")
    assert files(tmp_path / "frames")
    with_cache, without = (pd.read_csv(run.history_file).drop(columns="seconds") for run in (cached, plain))
    pd.testing.assert_frame_equal(with_cache, without, check_exact=True)


def test_a_dataset_reads_through_its_cache(clip: Path, tmp_path: Path) -> None:
    sampling = FrameSampling(4, SIZE, FrameCache(tmp_path / "frames"))
    dataset = UtteranceDataset([utterance(clip)], {"video": "frames"}, {}, {}, frames=sampling)
    first, again = dataset[0].values["video"], dataset[0].values["video"]
    assert first.equal(again)
    assert len(files(tmp_path / "frames")) == 1
