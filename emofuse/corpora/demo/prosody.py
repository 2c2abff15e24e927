"""How each emotion bends a voice: level, range and shape of the pitch, tempo, loudness, timbre, tremor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True)
class Prosody:
    """An emotional manner of speaking, relative to the speaker's usual voice.

    Attributes:
        level: Mean pitch, in semitones above the usual one.
        slope: Change of pitch from the first syllable to the last, in semitones.
        rise: Further rise over the last third, in semitones.
        accent: Swing of the pitch within each syllable, in semitones; below 0 it falls.
        bounce: Alternation of the pitch from syllable to syllable, in semitones.
        tempo: Syllables per second, as a multiple of the speaker's.
        loudness: Peak amplitude, 1 for the loudest manner.
        tilt: Corner of the glottal low-pass, in Hz: the higher, the brighter.
        breath: Noise added to the glottal source, as a share of it.
        tremor: Depth of a 7 Hz wobble of the pitch, in semitones.
        roughness: Random change of pitch and strength from one glottal pulse to the next, as a share.
        attack: Time in which a vowel reaches its strength, in seconds.
    """

    level: float = 0.0
    slope: float = -1.5
    rise: float = 0.0
    accent: float = 0.4
    bounce: float = 0.0
    tempo: float = 0.95
    loudness: float = 0.40
    tilt: float = 1100.0
    breath: float = 0.05
    tremor: float = 0.0
    roughness: float = 0.01
    attack: float = 0.03


PROSODIES: Mapping[str, Prosody] = MappingProxyType(
    {
        "neutral": Prosody(),
        "joy": Prosody(level=6, slope=0, accent=3.0, bounce=7.0, tempo=1.25, loudness=0.72, tilt=2700),
        "sadness": Prosody(
            level=-3,
            slope=-5,
            accent=-0.5,
            tempo=0.74,
            loudness=0.14,
            tilt=450,
            breath=0.3,
            attack=0.08,
        ),
        "anger": Prosody(
            level=2,
            slope=-1,
            accent=-6.0,
            tempo=1.1,
            loudness=1.0,
            tilt=4500,
            roughness=0.12,
            attack=0.01,
        ),
        "fear": Prosody(
            level=10,
            slope=1,
            accent=0.3,
            tempo=1.4,
            loudness=0.30,
            tilt=900,
            breath=0.6,
            tremor=2.2,
        ),
        "surprise": Prosody(level=0, slope=3, rise=15, accent=1.0, tempo=0.9, loudness=0.62, tilt=1700),
    }
)
"""The manner of each emotion."""


def emotional_prosody(emotion: str, rng: np.random.Generator) -> Prosody:
    """An emotion's prosody as one utterance has it: each trait a few percent off."""
    typical = PROSODIES[emotion]
    return replace(
        typical, **{f.name: getattr(typical, f.name) * rng.normal(1, 0.06) for f in fields(typical)}
    )


def pitch_curve(
    prosody: Prosody, position: np.ndarray, within: np.ndarray, syllable: np.ndarray, seconds: np.ndarray
) -> np.ndarray:
    """Pitch in semitones relative to the speaker's usual one.

    Args:
        prosody: The manner of speaking.
        position: Place in the utterance, 0 to 1, shape (samples,).
        within: Place in the syllable, 0 to 1, shape (samples,).
        syllable: Index of the syllable, shape (samples,).
        seconds: Time, shape (samples,).
    """
    last_third = np.clip((position - 0.67) / 0.33, 0, 1)
    accents = prosody.accent * (np.sin(np.pi * within) if prosody.accent > 0 else within - 0.5)
    bounce = prosody.bounce * np.where(syllable % 2 == 0, 0.5, -0.5)
    tremor = prosody.tremor * np.sin(2 * np.pi * 7.0 * seconds)
    line = prosody.level + prosody.slope * (position - 0.5) + prosody.rise * last_third**1.3
    return line + accents + bounce + tremor
