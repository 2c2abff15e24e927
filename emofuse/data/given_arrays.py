"""Sound and pictures that a program holds as arrays, read in the way of files.

They are written to a folder that is there for one call, without any loss: sound as 32-bit floats, pictures as they are.
What is made of them is therefore what would be made of the same recording on a disk: one resampler, one downmix, one
choice of frames.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emofuse.data.container import MAX_PIXELS
from emofuse.data.sound_parts import FASTEST_RATE, SLOWEST_RATE
from emofuse.errors import EmofuseError

# How a WAV file orders so many channels.
_LAYOUTS = MappingProxyType(
    {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
)
_LOUDEST = 8.0  # a sound of floats goes from -1 to 1; above this it holds integers of 16 bits
_BLOCK = 1 << 16  # samples that are written at once


@dataclass(frozen=True)
class GivenFiles:
    """Where arrays were written; None for what was not given as an array."""

    media: Path | None
    audio: Path | None
    folder: Path


def is_array(value: object) -> bool:
    """Whether something is an array of numpy, or a tensor of torch."""
    return isinstance(value, np.ndarray) or (hasattr(value, "detach") and hasattr(value, "numpy"))


@contextmanager
def files_of_arrays(
    media: Any, audio: Any, *, sampling_rate: float | None, fps: float | None
) -> Iterator[GivenFiles]:
    """Write what was given as arrays; the files are gone when the block ends.

    Args:
        media: a sound (n,) or (channels, n), or pictures (T, H, W, 3) uint8; a path passes as it is.
        audio: a sound beside pictures, likewise.
        sampling_rate: of the sound, in Hz.
        fps: pictures per second.

    Raises:
        EmofuseError: an array has another shape or type, or holds what is no sound; or a rate is missing.
    """
    with tempfile.TemporaryDirectory(prefix="emofuse-") as name:
        folder = Path(name)
        sounds = [value for value in (media, audio) if is_array(value) and np.ndim(value) != 4]
        if len(sounds) == 2:
            raise EmofuseError(
                "two sounds were given: pictures (T, H, W, 3) come first, their sound as audio="
            )
        if audio is not None and is_array(audio) and np.ndim(audio) == 4:
            raise EmofuseError("audio: is an array of pictures; give them first, and the sound as audio=")
        written: dict[str, Path | None] = {"media": None, "audio": None}
        for place, value in (("media", media), ("audio", audio)):
            if not is_array(value):
                written[place] = None if value is None else Path(value)
            elif np.ndim(value) == 4:
                written[place] = folder / "frames.avi"
                write_pictures(folder / "frames.avi", _plain(value), fps)
            else:
                written[place] = folder / "waveform.wav"
                _write_sound(folder / "waveform.wav", _checked_sound(_plain(value)), _rate(sampling_rate))
        yield GivenFiles(written["media"], written["audio"], folder)


def _plain(value: Any) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    tensor = value.detach().cpu()
    return np.asarray(tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy())


def _rate(sampling_rate: float | None) -> int:
    if sampling_rate is None:
        raise EmofuseError("a sound given as an array has a rate: say sampling_rate=, in samples per second")
    if not math.isfinite(sampling_rate) or not SLOWEST_RATE <= sampling_rate <= FASTEST_RATE:
        raise EmofuseError(
            f"sampling_rate: is {SLOWEST_RATE} to {FASTEST_RATE} samples per second, not {sampling_rate}"
        )
    if sampling_rate != int(sampling_rate):
        raise EmofuseError(f"sampling_rate: is a whole number of samples per second, not {sampling_rate}")
    return int(sampling_rate)


def _checked_sound(sound: NDArray[Any]) -> NDArray[np.float32]:
    """(channels, n) in about [-1, 1]."""
    channels = sound[None] if sound.ndim == 1 else sound
    if channels.ndim != 2 or not channels.size:
        raise EmofuseError(
            f"a sound is an array (n,) or (channels, n), and pictures are (T, H, W, 3); not {tuple(sound.shape)}"
        )
    if len(channels) > len(_LAYOUTS):
        hint = "; turn it round (.T)" if channels.shape[1] <= len(_LAYOUTS) else ""
        raise EmofuseError(
            f"a sound has 1 to {len(_LAYOUTS)} channels as (channels, n), not {channels.shape}{hint}"
        )
    if np.issubdtype(channels.dtype, np.signedinteger):
        return (channels / -float(np.iinfo(channels.dtype).min)).astype(np.float32)
    if not np.issubdtype(channels.dtype, np.floating):
        raise EmofuseError(f"a sound is of floats in [-1, 1] or of signed integers, not of {channels.dtype}")
    loudest = float(np.abs(channels).max())
    if not math.isfinite(loudest):
        raise EmofuseError("a sound has finite numbers alone; this one holds NaN or infinity")
    if loudest > _LOUDEST:
        raise EmofuseError(
            f"a sound of floats goes from -1 to 1, and this one up to {loudest:.0f}; divide 16-bit numbers by 32768"
        )
    return channels.astype(np.float32)


def _write_sound(file: Path, channels: NDArray[np.float32], rate: int) -> None:
    layout = _LAYOUTS[len(channels)]
    with av.open(str(file), "w", options={"rf64": "auto"}) as container:
        stream = container.add_stream("pcm_f32le", rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        for begin in range(0, channels.shape[1], _BLOCK):
            part = np.ascontiguousarray(channels[:, begin : begin + _BLOCK].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_pictures(file: Path, frames: NDArray[Any], fps: float | None) -> None:
    """Write pictures (T, H, W, 3) as an AVI without loss.

    Raises:
        EmofuseError: they are of another shape or type, too large, or without a rate.
    """
    if frames.dtype != np.uint8 or frames.shape[-1] != 3 or not frames.size:
        turned = frames.ndim == 4 and frames.shape[1] == 3 and frames.shape[-1] != 3
        hint = "; give them as .transpose(0, 2, 3, 1)" if turned else ""
        raise EmofuseError(
            f"pictures are uint8 (T, H, W, 3) in RGB, not {frames.dtype} {tuple(frames.shape)}{hint}"
        )
    if fps is None or not math.isfinite(fps) or not 0 < fps <= 1000:
        raise EmofuseError(
            f"pictures given as an array have a rate: say fps=, above 0 and up to 1000, not {fps}"
        )
    if frames.shape[1] * frames.shape[2] > MAX_PIXELS:
        raise EmofuseError(
            f"pictures of more than {MAX_PIXELS >> 20} megapixels are not read: scale them down"
        )
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("rawvideo", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "bgr24"
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(frames):
            shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            shown.pts, shown.time_base = index, 1 / rate
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
