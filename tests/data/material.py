"""Media files whose every frame and sample says where it belongs."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH = 48, 64
BITS = 12  # of a frame's number, one block each, in 3 rows and 4 columns


def numbered_frame(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture (H, W, 3) that shows its number in black and white blocks, least significant bit first."""
    bits = (number >> np.arange(BITS)) & 1
    rows = np.minimum(np.arange(height) * 3 // height, 2)
    columns = np.minimum(np.arange(width) * 4 // width, 3)
    grey = np.where(bits.reshape(3, 4)[rows][:, columns], 220, 40).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def numbered_frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.stack([numbered_frame(number, height, width) for number in range(count)])


def numbers(frames: np.ndarray) -> list[int]:
    """What numbers the pictures show."""
    _, height, width, _ = frames.shape
    rows = (np.arange(3) * 2 + 1) * height // 6
    columns = (np.arange(4) * 2 + 1) * width // 8
    bits = frames[:, rows][:, :, columns].mean(axis=3).reshape(len(frames), BITS) > 130
    return (bits << np.arange(BITS)).sum(axis=1).tolist()


def expected_numbers(times: Sequence[float], begin: float, finish: float, n: int) -> list[int]:
    """The definition, literally: the last frame not after the middle of each part, else the first."""
    chosen = []
    for part in range(n):
        middle = begin + (part + 0.5) * (finish - begin) / n
        before = [number for number, time in enumerate(times) if time <= middle + 1e-6]
        chosen.append(before[-1] if before else 0)
    return chosen


def encode(
    path: Path,
    frames: np.ndarray,
    pts: Sequence[int],
    time_base: Fraction,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    sound: np.ndarray | None = None,
    frame_format: str = "rgb24",
) -> Path:
    """Write frames with time stamps set by hand, and sound at 16 kHz that starts at zero."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.pix_fmt = pixels
        stream.codec_context.time_base = time_base
        stream.codec_context.thread_count = 1
        stream.height, stream.width = frames.shape[1:3]
        track = None if sound is None else container.add_stream("aac", rate=16000, layout="mono")
        for time, pixels_of_frame in zip(pts, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels_of_frame, format=frame_format)
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            part = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            part.sample_rate, part.pts, part.time_base = 16000, 0, Fraction(1, 16000)
            container.mux(track.encode(part))
            container.mux(track.encode(None))
    return path


def encode_sound(
    path: Path,
    sound: np.ndarray,
    rate: int,
    codec: str,
    *,
    pts: Sequence[tuple[int, int]] | None = None,
    muxer: dict[str, str] | None = None,
    beside_pictures: bool = False,
    bit_rate: int | None = None,
) -> Path:
    """Write sound (channels, samples); ``pts`` lists (time stamp in samples, how many samples follow).

    With ``beside_pictures`` the file is a video, 25 pictures per second as long as there is sound.
    """
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
    with av.open(str(path), "w", options=muxer or {}) as container:
        pictures = container.add_stream("mpeg2video", rate=25) if beside_pictures else None
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if pictures is not None:
            pictures.height, pictures.width, pictures.pix_fmt = HEIGHT, WIDTH, "yuv420p"
            pts = [(begin, rate // 25) for begin in range(0, sound.shape[1], rate // 25)]
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        converter = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        taken = 0
        for time, samples in pts or [(0, sound.shape[1])]:
            part = np.ascontiguousarray(sound[:, taken : taken + samples].astype(np.float32))
            if pictures is not None:
                picture = av.VideoFrame.from_ndarray(numbered_frame(25 * taken // rate), format="rgb24")
                picture.pts, picture.time_base = 25 * taken // rate, Fraction(1, 25)
                container.mux(pictures.encode(picture))
            taken += samples
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, time, Fraction(1, rate)
            for converted in converter.resample(frame):
                container.mux(stream.encode(converted))
        for converted in converter.resample(None):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
        if pictures is not None:
            container.mux(pictures.encode(None))
    return path


def patch_box(path: Path, box: bytes, offset: int, values: bytes) -> None:
    """Overwrite bytes of every MP4 box of a kind, ``offset`` counted from the end of the box's name."""
    content = bytearray(path.read_bytes())
    found = content.find(box)
    assert found >= 0
    while found >= 0:
        content[found + 4 + offset : found + 4 + offset + len(values)] = values
        found = content.find(box, found + 4)
    path.write_bytes(bytes(content))


# How a point (x, y) is shown: at (a x + c y, b x + d y). Turns, and the same after left and right changed.
MATRICES = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))
MIRRORED_MATRICES = ((-1, 0, 0, 1), (0, -1, -1, 0), (1, 0, 0, -1), (0, 1, 1, 0))


def turn(path: Path, quarter_turns_clockwise: int, mirrored: bool = False) -> None:
    """Set the display matrix of an MP4 as a camera does that was held turned, or shows a mirror image."""
    a, b, c, d = (MIRRORED_MATRICES if mirrored else MATRICES)[quarter_turns_clockwise]
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    patch_box(path, b"tkhd", 40, matrix)


def wave_file(
    path: Path, samples: bytes, *, bits: int, rate: int = 16000, channels: int = 1, stated: int | None = None
) -> Path:
    """Write a WAV of integers by hand, so that it may be of any kind and ``stated`` bytes may be a lie."""
    size = len(samples) if stated is None else stated
    width = channels * bits // 8
    head = struct.pack(
        "<4sIHHIIHH4sI", b"fmt ", 16, 1, channels, rate, rate * width, width, bits, b"data", size
    )
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", min(36 + size, 2**32 - 1), b"WAVE") + head + samples)
    return path


def still_with_sound(path: Path, seconds: float, codec: str = "mpeg4") -> Path:
    """Write one picture as an ordinary video stream beside so many seconds of sound."""
    sound = np.sin(np.arange(round(seconds * 16000)) / 7)
    return encode(
        path,
        numbered_frames(1),
        [0],
        Fraction(1, 25),
        codec=codec,
        sound=0.3 * sound,
        pixels={"mjpeg": "yuvj420p"}.get(codec, "yuv420p"),
    )


def damage(path: Path, seed: int, places: int = 50) -> None:
    """Change bytes here and there."""
    rng = np.random.default_rng(seed)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[rng.integers(0, len(content), places)] = rng.integers(0, 256, places)
    path.write_bytes(content.tobytes())
