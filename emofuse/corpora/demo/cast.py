"""The speakers of the demo corpus: their names, looks, voices and habits.

Speakers talk in fixed pairs, as in the sessions of acted corpora. What tells them apart says nothing of an
emotion; only their habits (two favoured emotions each) tie a person to what that person feels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from emofuse.corpora.demo.scenario import EMOTIONS

NAMES: tuple[str, ...] = (
    "Zoë", "Łukasz", "Amara", "Søren", "María José", "Jürgen", "李娜", "Юрий", "Fatima", "Owen", "Δήμητρα", "さくら",
    "Noémie", "Kwame", "Þórdís", "Đức", "Ayşe", "Pádraig", "Priya", "محمد", "Renée", "Čeněk", "Hannah", "João",
    "Ingrid", "Tendai", "François", "Olga", "नेहा", "Mateo", "Siobhán", "Ömer", "Åsa", "王伟", "Leilani", "Noah",
    "Żaneta", "Emeka", "Íñigo", "Γιώργος", "Chloë", "דוד", "Lúcia", "Björn", "Aroha", "민준", "Émile", "Ludmiła",
)  # fmt: skip

FILLERS: tuple[str, ...] = (
    "Well", "So", "You know", "Look", "Erm", "Right", "Listen", "Hmm", "I mean", "Okay", "Honestly", "Anyway",
    "Ach", "Voilà", "Naja", "Ehm",
)  # fmt: skip

_T = TypeVar("_T")

HairStyle = Literal["short", "long", "curly", "bun", "bald", "fringe"]

Colour = tuple[int, int, int]
_SKINS: tuple[Colour, ...] = (
    (250, 218, 190), (236, 188, 150), (214, 160, 118), (178, 122, 84), (134, 88, 60), (96, 62, 44),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (38, 30, 30), (78, 50, 34), (128, 80, 44), (206, 160, 88), (168, 74, 40), (168, 166, 170), (84, 62, 110),
)  # fmt: skip
_STYLES: tuple[HairStyle, ...] = ("short", "long", "curly", "bun", "fringe", "bald")


@dataclass(frozen=True)
class Appearance:
    """How a speaker is drawn: colours as RGB, lengths relative to the usual face."""

    skin: Colour
    hair: Colour
    clothes: Colour
    iris: Colour
    hair_style: HairStyle
    width: float
    jaw: float
    nose: float
    brow_weight: float
    eye_spacing: float
    mouth_width: float
    glasses: bool
    beard: bool
    freckles: bool


@dataclass(frozen=True)
class VoiceTraits:
    """How a speaker sounds: pitch in Hz, formants and speed relative to the usual voice, the rest in [0, 1]."""

    pitch: float
    formants: float
    breath: float
    speed: float
    level: float


@dataclass(frozen=True)
class Speaker:
    """One person of the corpus; ``favourites`` are indices into :data:`EMOTIONS`."""

    name: str
    pair: str
    favourites: tuple[int, int]
    fillers: tuple[str, str]
    look: Appearance
    voice: VoiceTraits


def make_cast(pairs: int, seed: int) -> list[Speaker]:
    """All speakers, those of pair p at 2p and 2p + 1.

    Args:
        pairs: How many pairs, at most half as many as there are names. With a multiple of three the
            speakers' priors balance.
        seed: Another seed, another cast.
    """
    rng = np.random.default_rng([seed, 1])
    count = 2 * pairs
    names = [NAMES[i] for i in rng.permutation(len(NAMES))[:count]]
    looks = _draw_appearances(count, rng)
    voices = _voices(count, rng)
    favourites = _favourites(count, rng)
    return [
        Speaker(names[i], f"pair{i // 2 + 1:02d}", favourites[i], _pick_fillers(rng), looks[i], voices[i])
        for i in range(count)
    ]


def make_unseen_speaker(seed: int) -> Speaker:
    """A speaker who belongs to no corpus, whatever the seed of that corpus was."""
    rng = np.random.default_rng([seed, 2])
    [look], [voice] = _draw_appearances(1, rng), _voices(1, rng)
    return Speaker(f"stranger {seed}", "stranger", _favourites(1, rng)[0], _pick_fillers(rng), look, voice)


def _favourites(count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Two emotions each; any three successive speakers from a multiple of three on share out all six."""
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        a, b, c, d, e, f = (int(i) for i in rng.permutation(len(EMOTIONS)))
        pairs += [(a, b), (c, d), (e, f)]
    return pairs[:count]


def _pick_fillers(rng: np.random.Generator) -> tuple[str, str]:
    first, second = rng.choice(len(FILLERS), size=2, replace=False)
    return FILLERS[first], FILLERS[second]


def _voices(count: int, rng: np.random.Generator) -> list[VoiceTraits]:
    """Voices whose pitches are spread evenly (in semitones) over 90 to 260 Hz, in random order."""
    steps = (rng.permutation(count) + rng.random(count)) / count
    pitches = 90.0 * (260.0 / 90.0) ** steps
    return [
        VoiceTraits(
            pitch=float(pitch),
            formants=float(0.92 + 0.24 * step + rng.normal(0, 0.02)),  # high voices come from short tracts
            breath=float(rng.uniform(0.0, 0.2)),
            speed=float(rng.uniform(0.92, 1.10)),
            level=float(rng.uniform(0.85, 1.0)),
        )
        for pitch, step in zip(pitches, steps, strict=True)
    ]


def _draw_appearances(count: int, rng: np.random.Generator) -> list[Appearance]:
    """Looks that use every colour and style about equally often."""
    skins, hairs = _deal(_SKINS, count, rng), _deal(_HAIRS, count, rng)
    styles = _deal(_STYLES, count, rng)
    glasses, beards = _deal((True, False, False), count, rng), _deal((True, False, False, False), count, rng)
    return [
        Appearance(
            skin=skins[i],
            hair=hairs[i],
            clothes=_colour(rng, 40, 210),
            iris=_colour(rng, 30, 130),
            hair_style=styles[i],
            width=float(rng.uniform(0.92, 1.08)),
            jaw=float(rng.uniform(0.72, 0.98)),
            nose=float(rng.uniform(0.8, 1.25)),
            brow_weight=float(rng.uniform(0.8, 1.25)),
            eye_spacing=float(rng.uniform(0.95, 1.08)),
            mouth_width=float(rng.uniform(0.92, 1.1)),
            glasses=glasses[i],
            beard=beards[i] and styles[i] not in ("long", "bun"),
            freckles=bool(rng.random() < 0.2),
        )
        for i in range(count)
    ]


def _deal(choices: Sequence[_T], count: int, rng: np.random.Generator) -> list[_T]:
    rounds = -(-count // len(choices))
    return [choices[i % len(choices)] for i in rng.permutation(rounds * len(choices))[:count]]


def _colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(low, high, size=3))
    return red, green, blue
