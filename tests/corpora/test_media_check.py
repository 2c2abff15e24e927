"""Every recording is opened once, and what is wrong with it is said."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.corpora import Corpus, check_media
from emofuse.corpora.media_check import seconds_stated
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_video
from tests.corpora.layouts import CLIP_SECONDS, SOUND_SECONDS, put


def corpus(root: Path, **columns: list[str | float | None]) -> Corpus:
    count = max(map(len, columns.values()))
    return Corpus(Manifest.from_frame(pd.DataFrame({"id": [f"u{n}" for n in range(count)], **columns}), root))


@pytest.fixture
def media(tmp_path: Path) -> Path:
    put(tmp_path, "clip.mp4")
    put(tmp_path, "sound.wav")
    put(tmp_path, "broken.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(900))
    put(tmp_path, "empty.wav", b"")
    write_video(tmp_path / "silent.mp4", np.zeros((4, 16, 16, 3), np.uint8), 10)
    return tmp_path


def test_good_media(media: Path) -> None:
    seen: list[tuple[int, int]] = []
    given = corpus(media, video=["clip.mp4", None, "clip.mp4"], audio=[None, "sound.wav", "sound.wav"])
    checked = check_media(given, progress=lambda done, total, what: seen.append((done, total)))
    assert checked.corpus == given
    assert checked.seconds == pytest.approx(2 * CLIP_SECONDS + SOUND_SECONDS, rel=0.2)
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("column", "name", "reason"),
    [
        ("video", "broken.mp4", None),  # the library's own words decide
        ("audio", "empty.wav", "empty-file"),
        ("video", "sound.wav", "no-video"),
        ("audio", "silent.mp4", "no-audio"),
        ("video", "gone.mp4", "missing-file"),
    ],
)
def test_bad_media(media: Path, column: str, name: str, reason: str | None) -> None:
    given = corpus(media, text=["hello", None], **{column: [name, name]})
    checked = check_media(given)
    first, second = checked.corpus.set_aside
    assert (first.id, first.modality, first.file) == ("u0", column, str(media.resolve() / name))
    assert reason is None or first.reason == reason
    assert "\n" not in first.message
    assert checked.corpus.manifest.validate().ids == ["u0"]
    assert checked.corpus.manifest.frame[column].isna().all()
    assert checked.corpus.left_out == {"no medium that can be read": ("u1",)}
    assert second.id == "u1"
    assert checked.seconds == 0


def test_segments(media: Path) -> None:
    starts: list[str | float | None] = [0.1, None, 0.2, 7.0]
    ends: list[str | float | None] = [0.2, 0.3, 99.0, 8.0]
    checked = check_media(corpus(media, video=["clip.mp4"] * 4, text=["x"] * 4, start=starts, end=ends))
    assert [(entry.id, entry.reason) for entry in checked.corpus.set_aside] == [("u3", "bad-segment")]
    assert checked.seconds == pytest.approx(0.1 + 0.3 + (CLIP_SECONDS - 0.2), abs=0.1)


def test_seconds_stated(media: Path) -> None:
    whole = corpus(media, text=["x", "y"], start=[0.5, 2.0], end=[1.0, 4.5])
    assert seconds_stated(whole.manifest) == pytest.approx(3.0)
    assert seconds_stated(corpus(media, text=["x", "y"], start=[0.5, None], end=[1.0, 4.5]).manifest) is None


def test_one_thread_or_many_find_the_same(media: Path) -> None:
    for number in range(20):
        shutil.copy(media / ("clip.mp4" if number % 3 else "broken.mp4"), media / f"c{number}.mp4")
    given = corpus(media, video=[f"c{number}.mp4" for number in range(20)], text=["x"] * 20)
    alone, together = check_media(given, workers=1), check_media(given, workers=4)
    assert len(alone.corpus.set_aside) == 7
    assert alone.corpus.set_aside == together.corpus.set_aside
    assert alone.corpus.manifest.fingerprint() == together.corpus.manifest.fingerprint()
    assert alone.seconds == together.seconds
