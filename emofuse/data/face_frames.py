"""Frames of an utterance cut to the speaker's face, for systems that read frames themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emofuse.data.face_place import FACE_MARGIN, FacePlace
from emofuse.data.frames import read_frames
from emofuse.data.media import probe
from emofuse.data.utterance import Utterance

_LONGEST = 1280  # pixels of the longer side of the pictures that a face is cut from


def read_face_frames(
    utterance: Utterance, face: FacePlace, count: int, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Frames as `read_frames` gives them, of the square around a face alone; black where it reaches beyond the picture.

    The square stands still: the place that a manifest names is the face's middle one in the utterance.

    Args:
        utterance: whose video.
        face: the place.
        count: frames.
        size: (height, width) in pixels.

    Returns:
        (count, height, width, 3) uint8.

    Raises:
        MediaError: as `read_frames`.
    """
    assert utterance.video is not None
    info = probe(utterance.video)
    width, height = info.width or 1, info.height or 1
    width = max(1, width // 2) if utterance.crop else width
    longer = max((face[2] - face[0]) * width, (face[3] - face[1]) * height)
    scale = min(1.0, max(size) / max(longer, 1.0), _LONGEST / max(width, height))
    width, height = max(1, round(scale * width)), max(1, round(scale * height))
    frames = read_frames(
        utterance.video,
        n=count,
        size=(height, width),
        start=utterance.start,
        end=utterance.end,
        crop=utterance.crop,
    )
    half = max(1.0, scale * longer * FACE_MARGIN / 2)
    across, down = (face[0] + face[2]) / 2 * width, (face[1] + face[3]) / 2 * height
    square = (round(across - half), round(down - half), round(across + half), round(down + half))
    cut = [
        Image.fromarray(frame).crop(square).resize(size[::-1], Image.Resampling.BILINEAR) for frame in frames
    ]
    return np.stack([np.asarray(picture) for picture in cut])
