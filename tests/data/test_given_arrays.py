from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.data.audio import read_audio
from emofuse.data.frames import read_frames
from emofuse.data.given_arrays import files_of_arrays
from emofuse.data.media import probe
from emofuse.errors import EmofuseError

RNG = np.random.default_rng(0)


def test_pictures_come_back_as_they_were() -> None:
    frames = RNG.integers(0, 256, (12, 21, 30, 3), dtype=np.uint8)
    with files_of_arrays(frames, None, sampling_rate=None, fps=24) as given:
        assert given.media is not None
        folder = given.folder
        np.testing.assert_array_equal(read_frames(given.media, n=12), frames)
        np.testing.assert_array_equal(read_frames(given.media, n=2, start=0.25, end=0.5)[0], frames[7])
        assert probe(given.media).duration == pytest.approx(0.5)
    assert not folder.exists()


@pytest.mark.parametrize("given_as", [np.asarray, torch.from_numpy])
def test_sound_comes_back_as_it_was_and_is_resampled_as_a_file_is(given_as: type) -> None:
    sound = RNG.uniform(-1, 1, 4000).astype(np.float32)
    with files_of_arrays(given_as(sound), None, sampling_rate=16000, fps=None) as given:
        assert given.media is not None
        np.testing.assert_array_equal(read_audio(given.media), sound)
    with files_of_arrays(given_as(sound), None, sampling_rate=8000, fps=None) as given:
        assert given.media is not None
        assert len(read_audio(given.media)) == 8000


def test_channels_are_mixed_and_integers_are_scaled() -> None:
    left = (0.5 * np.sin(np.arange(3200) / 7)).astype(np.float32)
    both = np.stack([left, 0.5 * left])
    with files_of_arrays(both, None, sampling_rate=16000, fps=None) as given:
        assert given.media is not None
        np.testing.assert_allclose(read_audio(given.media), both.mean(axis=0), atol=1e-6)
    whole = np.round(left * 32768).astype(np.int16)
    with files_of_arrays(None, whole, sampling_rate=16000, fps=None) as given:
        assert given.audio is not None
        np.testing.assert_array_equal(read_audio(given.audio), (whole / 32768).astype(np.float32))
    for channels in range(3, 9):
        with files_of_arrays(
            np.repeat(left[None], channels, 0), None, sampling_rate=16000, fps=None
        ) as given:
            assert given.media is not None
            np.testing.assert_allclose(read_audio(given.media), left, atol=1e-5)


def test_a_path_passes(tmp_path: Path) -> None:
    with files_of_arrays(tmp_path / "film.mp4", np.zeros(10), sampling_rate=16000, fps=None) as given:
        assert given.media == tmp_path / "film.mp4"
        assert given.audio is not None


SOUND = np.zeros(100)
PICTURES = np.zeros((2, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("media", "audio", "rates", "line"),
    [
        (SOUND, None, {}, "say sampling_rate="),
        (SOUND, None, {"sampling_rate": 7.5}, "sampling_rate: is 1000 to"),
        (SOUND, None, {"sampling_rate": 16000.5}, "a whole number"),
        (SOUND, SOUND, {"sampling_rate": 16000}, "two sounds"),
        (np.zeros(0), None, {"sampling_rate": 16000}, r"not \(0,\)"),
        (np.zeros((100, 2)), None, {"sampling_rate": 16000}, r"turn it round \(\.T\)"),
        (np.array([0.0, np.nan]), None, {"sampling_rate": 16000}, "NaN or infinity"),
        (np.array([0.0, 3e4]), None, {"sampling_rate": 16000}, "divide 16-bit numbers by 32768"),
        (np.zeros(10, bool), None, {"sampling_rate": 16000}, "not of bool"),
        (PICTURES, None, {}, "say fps="),
        (PICTURES, None, {"fps": float("inf")}, "say fps="),
        (PICTURES / 255, None, {"fps": 25}, "pictures are uint8"),
        (PICTURES.transpose(0, 3, 1, 2), None, {"fps": 25}, r"\.transpose\(0, 2, 3, 1\)"),
        (None, PICTURES, {"fps": 25}, "give them first"),
    ],
)
def test_what_is_no_sound_and_no_picture_is_one_line(
    media: object, audio: object, rates: dict[str, float], line: str
) -> None:
    rates = {"sampling_rate": None, "fps": None} | rates  # type: ignore[dict-item]
    with pytest.raises(EmofuseError, match=line) as told, files_of_arrays(media, audio, **rates):
        pass
    assert "\n" not in str(told.value)
