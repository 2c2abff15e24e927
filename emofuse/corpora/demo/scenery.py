"""Rooms behind the speakers: busy, and of no help in telling an emotion."""

from __future__ import annotations

import numpy as np
from PIL import Image

from emofuse.corpora.demo.pen import Colour, Pen, ellipse, mix


def paint_room(size: int, rng: np.random.Generator) -> Image.Image:
    """A wall with a picture, a shelf of books, a lamp or a plant, and specks, RGB of size x size.

    No two clips share a room: one that went with its speaker would give away the speaker's habits at a
    glance, and a network would look no further than the wallpaper.
    """
    wall = _any_colour(rng)
    image = Image.new("RGB", (size, size), wall)
    pen = Pen(image, (0.0, 0.0), 1.0)
    _stripes(pen, wall, rng)
    for left in (True, False):
        draw_furniture = (_picture, _books, _plant, _lamp)[rng.integers(4)]
        draw_furniture(pen, float(rng.uniform(0.03, 0.17) if left else rng.uniform(0.83, 0.97)), rng)
    for _ in range(rng.integers(6, 14)):
        x, y, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.008, 0.03)
        pen.fill(ellipse(x, y, r, r, 10), _any_colour(rng))
    return image


def _stripes(pen: Pen, wall: Colour, rng: np.random.Generator) -> None:
    count, other = int(rng.integers(0, 9)), mix(wall, _any_colour(rng), 0.25)
    for i in range(count):
        pen.fill(_box((2 * i + 0.5) / (2 * count), 0.0, 0.5 / count, 1.0), other)


def _picture(pen: Pen, x: float, rng: np.random.Generator) -> None:
    y, w, h = rng.uniform(0.1, 0.6), rng.uniform(0.08, 0.15), rng.uniform(0.08, 0.16)
    pen.fill(_box(x - w, y, 2 * w, 2 * h), _any_colour(rng))
    pen.fill(_box(x - 0.8 * w, y + 0.2 * h, 1.6 * w, 1.6 * h), _any_colour(rng))
    pen.fill(ellipse(x, y + h, 0.4 * w, 0.4 * h), _any_colour(rng))


def _books(pen: Pen, x: float, rng: np.random.Generator) -> None:
    y = float(rng.uniform(0.3, 0.85))
    pen.fill(_box(x - 0.17, y, 0.34, 0.025), (96, 70, 48))
    at = x - 0.15
    while at < x + 0.13:
        width, height = rng.uniform(0.02, 0.05), rng.uniform(0.09, 0.18)
        pen.fill(_box(at, y - height, width, height), _any_colour(rng))
        at += width + 0.004


def _plant(pen: Pen, x: float, rng: np.random.Generator) -> None:
    y = float(rng.uniform(0.5, 0.8))
    for angle in rng.uniform(-1.2, 1.2, 7):
        tip = np.array([np.sin(angle), -np.cos(angle)]) * rng.uniform(0.15, 0.3)
        green = mix((46, 120, 60), (120, 170, 70), float(rng.random()))
        pen.stroke(np.array([[x, y], [x + tip[0], y + tip[1]]]), 0.022, green)
    pen.fill(_box(x - 0.05, y, 0.10, 0.13), _any_colour(rng))


def _lamp(pen: Pen, x: float, rng: np.random.Generator) -> None:
    y, shade = float(rng.uniform(0.15, 0.45)), _any_colour(rng)
    pen.stroke(np.array([[x, y], [x, 1.0]]), 0.015, (70, 66, 62))
    pen.fill(np.array([[x - 0.06, y - 0.12], [x + 0.06, y - 0.12], [x + 0.12, y], [x - 0.12, y]]), shade)


def _box(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def _any_colour(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(30, 240, size=3))
    return red, green, blue
