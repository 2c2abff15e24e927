"""What is written is what a decoder gives back, and a failure leaves nothing behind."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emofuse.data import media_writer
from emofuse.data.media_writer import write_video, write_wav


def grey_frames(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frame i is flat grey of level 10 + 10 i."""
    levels = np.arange(10, 10 + 10 * count, 10, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def tone(seconds: float, rate: int = 16000, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def decoded_levels(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]


def decoded_sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.mark.parametrize("codec", [None, "mpeg4"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 65)])
def test_frames_come_back_in_order(tmp_path: Path, codec: str | None, height: int, width: int) -> None:
    path = tmp_path / "ein Gespräch.mp4"
    write_video(path, grey_frames(20, height, width), 25, video_codec=codec)
    levels = decoded_levels(path)
    assert np.abs(np.subtract(levels, np.arange(10, 210, 10))).max() <= 3
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == (height, width)
        assert stream.codec_context.name == ("mpeg4" if codec else "h264")


@pytest.mark.parametrize("rate", [7.5, 23.976, Fraction(30000, 1001), 1000])
def test_frame_rate_is_kept(tmp_path: Path, rate: float | Fraction) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, grey_frames(8), rate)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx(np.arange(8) / float(rate), abs=1e-4)


def test_sound_starts_with_the_first_frame(tmp_path: Path) -> None:
    path, sound = tmp_path / "clip.mp4", tone(1.3)
    write_video(path, grey_frames(20), 25, audio=sound)
    decoded = decoded_sound(path)
    inner = slice(2048, len(sound) - 2048)  # AAC rounds off the sudden beginning and end of the tone
    assert np.abs(decoded[: len(sound)][inner] - sound[inner]).max() < 0.05


def test_sound_lies_beside_its_frames(tmp_path: Path) -> None:
    """A reader that goes through the file meets sound and picture of one moment near each other."""
    path = tmp_path / "clip.mp4"
    write_video(path, (frame for frame in np.repeat(grey_frames(20), 20, axis=0)), 25, audio=tone(16))
    latest = {"video": 0.0, "audio": 0.0}
    apart = []
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                latest[packet.stream.type] = float(packet.pts * packet.time_base)
                apart.append(abs(latest["video"] - latest["audio"]))
    assert max(apart) < 1.0


def test_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    moving = (np.cumsum(rng.normal(0, 3, (40, 96, 96, 3)), axis=0) + 128).clip(0, 255).astype(np.uint8)
    made = set()
    for _ in range(12):  # an encoder that is not deterministic differs in some runs only
        write_video(tmp_path / "clip.mp4", moving, 25, audio=tone(0.8))
        made.add((tmp_path / "clip.mp4").read_bytes())
    assert len(made) == 1


def test_keyframe_interval(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, np.repeat(grey_frames(10), 10, axis=0), 25, keyframe_interval=10)
    with av.open(str(path)) as container:
        keys = [index for index, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert np.diff(keys).max() <= 10


def test_falls_back_on_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_writer, "H264_ENCODERS", ("no-such-encoder",))
    write_video(tmp_path / "clip.mp4", grey_frames(3), 25)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, grey_frames(3), 25)
    before = path.read_bytes()

    def breaks_off():
        yield from grey_frames(3)
        raise RuntimeError("the drawing failed")

    with pytest.raises(RuntimeError, match="drawing"):
        write_video(path, breaks_off(), 25)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("frames", "rate", "sound", "complaint"),
    [
        (grey_frames(0), 25, None, "at least one frame"),
        (grey_frames(3).astype(np.float32), 25, None, "uint8"),
        ([grey_frames(1)[0], grey_frames(1, 32)[0]], 25, None, "one size"),
        (grey_frames(3), 0, None, "frame rate"),
        (grey_frames(3), 25, np.zeros((2, 100), np.float32), "one channel"),
        (grey_frames(3), 25, np.array([0.0, np.nan], np.float32), "finite"),
    ],
)
def test_refuses_other_arrays(tmp_path: Path, frames, rate, sound, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        write_video(tmp_path / "clip.mp4", frames, rate, audio=sound)
    assert list(tmp_path.iterdir()) == []


def test_wav_round_trip_clips(tmp_path: Path) -> None:
    sound = np.array([0.0, 0.5, -0.5, 2.0, -2.0], np.float32)
    write_wav(tmp_path / "a.wav", sound, 8000)
    with av.open(str(tmp_path / "a.wav")) as container:
        assert container.streams.audio[0].codec_context.sample_rate == 8000
    assert decoded_sound(tmp_path / "a.wav") / 32768 == pytest.approx(np.clip(sound, -1, 1), abs=1e-4)


def test_empty_wav(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(0, np.float32))
    assert (tmp_path / "a.wav").stat().st_size == 44
