"""Hair: what falls behind the head, and what lies on it."""

from __future__ import annotations

import numpy as np

from emofuse.corpora.demo.cast import Appearance
from emofuse.corpora.demo.pen import Pen, curve, ellipse, mix


def draw_back_hair(pen: Pen, look: Appearance) -> None:
    """Draw the hair behind the head."""
    shade = mix(look.hair, (0, 0, 0), 0.15)
    if look.hair_style == "long":
        pen.fill(ellipse(0, 0.15, 0.98 * look.width, 1.25), shade)
    elif look.hair_style == "curly":
        for angle in np.linspace(np.pi * 0.98, np.pi * 2.02, 11):
            pen.fill(
                ellipse(0.8 * look.width * np.cos(angle), -0.3 + 0.8 * np.sin(angle), 0.27, 0.27, 16), shade
            )
    elif look.hair_style == "bun":
        pen.fill(ellipse(0, -1.1, 0.34, 0.28), shade)
    if look.hair_style in ("short", "fringe", "bun"):
        pen.fill(ellipse(0, -0.25, 0.85 * look.width, 0.86), shade)


def draw_front_hair(pen: Pen, look: Appearance) -> None:
    """Draw the hairline; the brows stay free, whatever the style."""
    if look.hair_style == "bald":
        return
    line = {"short": -0.72, "long": -0.76, "curly": -0.74, "bun": -0.8, "fringe": -0.66}[look.hair_style]
    width = 0.8 * look.width
    dip = 0.12 if look.hair_style == "fringe" else -0.06
    crown = curve((-width, -0.42), (0, -1.1), (width, -0.42), 18)
    edge = curve((width, -0.42), (0, line + dip), (-width, -0.42), 18)
    if look.hair_style in ("short", "long"):
        edge = np.concatenate(
            [curve((width, -0.42), (0.4, line), (-0.15, line - 0.16), 10), [[-width, -0.42]]]
        )
    pen.fill(np.concatenate([crown, edge]), look.hair)
    if look.hair_style == "curly":
        for x in np.linspace(-0.62, 0.62, 6):
            pen.fill(ellipse(x * look.width, -0.86 + 0.25 * x**2, 0.17, 0.15, 14), look.hair)
