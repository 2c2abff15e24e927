"""A drawn face: who it is from the :class:`Look`, what it feels from the :class:`Expression`.

Coordinates are those of the head: the origin between the eyes and the mouth, x to the right, y down, 1 half
the height of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from emofuse.corpora.demo.cast import Appearance
from emofuse.corpora.demo.expressions import Expression
from emofuse.corpora.demo.hair import draw_back_hair, draw_front_hair
from emofuse.corpora.demo.mouth import draw_mouth
from emofuse.corpora.demo.pen import Colour, Pen, curve, ellipse, mix

_RED: Colour = (224, 58, 40)
_PALE: Colour = (196, 216, 222)
_INK: Colour = (44, 32, 32)
_WATER: Colour = (116, 188, 240)
_FACE_UNIT = 0.40


@dataclass(frozen=True)
class Pose:
    """Where the head is: shift as a share of the picture, size relative to the usual, clockwise roll in degrees."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    roll: float = 0.0


def draw_face(
    room: Image.Image,
    look: Appearance,
    expression: Expression,
    pose: Pose,
    *,
    speech: float = 0.0,
    blink: float = 0.0,
) -> Image.Image:
    """Draw one frame.

    Args:
        room: The background, square, at the size to draw at; it stays as it is.
        look: Who is drawn.
        expression: What the face shows.
        pose: Where the head is.
        speech: Opening of the mouth by the sound being spoken, 0 to 1.
        blink: How far the eyes are shut by a blink, 0 to 1.

    Returns:
        A new picture of the room's size.
    """
    image = room.copy()
    centre = (0.5 + pose.x, 0.535 + pose.y + 0.3 * expression.drop)
    pen = Pen(image, centre, _FACE_UNIT * pose.scale * (1 + expression.lean), pose.roll + expression.tilt)
    skin = _complexion(look.skin, expression)
    draw_back_hair(pen, look)
    _draw_body(Pen(image, (0.5 + 0.6 * pose.x, 0.53), _FACE_UNIT), look, skin)
    _draw_head(pen, look, skin, expression)
    _draw_eyes(pen, look, skin, expression, blink)
    _draw_nose(pen, look, skin)
    if look.beard:
        _draw_beard(pen, look)
    draw_mouth(pen, look, skin, expression, speech)
    draw_front_hair(pen, look)
    _draw_brows(pen, look, expression)
    if look.glasses:
        _draw_glasses(pen, look)
    _draw_drops(pen, expression)
    return image


def _complexion(skin: Colour, expression: Expression) -> Colour:
    return mix(mix(skin, _RED, 0.6 * expression.flush), _PALE, 0.5 * expression.pallor)


def _draw_body(pen: Pen, look: Appearance, skin: Colour) -> None:
    pen.fill(np.array([[-0.3, 0.5], [0.3, 0.5], [0.34, 1.3], [-0.34, 1.3]]), mix(skin, (0, 0, 0), 0.18))
    shoulders = curve((-1.25, 1.5), (0, 0.98), (1.25, 1.5), 24)
    pen.fill(np.concatenate([shoulders, [[1.4, 2.0], [-1.4, 2.0]]]), look.clothes)
    pen.fill(ellipse(0, 1.0, 0.32, 0.16), mix(skin, (0, 0, 0), 0.18))


def _draw_head(pen: Pen, look: Appearance, skin: Colour, expression: Expression) -> None:
    for side in (-1, 1):
        pen.fill(ellipse(side * 0.76 * look.width, 0.02, 0.13, 0.2), mix(skin, (120, 50, 40), 0.12))
    pen.fill(face_outline(look), skin)
    cheeks = mix(skin, (236, 92, 96), 0.14 + 0.45 * expression.blush)
    for side in (-1, 1):
        grown = 1 + 0.4 * expression.blush
        pen.fill(ellipse(side * 0.47 * look.width, 0.26, 0.15 * grown, 0.11 * grown), cheeks)
    if look.freckles:
        for x, y in ((0.34, 0.16), (0.44, 0.2), (0.54, 0.15), (0.4, 0.25)):
            for side in (-1, 1):
                pen.fill(ellipse(side * x, y, 0.018, 0.018, 8), mix(skin, (110, 60, 30), 0.5))


def face_outline(look: Appearance) -> np.ndarray:
    """Outline of the face, shape (n, 2): round above, narrower towards the chin."""
    outline = ellipse(0, 0, 0.76 * look.width, 1.0, 40)
    low = np.clip(outline[:, 1], 0, None)
    outline[:, 0] *= 1 - (1 - look.jaw) * low**2
    return outline


