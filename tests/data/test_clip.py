"""A raw clip as an utterance."""

from pathlib import Path

import numpy as np
import pytest

from emofuse.data.clip import clip_utterance, fixed_length_segments
from emofuse.data.media_writer import write_wav
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
