"""Folders as corpora are published, with recordings of a moment each."""

import tempfile
from functools import cache
from pathlib import Path

import av
import numpy as np

from emofuse.data.media_writer import write_video, write_wav

CLIP_SECONDS, SOUND_SECONDS = 0.4, 0.25


@cache
def recording(suffix: str) -> bytes:
    """A clip of 0.4 s with sound, or for ``.wav`` a sound of 0.25 s, as the bytes of such a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip" + suffix)
        tone = (0.3 * np.sin(np.arange(6400) / 9)).astype(np.float32)
        if suffix == ".wav":
            write_wav(path, tone[:4000])
        elif suffix == ".flv":
            write_flv(path)
        else:
            grey = np.linspace(0, 255, 4 * 16 * 32).astype(np.uint8).reshape(4, 16, 32, 1)
            write_video(path, np.repeat(grey, 3, axis=3), 10, audio=tone)
        return path.read_bytes()


def write_flv(path: Path) -> None:
    """Flash video as it was in its day: Sorenson H.263, which takes few sizes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flv", rate=10)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for number in range(4):
            picture = np.full((144, 176, 3), 60 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def put(folder: Path, name: str, content: str | bytes | None = None, encoding: str = "utf-8") -> Path:
    """A file with this content, or with a recording of the kind that its suffix says."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        content = recording(path.suffix)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def apple_double(folder: Path, name: str) -> None:
    """The twin that macOS puts beside a file in an archive."""
    path = Path(name)
    put(folder, str(path.with_name("._" + path.name)), b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
