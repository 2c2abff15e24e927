"""A face in motion: the expression comes and goes, the lips follow the sound, the head sways, eyes blink."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emofuse.corpora.demo.cast import Appearance
from emofuse.corpora.demo.expressions import EXPRESSIONS, Expression
from emofuse.corpora.demo.faces import Pose, draw_face
from emofuse.corpora.demo.scenery import paint_room
from emofuse.corpora.demo.voices import Speech

_RISE, _RELAX = 0.16, 0.12
"""Shares of the clip in which the expression comes and goes."""
_LEFT_AT_EDGES = 0.35
"""How much of the expression stands at the first and the last frame."""
_BLINK_SECONDS = 0.16
_SENSOR_NOISE = 2.0


@dataclass(frozen=True)
class _Sway:
    """Slow wandering of a head, drawn once per clip."""

    rest: Pose
    rates: np.ndarray
    phases: np.ndarray

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _Sway:
        x, y = rng.normal(0, 0.012, 2)
        rest = Pose(float(x), float(y), float(rng.uniform(0.96, 1.04)), float(rng.normal(0, 2)))
        return cls(rest, rng.uniform(0.3, 0.9, 3), rng.uniform(0, 2 * np.pi, 3))

    def at(self, seconds: float) -> Pose:
        x, y, roll = np.sin(2 * np.pi * self.rates * seconds + self.phases)
        rest = self.rest
        return Pose(rest.x + 0.012 * x, rest.y + 0.008 * y, rest.scale, rest.roll + 2.5 * roll)


def film(
    look: Appearance, emotion: str, speech: Speech, *, size: int, frame_rate: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Film a speaker saying a sentence.

    Args:
        look: Who is seen.
        emotion: What the face shows, one of :data:`~emofuse.corpora.demo.scenario.EMOTIONS`.
        speech: The sound; its length is the film's.
        size: Height and width of a frame in pixels.
        frame_rate: Frames per second.
        rng: Source of the background, the movements and the noise of the camera.

    Yields:
        Frames of shape (size, size, 3), RGB, uint8; at least two.
    """
    fine = 3 if size <= 128 else 2  # drawn larger and averaged down, for smooth edges
    room = paint_room(size * fine, rng)
    apex, sway = EXPRESSIONS[emotion].varied(rng), _Sway.drawn(rng)
    light, blinks = rng.uniform(0.86, 1.1), _blink_times(speech.duration, rng)
    count = max(2, round(speech.duration * frame_rate))
    times = np.arange(count) / frame_rate
    mouth = speech.mouth(times)
    for seconds, opening in zip(times, mouth, strict=True):
        felt = Expression().towards(apex, _strength(seconds / speech.duration))
        shut = float(np.clip(1 - np.abs(seconds - blinks) / (_BLINK_SECONDS / 2), 0, 1).max(initial=0))
        pose = _trembling(sway.at(seconds), felt.tremble, rng)
        drawn = draw_face(room, look, felt, pose, speech=float(opening), blink=shut).reduce(fine)
        noise = rng.normal(0, _SENSOR_NOISE, (size, size, 1))
        yield np.clip(np.asarray(drawn) * light + noise, 0, 255).astype(np.uint8)


def _strength(position: float) -> float:
    """How far the expression stands at a place in the clip (0 to 1): it rises, stays, and relaxes."""
    ramp = min(1.0, position / _RISE, (1 - position) / _RELAX)
    smooth = ramp * ramp * (3 - 2 * ramp)
    return _LEFT_AT_EDGES + (1 - _LEFT_AT_EDGES) * smooth


def _blink_times(duration: float, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0, duration, rng.poisson(0.4 * duration))


def _trembling(pose: Pose, depth: float, rng: np.random.Generator) -> Pose:
    x, y = 0.3 * depth * rng.standard_normal(2)
    return Pose(pose.x + float(x), pose.y + float(y), pose.scale, pose.roll)
