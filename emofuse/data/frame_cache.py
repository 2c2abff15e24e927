"""Decoded frames kept on disk, so that every epoch after the first reads instead of decoding.

One file per utterance and way of sampling it, losslessly compressed, named by a digest of the media file
(its path, size and time of change), the segment, the crop, the face and the sampling. What is damaged or outdated is
decoded again; nothing is ever removed, so delete the folder when its corpus is done with.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emofuse.data.atomic import written_aside
from emofuse.data.face_frames import read_face_frames
from emofuse.data.face_place import place_cell
from emofuse.data.frames import read_frames
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError

_CODEC = "zstd"
_SUFFIX = ".rgb.zst"


@dataclass(frozen=True)
class FrameCache:
    """Frames of utterances below one folder; several processes may use it at once.

    Attributes:
        folder: made when something is first kept.
        keep: whether frames that are not there yet are kept.
    """

    folder: Path
    keep: bool = True

    def read(
        self, utterance: Utterance, count: int, size: tuple[int, int], faces: bool = False
    ) -> NDArray[np.uint8]:
        """`decode_frames`, from the folder where it holds them already; the same numbers either way.

        Raises:
            MediaError: as `read_frames`; nothing is kept then.
            EmofuseError: the folder cannot be written to.
        """
        file = self._file(utterance, count, size, faces)
        shape = (count, *size, 3)
        kept = None if file is None else _load(file, shape)
        if kept is not None:
            return kept
        frames = decode_frames(utterance, count, size, faces)
        if file is not None and self.keep:
            _keep(file, frames)
        return frames

    def _file(self, utterance: Utterance, count: int, size: tuple[int, int], faces: bool) -> Path | None:
        assert utterance.video is not None
        try:
            state = utterance.video.stat()
        except OSError:
            return None  # reading it says what is wrong
        segment: list[object] = [utterance.start, utterance.end, utterance.crop]
        if faces and utterance.face is not None:
            segment.append(place_cell(utterance.face))
        source = [str(utterance.video.resolve()), state.st_size, state.st_mtime_ns]
        key_text = json.dumps([*source, *segment, count, *size], default=str)
        digest = hashlib.sha256(key_text.encode(errors="surrogateescape")).hexdigest()[:32]
        return self.folder / digest[:2] / f"{digest[2:]}{_SUFFIX}"


def decode_frames(
    utterance: Utterance, count: int, size: tuple[int, int], faces: bool = False
) -> NDArray[np.uint8]:
    """`read_frames` of an utterance with a video: its segment, within its crop.

    Args:
        utterance: whose video.
        count: frames.
        size: (height, width) in pixels.
        faces: of an utterance that names the speaker's face, the square around it alone.

    Returns:
        (count, height, width, 3) uint8.

    Raises:
        MediaError: as `read_frames`.
    """
    assert utterance.video is not None
    if faces and utterance.face is not None:
        return read_face_frames(utterance, utterance.face, count, size)
    return read_frames(
        utterance.video,
        n=count,
        size=size,
        start=utterance.start,
        end=utterance.end,
        crop=utterance.crop,
    )


def _load(file: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The frames, or None where there are none or the file is not whole."""
    import pyarrow as pa

    try:
        packed = file.read_bytes()
        flat = pa.decompress(packed, decompressed_size=prod(shape), codec=_CODEC, asbytes=True)
    except (OSError, pa.ArrowException):
        return None
    frames = np.frombuffer(flat, np.uint8)
    return frames.reshape(shape).copy() if frames.size == prod(shape) else None


def _keep(file: Path, frames: NDArray[np.uint8]) -> None:
    import pyarrow as pa

    packed = pa.compress(np.ascontiguousarray(frames).tobytes(), codec=_CODEC, asbytes=True)
    try:
        with written_aside(file) as aside:
            aside.write_bytes(packed)
    except OSError as error:
        raise EmofuseError(
            f"{file.parent.parent}: cannot keep frames there ({error.strerror}); name another data.frame_cache"
        ) from None
