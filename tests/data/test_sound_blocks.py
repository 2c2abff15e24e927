from pathlib import Path

import numpy as np
import pytest

from emofuse.data.audio import read_audio
from emofuse.data.media import MediaError
from emofuse.data.media_writer import write_wav
from emofuse.data.sound_blocks import sound_blocks, sounds_of_spans
from tests.data.material import encode_sound


def chirp(seconds: float, rate: int) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 * time + 150 * time**2))).astype(np.float32)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2)])
def test_blocks_one_after_the_other_are_the_whole_sound(tmp_path: Path, rate: int, channels: int) -> None:
    sound = np.repeat(chirp(3.3, rate)[None], channels, axis=0)
    path = encode_sound(tmp_path / "a.flac", sound, rate, "flac")
    blocks = list(sound_blocks(path, seconds=0.5))
    assert len(blocks) >= 6
    assert max(len(block) for block in blocks) < 0.8 * 16000
    whole = read_audio(path)
    together = np.concatenate(blocks)
    assert abs(len(together) - len(whole)) <= 32  # what the resampler holds back at the end
    np.testing.assert_allclose(together[: len(whole)], whole[: len(together)], atol=1e-4)


def test_channels_that_cancel_are_noticed_within_a_block(tmp_path: Path) -> None:
    sound = chirp(2.0, 16000)
    path = encode_sound(tmp_path / "a.flac", np.stack([sound, -sound]), 16000, "flac")
    together = np.concatenate(list(sound_blocks(path, seconds=0.5)))
    assert np.abs(together).max() > 0.4


def test_each_span_gets_its_sound_from_blocks_that_are_read_once(tmp_path: Path) -> None:
    sound = chirp(4.0, 16000)
    write_wav(tmp_path / "a.wav", sound)
    spans = [(0.0, 0.5), (0.25, 2.0), (0.3, 0.4), (3.0, 3.5), (3.9, 9.0), (8.0, 9.0)]
    read = list(sounds_of_spans(sound_blocks(tmp_path / "a.wav", seconds=0.3), spans))
    for (start, end), found in zip(spans, read, strict=True):
        expected = sound[round(start * 16000) : round(end * 16000)]
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len(read[-1]) == 0


def test_blocks_before_a_span_are_not_kept() -> None:
    rate, block = 100, np.ones(1000, np.float32)

    def blocks():
        for _ in range(50):
            yield block

    spans = [(i * 10.0, i * 10.0 + 2) for i in range(50)]
    held = [len(sound) for sound in sounds_of_spans(blocks(), spans, rate)]
    assert held == [200] * 50


def test_a_file_without_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(MediaError, match=r"a\.wav"):
        list(sound_blocks(tmp_path / "a.wav"))
