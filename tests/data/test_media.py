"""What a file holds is looked at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emofuse.data import media
from emofuse.data.media_writer import write_wav


def test_a_file_is_opened_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, real = [], media.open_media
    monkeypatch.setattr(media, "open_media", lambda path: opened.append(path) or real(path))
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(16000, np.float32), 16000)
    assert [media.probe(path).duration, media.probe(str(path)).duration] == [1.0, 1.0]
    assert len(opened) == 1
    write_wav(path, np.zeros(8000, np.float32), 16000)
    assert media.probe(path).duration == 0.5
    path.write_bytes(b"nothing of the kind")
    for _ in range(2):
        with pytest.raises(media.MediaError):
            media.probe(path)
    path.unlink()
    with pytest.raises(media.MediaError, match="there is no such file"):
        media.probe(path)
