"""A raw clip as an utterance."""

from pathlib import Path

import numpy as np
import pytest

from emofuse.data.clip import clip_utterance
from emofuse.data.media_writer import write_wav
from emofuse.errors import EmofuseError


def test_a_clip_that_would_begin_behind_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.sin(np.arange(16000) / 9).astype(np.float32), 16000)
    utterance, length = clip_utterance(path, start=0.5)
    assert (utterance.start, length) == (0.5, 1.0)
    with pytest.raises(EmofuseError, match=r"a\.wav: ends at 1\.00 s, and start is 99 s"):
        clip_utterance(path, start=99, text="Hello.")
