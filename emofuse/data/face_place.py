"""Where a face is in a picture: as shares of its width and height, and as a cell of a manifest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FacePlace = tuple[float, float, float, float]
"""x1, y1, x2, y2 as shares of the picture's width and height, from its upper left corner."""

# A crop is this much larger than the box of a face: VGGFace2's own pictures were cut so, and chin and brow show.
FACE_MARGIN = 1.3
_EXPECTED = "four numbers from 0 to 1, left top right bottom, as shares of the picture"
_SIDE = 1 / 3  # of the picture's width that is called left, and right


def parse_place(cell: str) -> FacePlace:
    """A place as it stands in a manifest, such as ``"0.250 0.100 0.500 0.700"``.

    Raises:
        ValueError: it is none.
    """
    try:
        left, top, right, bottom = map(float, cell.split())
    except ValueError:
        raise ValueError(f"is not {_EXPECTED}") from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"is not {_EXPECTED}")
    return left, top, right, bottom


def parse_places(cell: str) -> tuple[FacePlace, ...]:
    """Places divided by semicolons.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(parse_place(part) for part in cell.split(";"))


def place_cell(place: FacePlace) -> str:
    """A place as it stands in a manifest."""
    return " ".join(f"{edge:.3f}" for edge in place)


def as_written(place: FacePlace) -> FacePlace:
    """A place as it is read again where it was written, so that a manifest and a prediction look at the same."""
    return parse_place(place_cell(place))


def side_of(place: FacePlace) -> str:
    """On which side of the picture a face is, in words."""
    middle = (place[0] + place[2]) / 2
    if middle < _SIDE:
        return "on the left"
    return "on the right" if middle > 1 - _SIDE else "in the middle"


def seen_in_words(face: FacePlace | None, listeners: Sequence[FacePlace]) -> str:
    """Who of those that are seen speaks, and who listens; empty where that is not known."""
    if face is None:
        return ""
    others = [side_of(place) for place in listeners]
    heard = ""
    if others:
        heard = f"; {'a listener' if len(others) == 1 else f'{len(others)} listeners'}: {', '.join(others)}"
    return f"the speaker's face is {side_of(face)}{heard}"


def overlaps(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of boxes (n, 4) with (m, 4): (n, m)."""
    corner = np.maximum(one[:, None, :2], other[None, :, :2])
    sides = np.maximum(np.minimum(one[:, None, 2:], other[None, :, 2:]) - corner, 0)
    common = sides.prod(axis=2)
    areas = [np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1) for boxes in (one, other)]
    return np.asarray(common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-9), np.float64)


def follow_face(
    boxes: NDArray[np.float32],
    picture_of: NDArray[np.int64],
    place: NDArray[np.float32],
    least: float = 0.2,
) -> NDArray[np.int64]:
    """Which of the faces found in pictures are the one that is at a place.

    It is sought where it overlaps the place most, and followed from there forwards and backwards: in each picture it is the
    face that overlaps it most where it was last.

    Args:
        boxes: (N, 4) of all pictures.
        picture_of: (N,) the picture of each.
        place: (4,) in the same pixels.
        least: intersection over union from which two boxes are one face.

    Returns:
        (n,) places in ``boxes``, at most one for each picture, in order of the pictures.
    """
    if not len(boxes):
        return np.zeros(0, np.int64)
    fit = overlaps(boxes, place[None])[:, 0]
    seed = int(fit.argmax())
    if fit[seed] < least:
        return np.zeros(0, np.int64)
    pictures = np.unique(picture_of)
    begin = int(np.searchsorted(pictures, picture_of[seed]))
    found = [seed]
    for way in (pictures[begin + 1 :], pictures[:begin][::-1]):
        last = boxes[seed]
        for picture in way:
            rows = np.flatnonzero(picture_of == picture)
            near = np.maximum(overlaps(boxes[rows], last[None])[:, 0], fit[rows])
            if near.max() >= least:
                found.append(int(rows[near.argmax()]))
                last = boxes[found[-1]]
    return np.array(sorted(found, key=lambda row: int(picture_of[row])), np.int64)
