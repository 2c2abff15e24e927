"""Drawing in the coordinates of a head: shapes that move, turn and grow with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]


def ellipse(x: float, y: float, width: float, height: float, points: int = 28) -> np.ndarray:
    """Outline of an ellipse with these half axes, shape (points, 2)."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], axis=1)


def curve(
    start: Sequence[float], middle: Sequence[float], end: Sequence[float], points: int = 10
) -> np.ndarray:
    """Quadratic Bézier curve that passes through three points, the middle one half-way, shape (points, 2)."""
    a, b, c = (np.asarray(p, dtype=float) for p in (start, middle, end))
    control = 2 * b - (a + c) / 2
    t = np.linspace(0, 1, points)[:, None]
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * control + t**2 * c)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """The colour a share of the way to another one, which lies in [0, 1]."""
    share = min(1.0, max(0.0, share))
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(colour, other, strict=True))
    return red, green, blue


class Pen:
    """Draws on an image in a frame of its own.

    Args:
        image: The RGB image drawn on.
        centre: Place of the origin, as a share of the image's size (x, y).
        unit: Length of 1, as a share of the image's size.
        roll: Clockwise turn in degrees.
    """

    def __init__(
        self, image: Image.Image, centre: tuple[float, float], unit: float, roll: float = 0.0
    ) -> None:
        self._draw = ImageDraw.Draw(image)
        self._pixels = unit * image.width
        self._centre = np.asarray(centre) * image.width
        cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
        self._turn = self._pixels * np.array([[cos, sin], [-sin, cos]])

    def fill(self, outline: np.ndarray, colour: Colour) -> None:
        """Fill a polygon, shape (n, 2)."""
        self._draw.polygon(self._place(outline), fill=colour)

    def stroke(self, line: np.ndarray, width: float, colour: Colour) -> None:
        """Draw a line with round ends, shape (n, 2)."""
        placed, pixels = self._place(line), max(1.0, width * self._pixels)
        joint = "curve" if pixels > 5 else None  # the gaps between thinner pieces do not show
        self._draw.line(placed, fill=colour, width=round(pixels), joint=joint)
        for x, y in (placed[:2], placed[-2:]):
            r = pixels / 2
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def outline(self, outline: np.ndarray, width: float, colour: Colour) -> None:
        """Draw the edge of a polygon, shape (n, 2)."""
        self.stroke(np.concatenate([outline, outline[:2]]), width, colour)

    def _place(self, points: np.ndarray) -> list[float]:
        """Pixel coordinates, x and y by turns, as Pillow takes them."""
        placed: list[float] = (points @ self._turn + self._centre).ravel().tolist()
        return placed
