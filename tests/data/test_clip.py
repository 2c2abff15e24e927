"""A raw clip as an utterance."""

from pathlib import Path

import numpy as np
import pytest

from emofuse.data.clip import clip_utterance, context_utterances, fixed_length_segments
from emofuse.data.media_writer import write_video, write_wav
from emofuse.errors import EmofuseError


def test_a_clip_that_would_begin_behind_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.sin(np.arange(16000) / 9).astype(np.float32), 16000)
    utterance, length = clip_utterance(path, start=0.5)
    assert (utterance.start, length) == (0.5, 1.0)
    with pytest.raises(EmofuseError, match=r"a\.wav: ends at 1\.00 s, and start is 99 s"):
        clip_utterance(path, start=99, text="Hello.")


def test_segments_end_with_the_recording_and_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(16000, np.float32), 16000)
    beyond, length = clip_utterance(path, end=1e9)
    cut = fixed_length_segments(beyond, length, 0.25)
    assert [(s.start, s.end) for s in cut] == [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
    assert len(fixed_length_segments(beyond, length, 0.25, most=4)) == 4
    with pytest.raises(EmofuseError, match=r"every: 0\.25 s would cut .*a\.wav into more than 3 segments"):
        fixed_length_segments(beyond, length, 0.25, most=3)
    for end in (1e9, float("inf"), float("nan")):
        words, unknown = clip_utterance(None, text="Hello.", end=end)
        with pytest.raises(EmofuseError, match="would cut text into more than 100000 segments"):
            fixed_length_segments(words, unknown, 0.25)
    with pytest.raises(EmofuseError, match="above 0 seconds, not nan"):
        fixed_length_segments(beyond, length, float("nan"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\nb.wav", r"a\nb.wav"), ("\x1b[31mred.wav", r"\x1b[31mred.wav"), ("\udcff.wav", r"\udcff.wav")],
)
def test_a_name_that_a_terminal_cannot_show_is_an_id_that_it_can(
    tmp_path: Path, name: str, shown: str
) -> None:
    try:
        write_wav(tmp_path / name, np.zeros(16000, np.float32), 16000)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    utterance, _ = clip_utterance(tmp_path / name)
    assert (utterance.id, utterance.dialogue) == (shown, shown.removesuffix(".wav"))
    assert utterance.audio == tmp_path / name
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(EmofuseError) as caught:
        clip_utterance(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / shown}: the file is empty")


@pytest.mark.parametrize("blank", ["", " \n"])
def test_blank_words_are_none(blank: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(16000, np.float32), 16000)
    said, _ = clip_utterance(path, text=blank)
    assert said.text is None
    assert [turn.text for turn in context_utterances(said, [blank, "Hi."])] == ["Hi."]
    with pytest.raises(EmofuseError, match="nothing to predict from"):
        clip_utterance(None, text=blank)


def test_a_separate_sound_is_looked_at_beside_a_clip(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_wav(tmp_path / name, np.zeros(16000, np.float32), 16000)
    said, _ = clip_utterance(tmp_path / "a.wav", audio=tmp_path / "b.wav")
    assert said.audio == tmp_path / "b.wav"
    with pytest.raises(EmofuseError, match=r"missing\.wav: there is no such file"):
        clip_utterance(tmp_path / "a.wav", audio=tmp_path / "missing.wav")
    write_video(tmp_path / "mute.mp4", np.zeros((5, 32, 32, 3), np.uint8), 5)
    with pytest.raises(EmofuseError, match=r"mute\.mp4: holds no sound"):
        clip_utterance(tmp_path / "a.wav", audio=tmp_path / "mute.mp4")


def test_an_utterance_ends_after_it_begins() -> None:
    for start, end in ((5.0, 3.0), (3.0, 3.0), (None, 0.0)):
        with pytest.raises(EmofuseError, match="the utterance must end after it begins"):
            clip_utterance(None, text="Hello.", start=start, end=end)


def test_words_of_a_recording_are_not_said_in_each_of_its_segments(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(16000, np.float32), 16000)
    said, length = clip_utterance(path, text="Hello.")
    assert len(fixed_length_segments(said, length, 2.0)) == 1
    with pytest.raises(EmofuseError, match="would count as said in each of 2 segments"):
        fixed_length_segments(said, length, 0.5)
