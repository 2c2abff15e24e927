"""A source-filter voice: glottal pulses and noise through the formants of the sentence's vowels.

The synthesis is Klatt's cascade in outline (D. H. Klatt, "Software for a cascade/parallel formant
synthesizer", JASA 67, 1980) with Rosenberg's polynomial glottal pulse, cut down to what carries an emotion.
Consonants are rough: what is said can hardly be made out, how it is said can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import lfilter, sosfilt

from emofuse.corpora.demo.cast import VoiceTraits
from emofuse.corpora.demo.prosody import Prosody, emotional_prosody, pitch_curve
from emofuse.corpora.demo.syllables import Syllable, babble, syllables
from emofuse.data.sampling_rate import RATE

SHORTEST, LONGEST = 1.2, 2.4
"""Limits of a clip's length in seconds; a sentence too long for it is spoken faster."""

_FORMANTS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "a": (740, 1180, 2500),
        "e": (540, 1800, 2500),
        "i": (310, 2200, 2950),
        "o": (540, 900, 2450),
        "u": (350, 950, 2300),
    }
)
_HUM = (280.0, 1150.0, 2300.0)
_BANDWIDTHS = np.array([80.0, 100.0, 150.0, 250.0])
_FOURTH_FORMANT = 3500.0
_OPENNESS: Mapping[str, float] = MappingProxyType({"a": 1.0, "e": 0.7, "i": 0.45, "o": 0.8, "u": 0.45})
_SYLLABLES_PER_SECOND = 6.6
_PAUSE = 0.8
"""Length of a pause for breath in syllables: the same in every emotion, for lips show pauses too."""
_MARGIN = 0.10
_HOP = RATE // 100


@dataclass(frozen=True)
class Speech:
    """A spoken sentence.

    Attributes:
        samples: Mono float32 in [-1, 1] at :data:`RATE`, shape (n,).
        openness: How open the mouth is, 0 to 1, once per hundredth of a second. The opening follows the
            sound but not its loudness, so that lips tell words and not the voice's emotion.
    """

    samples: np.ndarray
    openness: np.ndarray

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE

    def mouth(self, seconds: np.ndarray) -> np.ndarray:
        """Opening of the mouth at the given times, same shape, 0 to 1."""
        return np.interp(seconds, np.arange(len(self.openness)) * _HOP / RATE, self.openness)


@dataclass(frozen=True)
class _Timeline:
    """Where each syllable lies, in samples: onset of the consonant, start and end of the vowel."""

    syllables: list[Syllable]
    starts: np.ndarray
    vowels: np.ndarray
    ends: np.ndarray
    total: int


def speak(text: str, emotion: str, voice: VoiceTraits, rng: np.random.Generator) -> Speech:
    """Say a sentence in the manner of an emotion.

    Args:
        text: What is said; its letters choose the syllables.
        emotion: One of :data:`~emofuse.corpora.demo.scenario.EMOTIONS`.
        voice: Who says it.
        rng: Source of the small variations between utterances.

    Returns:
        Between :data:`SHORTEST` and :data:`LONGEST` seconds of speech. The peak depends on the speaker's
        level and the emotion's loudness alone, so loudness stays a cue.
    """
    prosody = emotional_prosody(emotion, rng)
    timeline = _timeline(babble(syllables(text), rng), prosody, voice, rng)
    strength, hiss = _envelopes(timeline, prosody)
    pulses = _glottal_pulses(_pitch(timeline, prosody, voice), prosody, rng)
    breath = (prosody.breath + 0.5 * voice.breath) * 0.25 * rng.standard_normal(timeline.total)
    voiced = _through_formants((pulses + breath) * strength, _formant_track(timeline, voice))
    voiced /= np.abs(voiced).max() + 1e-9
    sound = voiced + 0.10 * hiss * np.diff(rng.standard_normal(timeline.total + 1))
    sound *= voice.level * min(prosody.loudness, 1.0) / np.abs(sound).max()
    room = 0.0008 * rng.standard_normal(timeline.total)
    return Speech((0.95 * sound + room).astype(np.float32), _openness(timeline))


def _timeline(
    parts: list[Syllable], prosody: Prosody, voice: VoiceTraits, rng: np.random.Generator
) -> _Timeline:
    pace = _SYLLABLES_PER_SECOND * voice.speed * prosody.tempo
    lengths = rng.uniform(0.85, 1.15, len(parts)) / pace
    lengths[-1] *= 1.4  # the last syllable of a phrase is drawn out in most languages
    pauses = _PAUSE / pace * _pauses(parts, rng)
    spoken = lengths.sum() + pauses.sum()
    squeeze = min(1.0, (LONGEST - 2 * _MARGIN) / spoken)
    ends = np.cumsum(lengths + pauses) - pauses
    margin = max(_MARGIN, (SHORTEST - spoken * squeeze) / 2)
    consonants = np.array([0.0 if part.onset == "none" else 0.35 for part in parts])
    starts = ends - lengths
    total = round((2 * margin + squeeze * spoken) * RATE)
    marks = np.stack([starts, starts + consonants * lengths, ends])
    first, vowel, last = ((margin + squeeze * marks) * RATE).astype(int)
    return _Timeline(parts, first, vowel, last, total)


