"""The mouth: lips that a smile bends, speech opens and fear ripples."""

from __future__ import annotations

import numpy as np

from emofuse.corpora.demo.cast import Appearance
from emofuse.corpora.demo.expressions import Expression
from emofuse.corpora.demo.pen import Colour, Pen, ellipse, mix

_TOOTH: Colour = (250, 248, 240)
_THROAT: Colour = (92, 18, 28)
_TONGUE: Colour = (206, 84, 92)
_SPOKEN = 0.18
"""Opening of the mouth by the widest vowel, in half face heights."""


def draw_mouth(pen: Pen, look: Appearance, skin: Colour, expression: Expression, speech: float) -> None:
    """Draw lips, teeth and tongue; ``speech`` in [0, 1] opens the mouth further than the expression does."""
    upper, lower = _lips(look, expression, speech)
    lips = mix(skin, (198, 58, 76), 0.66)
    gap = float((lower - upper)[:, 1].max())
    if gap > 0.035:
        pen.fill(np.concatenate([upper, lower[::-1]]), _THROAT)
        if expression.mouth_square < 0.3 and gap > 0.2:
            _draw_tongue(pen, upper, lower)
        _draw_teeth(pen, upper, lower, expression)
    pen.stroke(upper, 0.05, lips)
    pen.stroke(lower, 0.065, lips)


def _lips(look: Appearance, expression: Expression, speech: float) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower lip from left to right, each shape (25, 2)."""
    x = np.linspace(-1, 1, 25)
    half = 0.34 * look.mouth_width * expression.mouth_width
    opening = max(0.0, expression.mouth_open) + _SPOKEN * speech
    bent = 0.52 + 0.5 * expression.smile - expression.smile * x**2 * 1.6
    rippled = expression.wave * np.sin(7 * np.pi * x) * (1 - x**2)
    power = 2 + 4 * expression.mouth_square
    profile = (1 - np.abs(x) ** power) ** (1 / power)
    flat = 0.9 if expression.smile > 0.12 else 0.5  # a laughing mouth opens downwards
    upper = bent + rippled - (1 - flat) * opening * profile
    lower = bent + rippled + flat * opening * profile
    return np.stack([half * x, upper], axis=1), np.stack([half * x, lower], axis=1)


def _draw_teeth(pen: Pen, upper: np.ndarray, lower: np.ndarray, expression: Expression) -> None:
    share = expression.teeth
    if share < 0.05:
        return
    inside = slice(2, -2)
    edge = upper + min(share, 1.0) * (lower - upper) * (0.92 if share > 0.9 else 1.0)
    pen.fill(np.concatenate([upper[inside], edge[inside][::-1]]), _TOOTH)
    if share > 0.7:
        middle = (upper + lower) / 2
        pen.stroke(middle[inside], 0.018, _THROAT)
        for i in range(5, 21, 3):
            pen.stroke(np.stack([upper[i], lower[i]]), 0.014, mix(_THROAT, _TOOTH, 0.3))


def _draw_tongue(pen: Pen, upper: np.ndarray, lower: np.ndarray) -> None:
    middle = len(upper) // 2
    gap = float(lower[middle, 1] - upper[middle, 1])
    width = float(np.ptp(upper[:, 0]))
    pen.fill(ellipse(0, float(lower[middle, 1]) - 0.16 * gap, 0.26 * width, 0.16 * gap, 18), _TONGUE)
