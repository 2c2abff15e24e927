"""What each emotion does to a face, after the action units of Ekman and Friesen, exaggerated as in cartoons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True)
class Expression:
    """Shape of a face; lengths in half face heights, all values relative to a face at rest.

    Attributes:
        brow_inner: Height of the inner ends of the brows.
        brow_outer: Height of the outer ends of the brows.
        brow_arch: Height of the middle of the brows above their ends.
        eye_open: Opening of the eyes, 1 at rest.
        lid_slant: How far the upper lids drop towards the nose; below 0, towards the temples.
        lid_lower: How far the lower lids are pushed up, 0 to 1.
        iris: Size of the irises, 1 at rest.
        gaze: Downward look.
        smile: Height of the corners of the mouth above its middle; below 0 they drop.
        mouth_open: Opening of the mouth without speech.
        mouth_width: Width of the mouth, 1 at rest.
        mouth_square: Corners of the open mouth: 0 round, 1 square.
        teeth: Share of the open mouth that shows teeth from above, 1 for clenched rows.
        wave: Height of a wave along the lips.
        blush: Strength of the red on the cheeks, 0 to 1.
        flush: Strength of the red over the whole face, 0 to 1.
        pallor: Loss of colour, 0 to 1.
        tears: Strength of the tears, 0 to 1.
        sweat: Strength of the drops on the forehead, 0 to 1.
        drop: How far the head is lowered.
        lean: How much nearer the head comes.
        tilt: Sideways tilt in degrees.
        tremble: Shaking of the head.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    brow_arch: float = 0.05
    eye_open: float = 1.0
    lid_slant: float = 0.0
    lid_lower: float = 0.0
    iris: float = 1.0
    gaze: float = 0.0
    smile: float = 0.02
    mouth_open: float = 0.0
    mouth_width: float = 1.0
    mouth_square: float = 0.0
    teeth: float = 0.3
    wave: float = 0.0
    blush: float = 0.0
    flush: float = 0.0
    pallor: float = 0.0
    tears: float = 0.0
    sweat: float = 0.0
    drop: float = 0.0
    lean: float = 0.0
    tilt: float = 0.0
    tremble: float = 0.0

    def towards(self, other: Expression, share: float) -> Expression:
        """The expression a share of the way to another one: 0 is this one, 1 the other."""
        own, others = _values(self), _values(other)
        return Expression(*(own + share * (others - own)))

    def varied(self, rng: np.random.Generator) -> Expression:
        """The expression as one utterance has it: stronger or weaker, each part a few percent off."""
        values, rest = _values(self), _values(Expression())
        changed = rest + (values - rest) * rng.uniform(0.88, 1.08) * rng.normal(1, 0.06, len(values))
        return replace(Expression(*changed), tilt=self.tilt * float(rng.choice((-1.0, 1.0))))


EXPRESSIONS: Mapping[str, Expression] = MappingProxyType(
    {
        "neutral": Expression(),
        "joy": Expression(
            brow_inner=0.07, brow_outer=0.07, brow_arch=0.11, eye_open=0.85, lid_lower=0.85, smile=0.26,
            mouth_open=0.32, mouth_width=1.5, teeth=0.42, blush=1.0, drop=-0.03,
        ),
        "sadness": Expression(
            brow_inner=0.18, brow_outer=-0.12, brow_arch=0.0, eye_open=0.62, lid_slant=-0.55, gaze=0.04,
            smile=-0.20, mouth_width=0.85, blush=0.15, pallor=0.2, tears=1.0, drop=0.10, tilt=7.0,
        ),
        "anger": Expression(
            brow_inner=-0.20, brow_outer=0.16, brow_arch=-0.02, eye_open=0.9, lid_slant=0.75, iris=0.8,
            smile=-0.10, mouth_open=0.28, mouth_width=1.2, mouth_square=1.0, teeth=1.0, flush=0.6, drop=0.04,
            lean=0.08,
        ),
        "fear": Expression(
            brow_inner=0.20, brow_outer=-0.02, brow_arch=-0.03, eye_open=1.5, lid_slant=-0.15, iris=0.5,
            smile=-0.08, mouth_open=0.17, mouth_width=1.25, mouth_square=0.6, teeth=0.0, wave=0.045, pallor=0.75,
            sweat=1.0, lean=-0.06, tremble=0.035,
        ),
        "surprise": Expression(
            brow_inner=0.16, brow_outer=0.16, brow_arch=0.15, eye_open=1.5, iris=1.05, mouth_open=0.56,
            mouth_width=0.66, teeth=0.0, drop=-0.07, lean=-0.02,
        ),
    }
)  # fmt: skip
"""Each emotion at its height."""


def _values(expression: Expression) -> np.ndarray:
    return np.array([getattr(expression, f.name) for f in fields(expression)])
