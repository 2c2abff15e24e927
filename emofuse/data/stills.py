"""Single pictures in the place of a video: a corpus of faces is read like a corpus of clips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from emofuse.data.container import check_size
from emofuse.data.media_error import MediaError
from emofuse.data.recording_file import check_file
from emofuse.data.utterance import Crop

STILL_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
_EXIF_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)  # EXIF orientations in which height and width are exchanged


def is_still(path: Path | str) -> bool:
    """Whether a file is a picture, by its name."""
    return Path(path).suffix.lower() in STILL_SUFFIXES


def still_size(path: Path | str) -> tuple[int, int]:
    """(height, width) in pixels of a picture as shown; it is not decoded.

    Raises:
        MediaError: it is missing, no picture, or larger than is read.
    """
    with _opened(Path(path)) as picture:
        lying = picture.getexif().get(_EXIF_ORIENTATION) in _LYING
        return (picture.width, picture.height) if lying else (picture.height, picture.width)


def read_still(
    path: Path | str, *, size: tuple[int, int] | None = None, crop: Crop | None = None
) -> NDArray[np.uint8]:
    """Read a picture, turned as its EXIF data say.

    Args:
        path: the file.
        size: (height, width) in pixels that it, or its half, is stretched to; by default its own.
        crop: the half of it to take.

    Returns:
        RGB (H, W, 3). Transparency is dropped.

    Raises:
        MediaError: it is missing, no picture, damaged, or larger than is read.
    """
    with _opened(Path(path)) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
        if crop:
            half = max(1, picture.width // 2)
            left = 0 if crop == "left" else picture.width - half
            picture = picture.crop((left, 0, left + half, picture.height))
        if size is not None and size != (picture.height, picture.width):
            picture = picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)
        return np.array(picture)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    check_file(path)
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            check_size(path, picture.height, picture.width)
            yield picture
    except MediaError:
        raise
    except UnidentifiedImageError as error:
        raise MediaError(path, "not-media", "it is not a picture in a format that can be read") from error
    except Image.DecompressionBombError as error:
        raise MediaError(path, "too-large", "it has more pixels than are read: scale it down") from error
    except MemoryError as error:
        raise MediaError(path, "out-of-memory", "there is not enough memory for it: scale it down") from error
    except Exception as error:  # damaged files fail in whatever way their format's reader likes
        raise MediaError(path, "undecodable", f"it cannot be decoded ({error})") from error
