"""Pictures that a client of a live stream sends as JPEG: what is taken of them, and how they are read.

The server looks at their headers alone, which is done in Python. They are decoded in the process of the conversation, so that
what a decoder makes of a hostile file touches nobody else.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emofuse.app.live.pictures import LONGEST_SIDE, as_film
from emofuse.errors import EmofuseError

MOST_PIXELS = 2560 * 1440
_NARROWEST = 16  # pixels of a side


class RefusedPictureError(EmofuseError):
    """A picture that is not taken, and why."""


@dataclass(frozen=True)
class JpegPicture:
    """A picture as it came.

    Attributes:
        time: seconds of the stream.
        data: a JPEG whose header was looked at.
    """

    time: float
    data: bytes


def check_jpeg(data: bytes) -> None:
    """See by its header that a picture can be taken.

    Raises:
        RefusedPictureError: it is no JPEG, too large or too small, or one that is decoded in many passes.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            (width, height), passes = picture.size, bool(picture.info.get("progressive"))
    except Image.DecompressionBombError:
        raise RefusedPictureError(_too_large("of so many")) from None
    except Exception:  # a damaged header fails in whatever way the reader of headers likes
        raise RefusedPictureError("a picture is no JPEG, or its header is damaged") from None
    if width * height > MOST_PIXELS:
        raise RefusedPictureError(_too_large(f"of {width}×{height}"))
    if min(width, height) < _NARROWEST:
        raise RefusedPictureError(f"a picture of {width}×{height} pixels is too small")
    if passes:  # a small file may hold thousands of passes over a large picture
        raise RefusedPictureError("a progressive JPEG is not taken: send baseline JPEG, as browsers make it")


def _too_large(size: str) -> str:
    return f"a picture {size} pixels is larger than is taken (2560×1440): scale it down"


def film_of(jpegs: Sequence[bytes]) -> NDArray[np.uint8] | None:
    """The pictures as (n, H, W, 3) RGB of LONGEST_SIDE at most; damaged ones are left out, None where all are."""
    read = {jpeg: _decoded(jpeg) for jpeg in set(jpegs)}  # one that stands for a while comes several times
    return as_film([pixels for jpeg in jpegs if (pixels := read[jpeg]) is not None])


def _decoded(jpeg: bytes) -> NDArray[np.uint8] | None:
    try:
        check_jpeg(jpeg)
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
            picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            return np.array(picture.convert("RGB"))
    except Exception:  # whatever is wrong with it, the utterance has other pictures, or its sound
        return None
