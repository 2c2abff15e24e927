"""Frames and sound of clips as multiples of real time, and a segment of a long file against decoding it all.

    python -m benchmarks.media_decoding [CLIP ...]

Without clips a recording is drawn: two minutes of 640 x 360 at 25 frames per second with sound, as H.264 with
a keyframe every ten seconds and as MPEG-4 with one every half second. Prints a Markdown table, and writes it to
benchmarks/results/media_decoding.md. Times are CPU seconds, which other work on the machine does not disturb.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np

from benchmarks.script import argument_parser, publish
from emofuse.data.audio import read_audio
from emofuse.data.frames import read_frames
from emofuse.data.media import probe
from emofuse.data.media_writer import write_video
from emofuse.data.sampling_rate import RATE as SOUND_RATE

N, SIZE = 15, (256, 256)
SEGMENT = 4.0  # seconds, about an utterance
RATE, SECONDS, HEIGHT, WIDTH = 25, 120, 360, 640
RESULTS = Path(__file__).parent / "results" / "media_decoding.md"


def drawn_frames() -> Iterator[np.ndarray]:
    """A soft background with a bright disc on its way across it, under a little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    for number in range(RATE * SECONDS):
        t = number / RATE
        disc = np.hypot(x - WIDTH * (0.5 + 0.4 * np.sin(t)), y - HEIGHT * (0.5 + 0.3 * np.cos(1.7 * t))) < 60
        grey = 90 + 40 * np.sin(x / 50 + t) * np.cos(y / 40) + 80 * disc
        grain = rng.integers(-6, 7, (HEIGHT, WIDTH, 1))
        yield np.clip(grey[..., None] * [1.0, 0.9, 0.8] + grain, 0, 255).astype(np.uint8)


def drawn_clips(folder: Path) -> list[Path]:
    sound = (0.2 * np.sin(np.cumsum(0.05 + 0.04 * np.sin(np.arange(SECONDS * SOUND_RATE) / 9000)))).astype(
        np.float32
    )
    clips = []
    for name, codec, interval in (("drawn-h264.mp4", None, 250), ("drawn-mpeg4.mp4", "mpeg4", 12)):
        clips.append(folder / name)
        write_video(
            clips[-1], drawn_frames(), RATE, audio=sound, video_codec=codec, keyframe_interval=interval
        )
    return clips


def decode_all(path: Path, start: float, end: float) -> np.ndarray:
    """The plain way: decode every frame from the beginning on, and keep those that are asked for."""
    times = start + (np.arange(N) + 0.5) * (end - start) / N
    kept: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        on_screen = None
        for frame in container.decode(stream):
            while len(kept) < N and frame.time > times[len(kept)] + 1e-6:
                kept.append(scaled(on_screen or frame))
            if len(kept) == N:
                break
            on_screen = frame
    return np.stack(kept)


def scaled(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(width=SIZE[1], height=SIZE[0], format="rgb24", interpolation="BICUBIC", threads=1)


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """The quickest of several runs."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def speed_row(path: Path, repeats: int) -> str:
    """One clip from end to end, as the extraction of one utterance's features reads it."""
    info = probe(path)
    assert info.duration is not None
    frames = cpu_seconds(partial(read_frames, path, n=N, size=SIZE), repeats)
    sound = (
        f"{info.duration / cpu_seconds(partial(read_audio, path), repeats):.0f}" if info.has_audio else "none"
    )
    return (
        f"| {path.name} | {info.width} × {info.height} | {info.duration:.1f} | {1000 * frames:.0f} "
        f"| {info.duration / frames:.0f} | {sound} |"
    )


def segment_rows(path: Path, repeats: int) -> Iterator[str]:
    """An utterance at the beginning, in the middle and at the end."""
    duration = probe(path).duration
    assert duration is not None
    length = min(SEGMENT, duration / 4)
    for place in (0.05, 0.5, 0.95):
        start = place * (duration - length)
        segment = {"start": start, "end": start + length}
        alone = cpu_seconds(partial(read_frames, path, n=N, size=SIZE, **segment), repeats)
        everything = cpu_seconds(partial(decode_all, path, **segment), min(repeats, 2))
        if not np.array_equal(decode_all(path, **segment), read_frames(path, n=N, size=SIZE, **segment)):
            raise AssertionError(f"{path}: the two ways differ")
        yield (
            f"| {path.name} | {start:.1f}-{start + length:.1f} | {1000 * alone:.0f} | {1000 * everything:.0f} "
            f"| {everything / alone:.1f} | {length / alone:.0f} |"
        )


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("clips", nargs="*", type=Path, help="video files; by default a recording is drawn")
    parser.add_argument("--repeats", type=int, default=5, help="the quickest of so many runs counts")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table is written")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = [*drawn_clips(Path(folder)), *arguments.clips]
        lines = [
            "# Media decoding",
            "",
            f"`python -m benchmarks.media_decoding`, one decoder thread, PyAV {av.__version__}, Python "
            f"{platform.python_version()}; CPU time, the quickest of {arguments.repeats} runs.",
            "",
            f"{N} frames of the whole clip at {SIZE[0]} × {SIZE[1]}, and all of its sound at 16 kHz:",
            "",
            "| clip | pixels | seconds | frames, ms | frames, × real time | sound, × real time |",
            "|---|---|---|---|---|---|",
            *(speed_row(clip, arguments.repeats) for clip in clips),
            "",
            f"{N} frames of an utterance inside the file, against decoding the file up to the utterance's end:",
            "",
            "| clip | segment, s | `read_frames`, ms | decoding all, ms | times quicker | × real time |",
            "|---|---|---|---|---|---|",
            *(row for clip in clips for row in segment_rows(clip, arguments.repeats)),
        ]
    table = "\n".join(lines) + "\n"
    publish(table, arguments.output)


if __name__ == "__main__":
    main()