def _pauses(parts: list[Syllable], rng: np.random.Generator) -> np.ndarray:
    """Where the speaker draws breath, as 0 and 1 per syllable: after some words, one for every six syllables.

    Commas are not heard: how many a sentence has depends on its phrase, hence on the emotion of the words.
    """
    places = [i for i, part in enumerate(parts[:-1]) if part.ends_word]
    chosen = rng.permutation(places)[: len(parts) // 6]
    return np.isin(np.arange(len(parts)), chosen).astype(float)


def _envelopes(timeline: _Timeline, prosody: Prosody) -> tuple[np.ndarray, np.ndarray]:
    """Strength of the voice and of the consonants' noise, each shape (samples,)."""
    strength, hiss = np.zeros(timeline.total), np.zeros(timeline.total)
    attack = max(1, int(prosody.attack * RATE))
    for part, start, vowel, end in zip(
        timeline.syllables, timeline.starts, timeline.vowels, timeline.ends, strict=True
    ):
        place = np.arange(end - vowel)
        fade = 0.55 if part.coda else 0.25
        strength[vowel:end] = np.minimum(1, (place + 1) / attack) * (1 - fade * place / max(1, end - vowel))
        if part.onset == "sonorant":
            strength[start:vowel] = 0.35
        elif part.onset == "fricative":
            hiss[start:vowel] = 1.0
        elif part.onset == "stop":
            hiss[max(start, vowel - RATE // 80) : vowel] = 1.5
    return uniform_filter1d(strength, RATE // 100), uniform_filter1d(hiss, RATE // 200)


def _pitch(timeline: _Timeline, prosody: Prosody, voice: VoiceTraits) -> np.ndarray:
    """Fundamental frequency in Hz at every sample, shape (samples,)."""
    sample = np.arange(timeline.total)
    index = np.clip(np.searchsorted(timeline.starts, sample, side="right") - 1, 0, None)
    start, end = timeline.starts[index], timeline.ends[index]
    within = np.clip((sample - start) / np.maximum(1, end - start), 0, 1)
    first, last = timeline.starts[0], timeline.ends[-1]
    position = np.clip((sample - first) / max(1, last - first), 0, 1)
    semitones = pitch_curve(prosody, position, within, index, sample / RATE)
    return voice.pitch * 2 ** (uniform_filter1d(semitones, RATE // 40, mode="nearest") / 12)


def _glottal_pulses(pitch: np.ndarray, prosody: Prosody, rng: np.random.Generator) -> np.ndarray:
    """Derivative of the glottal flow under the emotion's spectral tilt, shape (samples,)."""
    pulse = np.cumsum(pitch / RATE).astype(int)
    pitch = pitch * (1 + prosody.roughness * rng.standard_normal(pulse[-1] + 1)[pulse])
    phase = np.cumsum(pitch / RATE)
    opened = (phase % 1.0) / 0.6
    flow = np.where(opened < 1, 6.75 * opened**2 * (1 - opened), 0.0)
    pulse = np.minimum(phase.astype(int), len(phase))
    shimmer = 1 + 3 * prosody.roughness * rng.standard_normal(pulse[-1] + 1)[pulse]
    decay = np.exp(-2 * np.pi * prosody.tilt / RATE)
    source = np.diff(flow, prepend=0.0) * RATE / pitch / 4
    return np.asarray(lfilter([1 - decay], [1, -decay], source * shimmer)) / (1 - decay)


def _formant_track(timeline: _Timeline, voice: VoiceTraits) -> np.ndarray:
    """Formant frequencies in Hz, shape (hops, 4), gliding from syllable to syllable."""
    hops = -(-timeline.total // _HOP)
    track = np.empty((hops, 4))
    track[:] = (*_HUM, _FOURTH_FORMANT)
    for part, start, vowel, end in zip(
        timeline.syllables, timeline.starts, timeline.vowels, timeline.ends, strict=True
    ):
        track[start // _HOP : vowel // _HOP, :3] = _HUM
        track[vowel // _HOP : end // _HOP + 1, :3] = _FORMANTS[part.vowel]
    return np.minimum(uniform_filter1d(track, 5, axis=0) * voice.formants, 0.45 * RATE)


def _through_formants(source: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Cascade of four resonators (Klatt's, gain 1 at 0 Hz), their frequencies constant within a hop."""
    radius = np.exp(-np.pi * _BANDWIDTHS / RATE)
    b = 2 * radius * np.cos(2 * np.pi * track / RATE)
    c = np.broadcast_to(-(radius**2), b.shape)
    zero, one = np.zeros_like(b), np.ones_like(b)
    sections = np.stack([1 - b - c, zero, zero, one, -b, -c], axis=-1)
    state, filtered = np.zeros((4, 2)), np.empty_like(source)
    for hop, sos in enumerate(sections):
        block = slice(hop * _HOP, (hop + 1) * _HOP)
        filtered[block], state = sosfilt(sos, source[block], zi=state)
    return filtered


def _openness(timeline: _Timeline) -> np.ndarray:
    wide = np.zeros(timeline.total)
    for part, vowel, end in zip(timeline.syllables, timeline.vowels, timeline.ends, strict=True):
        wide[vowel:end] = _OPENNESS[part.vowel]
    opened = np.maximum(uniform_filter1d(wide, RATE // 20)[::_HOP], 0.0)
    return opened / max(1e-9, float(opened.max()))
