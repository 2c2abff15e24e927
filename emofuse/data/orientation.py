"""How a stored picture is turned and mirrored to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to show a picture: rows and columns are exchanged first, then reversed.

    Attributes:
        transposed: rows and columns are exchanged, so height and width are too.
        rows_reversed: shown with the first row at the bottom.
        columns_reversed: shown with the first column at the right.
    """

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether no turn alone leads to it."""
        return (self.transposed + self.rows_reversed + self.columns_reversed) % 2 == 1

    @property
    def degrees(self) -> int:
        """By how much the picture is turned, counter-clockwise; a mirrored one before left and right change."""
        right_way = self.columns_reversed != self.mirrored
        if self.transposed:
            return 270 if right_way else 90
        return 180 if right_way else 0

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) as shown of a picture stored so, and the other way round."""
        return (width, height) if self.transposed else (height, width)

    def shown(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture (H, W, 3) as it is to be seen; a view."""
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        return pixels[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1]


def orientation_of(frame: VideoFrame | None) -> Orientation:
    """What a decoded picture's display matrix says (ISO 14496-12, 8.3.2), to the nearest quarter turn."""
    data: Any = {} if frame is None else frame.side_data  # PyAV takes kinds as keys, and its types say names
    matrix = data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return Orientation()
    # A point (x, y) is shown at (a x + c y, b x + d y).
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.int64)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, rows_reversed=bool(d < 0), columns_reversed=bool(a < 0))
    return Orientation(True, rows_reversed=bool(b < 0), columns_reversed=bool(c < 0))
