"""The pictures of a clip as an encoder reads them: a fixed number or so many per second, block after block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emofuse.data.container import checked_segment, open_media, video_stream
from emofuse.data.face_place import FacePlace
from emofuse.data.frames import read_frames
from emofuse.data.lengths import stream_end
from emofuse.data.media import probe
from emofuse.data.media_error import MediaError
from emofuse.data.picture_sampling import PictureSampling
from emofuse.data.stills import is_still
from emofuse.data.utterance import Crop

_BLOCK_BYTES = 32 << 20
_ENDED = ("no-frames-in-segment", "truncated")


@dataclass(frozen=True)
class _Block:
    """Pictures that are decoded at once: ``count`` of them, evenly spread from ``start`` to ``end`` seconds."""

    count: int
    start: float | None
    end: float | None


class ClipPictures:
    """The pictures of a part of a video. Made by :func:`open_pictures`.

    Iterate over it, as often as you like, for blocks of RGB pictures (n, H, W, 3) uint8 in order of time. The
    first block is held; the others are decoded when their turn comes, so an hour takes no more memory than a
    minute.

    Attributes:
        count: pictures in all; of a file that ends before it says, fewer come.
        face: the place of the one face in them that is meant; None where all are.
        nbytes: held in memory.
    """

    def __init__(
        self,
        path: Path,
        crop: Crop | None,
        size: tuple[int, int],
        blocks: list[_Block],
        face: FacePlace | None = None,
    ) -> None:
        self._path, self._crop, self._size, self._blocks = path, crop, size, blocks
        self.face = face
        self.count = sum(block.count for block in blocks)
        self._first = self._read(blocks[0])
        self.nbytes = self._first.nbytes

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        yield self._first
        for block in self._blocks[1:]:
            try:
                pictures = self._read(block)
            except MediaError as error:
                if error.reason in _ENDED:
                    return
                raise
            yield pictures

    def _read(self, block: _Block) -> NDArray[np.uint8]:
        return read_frames(
            self._path, n=block.count, size=self._size, start=block.start, end=block.end, crop=self._crop
        )


def open_pictures(
    path: Path | str,
    sampling: PictureSampling,
    *,
    start: float | None = None,
    end: float | None = None,
    crop: Crop | None = None,
    face: FacePlace | None = None,
) -> ClipPictures:
    """Read the first pictures of a part of a video and prepare the others.

    The part is cut in equal pieces, and the picture on screen in the middle of each is taken, as
    :func:`emofuse.data.frames.read_frames` does.

    Args:
        path: the video file, or that of a single picture, which is taken once.
        sampling: which pictures, and how large.
        start: begin of the part in seconds; by default the file's.
        end: end of the part in seconds; by default, or beyond it, the video's.
        crop: the half of the picture to take; by default all of it.
        face: the place of the one face in them that is meant, for encoders of faces.

    Raises:
        MediaError: the file is missing, is no video, or has no picture in the part.
    """
    path = Path(path)
    size = sampling.size or _reduced(path, sampling.longest or 0, crop)
    if is_still(path):  # to look at it more than once would show nothing new
        return ClipPictures(path, crop, size, [_Block(1, None, None)], face)
    most = max(1, _BLOCK_BYTES // (3 * size[0] * size[1]))
    if sampling.frames is not None and sampling.frames <= most:
        return ClipPictures(path, crop, size, [_Block(sampling.frames, start, end)], face)
    begin, finish = _known_segment(path, start, end)
    count = sampling.frames or max(1, round((finish - begin) * (sampling.rate or 0.0)))
    times = np.linspace(begin, finish, count + 1).tolist()
    cuts = [*range(0, count, most), count]
    blocks = [_Block(b - a, times[a], times[b]) for a, b in pairwise(cuts)]
    return ClipPictures(path, crop, size, blocks, face)


def _reduced(path: Path, longest: int, crop: Crop | None) -> tuple[int, int]:
    """(height, width) of the pictures as shown, or of the half, no longer than ``longest``."""
    info = probe(path)
    if not info.has_video:
        raise MediaError(path, "no-video", "it holds no video")
    if info.width is None or info.height is None:
        raise MediaError(path, "no-decoder", "PyAV has no decoder for its video; convert the file")
    if not info.width * info.height:
        what = "its pictures have no size: the file is cut off or damaged, or they are far too large"
        raise MediaError(path, "truncated", what)
    width = max(1, info.width // 2) if crop else info.width
    scale = min(1.0, longest / max(width, info.height))
    return max(1, round(scale * info.height)), max(1, round(scale * width))


def _known_segment(path: Path, start: float | None, end: float | None) -> tuple[float, float]:
    """Begin and end in seconds, the end no later than the video's."""
    begin, finish = checked_segment(path, start, end)
    with open_media(path) as container:
        stream = video_stream(container, path)
        ended = stream_end(container, stream)
    finish = min(finish, math.inf if ended is None else ended)
    if not begin < finish:
        what = f"the segment begins at {begin:.3f} s, but the video ends at {finish:.3f} s"
        raise MediaError(path, "no-frames-in-segment", what)
    if math.isinf(finish):
        raise MediaError(path, "truncated", "nothing says how long it is: the file is cut off or damaged")
    return begin, finish