def _draw_eyes(pen: Pen, look: Appearance, skin: Colour, expression: Expression, blink: float) -> None:
    opening = 0.185 * expression.eye_open * (1 - blink)
    x = np.linspace(-1, 1, 15)
    arc = np.sqrt(1 - x**2)
    for side in (-1, 1):
        inner = -side * x  # 1 at the nose, -1 at the temple
        upper = -opening * arc * (1 - np.clip(expression.lid_slant * inner, 0, 0.9))
        lower = opening * 0.85 * arc * (1 - 1.35 * expression.lid_lower)
        lower = np.maximum(lower, upper + 0.004)
        across = side * 0.35 * look.eye_spacing + 0.23 * x
        top, bottom = np.stack([across, upper - 0.12], 1), np.stack([across, lower - 0.12], 1)
        pen.fill(np.concatenate([top, bottom[::-1]]), (252, 250, 246))
        if opening > 0.03:
            _draw_iris(pen, look, expression, (side * 0.35 * look.eye_spacing, -0.12), top, bottom)
        pen.stroke(top, 0.045, mix(_INK, skin, 0.1))
        pen.stroke(bottom[2:-2], 0.018, mix(skin, _INK, 0.4))


def _draw_iris(
    pen: Pen,
    look: Appearance,
    expression: Expression,
    at: tuple[float, float],
    top: np.ndarray,
    bottom: np.ndarray,
) -> None:
    """Iris and pupil as far as the lids leave them open."""
    x, y = at[0], at[1] + expression.gaze
    for radius, colour in ((0.12 * expression.iris, look.iris), (0.062 * expression.iris, (16, 14, 18))):
        disc = ellipse(x, y, radius, radius, 22)
        low = np.interp(disc[:, 0], bottom[:, 0], bottom[:, 1])
        high = np.interp(disc[:, 0], top[:, 0], top[:, 1])
        disc[:, 1] = np.clip(disc[:, 1], high, np.maximum(high, low))
        pen.fill(disc, colour)
    if np.interp(x, top[:, 0], top[:, 1]) < y - 0.05 * expression.iris:
        pen.fill(ellipse(x - 0.03, y - 0.035 * expression.iris, 0.02, 0.02, 8), (255, 255, 255))


def _draw_brows(pen: Pen, look: Appearance, expression: Expression) -> None:
    colour = mix(look.hair, _INK, 0.55)
    for side in (-1, 1):
        inner = (side * 0.12, -0.42 - expression.brow_inner)
        outer = (side * 0.60, -0.42 - expression.brow_outer)
        middle = (side * 0.36, (inner[1] + outer[1]) / 2 - expression.brow_arch)
        pen.stroke(curve(inner, middle, outer), 0.10 * look.brow_weight, colour)


def _draw_nose(pen: Pen, look: Appearance, skin: Colour) -> None:
    shade = mix(skin, (110, 44, 30), 0.35)
    pen.stroke(curve((-0.07, 0.2), (0.0, 0.26 * look.nose), (0.08, 0.2)), 0.035, shade)


def _draw_beard(pen: Pen, look: Appearance) -> None:
    outline = face_outline(look)
    below = outline[outline[:, 1] > 0.2]
    inner = curve((-0.6 * look.width, 0.25), (0.0, 0.36), (0.6 * look.width, 0.25), 12)
    below = below[np.argsort(-below[:, 0])]
    pen.fill(np.concatenate([inner, below * (1.0, 1.03)]), mix(look.hair, _INK, 0.25))


def _draw_glasses(pen: Pen, look: Appearance) -> None:
    frame = (58, 48, 70)
    for side in (-1, 1):
        pen.outline(ellipse(side * 0.35 * look.eye_spacing, -0.11, 0.30, 0.28), 0.03, frame)
    pen.stroke(np.array([[-0.06, -0.13], [0.06, -0.13]]), 0.03, frame)


def _draw_drops(pen: Pen, expression: Expression) -> None:
    if expression.tears > 0.15:
        for side in (-1, 1):
            length = 0.42 * expression.tears
            pen.stroke(np.array([[side * 0.4, 0.06], [side * 0.44, 0.06 + length]]), 0.13, _WATER)
    if expression.sweat > 0.15:
        for x, y in ((-0.66, -0.36), (-0.3, -0.72), (0.26, -0.76), (0.64, -0.4), (0.7, -0.02)):
            drop = 0.13 * expression.sweat
            pen.stroke(np.array([[x, y - drop], [x, y]]), 0.06, _WATER)
            pen.fill(ellipse(x, y, 0.065, 0.08, 12), _WATER)
