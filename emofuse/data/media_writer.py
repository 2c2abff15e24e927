"""Write arrays as media files: video as H.264 or MPEG-4 with AAC sound, sound alone as WAV."""

import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emofuse.data.atomic import written_aside
from emofuse.data.sampling_rate import RATE

H264_ENCODERS = ("libx264", "libopenh264")
FALLBACK_ENCODER = "mpeg4"
AAC_FRAME = 1024  # samples that an AAC packet holds
LAMBDA_PER_QSCALE = 118  # libavutil's FF_QP2LAMBDA: MPEG-4 takes its quality in this unit


def write_video(
    path: Path | str,
    frames: NDArray[np.uint8] | Iterable[NDArray[np.uint8]],
    frame_rate: float | Fraction,
    *,
    audio: NDArray[np.floating] | None = None,
    sample_rate: int = RATE,
    video_codec: str | None = None,
    crf: int = 23,
    keyframe_interval: int | None = None,
) -> None:
    """Encode frames, and sound if there is some, into one file that appears only when it is complete.

    The container follows from the suffix (``.mp4``, ``.mov``, ``.mkv``, ...). The same arrays give the same
    bytes, because encoders run on one thread, and x264 without its macroblock tree. Frames may come from a
    generator: one is held at a time.

    Args:
        path: the file to write; folders on the way are made. A file already there is replaced.
        frames: RGB, (T, H, W, 3) or an iterable of (H, W, 3), uint8, at least one, all of one size. H.264
            stores odd widths and heights with full chroma resolution (4:4:4), which few browsers play.
        frame_rate: frames per second, constant over the file.
        audio: mono sound (samples,) in [-1, 1], starting with the first frame; beyond that range it is
            clipped. It may be shorter or longer than the video.
        sample_rate: of ``audio``, in Hz; AAC takes 7350 to 96000.
        video_codec: name of an encoder of the installed PyAV; by default H.264 where there is an encoder
            for it, MPEG-4 otherwise.
        crf: quality of H.264, 0 (lossless) to 51; MPEG-4 gets the quantiser that comes nearest.
        keyframe_interval: largest number of frames from one keyframe to the next; the encoder's own choice
            by default.

    Raises:
        ValueError: if there is no frame, or the arrays do not have the shapes and types above.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"{path}: a video needs at least one frame")
    rate = Fraction(frame_rate).limit_denominator(1001)
    if rate <= 0:
        raise ValueError(f"{path}: the frame rate must be positive, not {frame_rate}")
    shape = first.shape
    pictures = (_checked_frame(frame, shape, path) for frame in chain([first], frames))
    sound = None if audio is None else _checked_sound(audio, path)
    with (
        written_aside(Path(path)) as aside,
        av.open(str(aside), "w", options=_muxer_options(aside)) as container,
    ):
        video_stream = _add_video(container, shape, rate, video_codec, crf)
        if keyframe_interval is not None:
            video_stream.codec_context.gop_size = keyframe_interval
        encoded_sound: Iterator[Fraction] = iter(())
        if sound is not None:
            encoded_sound = _encode_sound(container, _add_sound(container, sample_rate), sound)
        sound_until = Fraction(0)
        for shown_until in _encode_pictures(container, video_stream, pictures, rate):
            # Sound goes in beside the frames that it belongs to, so that a reader need not jump about.
            while sound_until < shown_until:
                sound_until = next(encoded_sound, shown_until)
        for _ in encoded_sound:
            pass


def write_wav(path: Path | str, audio: NDArray[np.floating], sample_rate: int = RATE) -> None:
    """Write mono sound as 16-bit PCM.

    Args:
        path: the file to write; folders on the way are made. A file already there is replaced.
        audio: (samples,) in [-1, 1]; beyond that range it is clipped. It may be empty.
        sample_rate: in Hz.

    Raises:
        ValueError: if ``audio`` is not one finite channel.
    """
    pcm = np.round(_checked_sound(audio, path) * 32767).astype("<i2")
    with written_aside(Path(path)) as aside, wave.open(str(aside), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm.tobytes())


def _checked_frame(frame: NDArray[np.uint8], shape: tuple[int, ...], path: Path | str) -> NDArray[np.uint8]:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != shape:
        raise ValueError(
            f"{path}: frames are uint8 (H, W, 3) of one size, not {frame.dtype} {frame.shape} after {shape}"
        )
    return np.ascontiguousarray(frame)


def _checked_sound(audio: NDArray[np.floating], path: Path | str) -> NDArray[np.float32]:
    if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating) or not np.isfinite(audio).all():
        raise ValueError(f"{path}: sound is one channel of finite floats, not {audio.dtype} {audio.shape}")
    return np.clip(audio, -1.0, 1.0).astype(np.float32)


def _muxer_options(path: Path) -> dict[str, str]:
    # The index at the front lets a player start, and a reader seek, before the whole file has arrived.
    return {"movflags": "+faststart"} if path.suffix.lower() in {".mp4", ".mov", ".m4v"} else {}


def default_video_codec() -> str:
    """Name of the encoder that :func:`write_video` takes: H.264 where PyAV has an encoder, else MPEG-4."""
    return next((name for name in H264_ENCODERS if name in av.codecs_available), FALLBACK_ENCODER)


def _add_video(
    container: OutputContainer, shape: tuple[int, ...], rate: Fraction, codec: str | None, crf: int
) -> VideoStream:
    codec = codec or default_video_codec()
    height, width, _ = shape
    if codec in H264_ENCODERS:
        # Without its macroblock tree, x264 makes the same bytes of the same frames every time.
        x264 = {"crf": str(crf), "preset": "veryfast", "x264-params": "mbtree=0"}
        options = x264 if codec == "libx264" else {}
    else:
        quantiser = min(max(2, round(crf / 4)), 31)
        options = {"flags": "+qscale", "global_quality": str(quantiser * LAMBDA_PER_QSCALE)}
    stream = container.add_stream(codec, rate=rate, options=options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = width, height
    odd = bool(width % 2 or height % 2)
    stream.pix_fmt = "yuv444p" if odd and codec in H264_ENCODERS else "yuv420p"
    stream.codec_context.time_base = 1 / rate
    stream.codec_context.thread_count = 1
    return stream


def _add_sound(container: OutputContainer, sample_rate: int) -> AudioStream:
    stream = container.add_stream("aac", rate=sample_rate, layout="mono")
    assert isinstance(stream, AudioStream)
    stream.codec_context.thread_count = 1
    return stream


def _encode_pictures(
    container: OutputContainer, stream: VideoStream, pictures: Iterable[NDArray[np.uint8]], rate: Fraction
) -> Iterator[Fraction]:
    """Mux one picture with each step; yields the time in seconds up to which the video reaches."""
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = index, 1 / rate
        container.mux(stream.encode(frame))
        yield (index + 1) / rate
    container.mux(stream.encode(None))


def _encode_sound(
    container: OutputContainer, stream: AudioStream, sound: NDArray[np.float32]
) -> Iterator[Fraction]:
    """Mux one AAC frame with each step; yields the time in seconds up to which the sound reaches."""
    rate = stream.codec_context.sample_rate
    for start in range(0, len(sound), AAC_FRAME):
        part = np.ascontiguousarray(sound[None, start : start + AAC_FRAME])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
        yield Fraction(start + AAC_FRAME, rate)
    container.mux(stream.encode(None))
