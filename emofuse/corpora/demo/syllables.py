"""From letters to syllables: a rough reading of a sentence, so that words and sound share their rhythm."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

Onset = Literal["none", "stop", "fricative", "sonorant"]

_VOWELS = "aeiouy"
_STOPS = frozenset("pbtdkgqcx")
_FRICATIVES = frozenset("fvszhj")
_WORD = re.compile(r"[^\W\d_]+")
_SYLLABLE = re.compile(rf"([^{_VOWELS}]*)([{_VOWELS}]+)([^{_VOWELS}]*$)?")


@dataclass(frozen=True)
class Syllable:
    """One vowel with the consonants around it.

    Attributes:
        vowel: One of a, e, i, o, u.
        onset: Kind of the consonant before the vowel.
        coda: Whether a consonant closes the syllable.
        opens_word: Whether a word begins here.
        ends_word: Whether a word ends here.
    """

    vowel: str
    onset: Onset
    coda: bool
    opens_word: bool
    ends_word: bool


def syllables(text: str) -> list[Syllable]:
    """The syllables of a sentence; at least one, whatever the text is."""
    found = [part for word in _WORD.findall(_to_latin(text)) for part in _of_word(word)]
    return found or [Syllable("a", "none", coda=False, opens_word=True, ends_word=True)]


def babble(parts: Sequence[Syllable], rng: np.random.Generator) -> list[Syllable]:
    """Redraw which vowel and which consonant stands for which, once for the whole utterance.

    Rhythm and repetitions stay those of the sentence, but its words can no longer be told from the
    sound: otherwise the spectrum of a few telling words would carry the text's emotion into the voice.
    """
    vowels = dict(zip("aeiou", rng.permutation(list("aeiou")), strict=True))
    kinds: tuple[Onset, ...] = get_args(Onset)
    onsets = dict(zip(kinds, rng.permutation(kinds), strict=True))
    return [replace(part, vowel=str(vowels[part.vowel]), onset=onsets[part.onset]) for part in parts]


def _of_word(word: str) -> list[Syllable]:
    spoken = word[:-1] if len(word) > 3 and word.endswith("e") and word[-2] not in _VOWELS + "l" else word
    groups = _SYLLABLE.findall(spoken) or [("", "a" if len(spoken) > 1 else "e", spoken)]
    return [
        Syllable(
            vowel="i" if vowels[0] == "y" else vowels[0],
            onset=_onset(onset),
            coda=bool(coda),
            opens_word=i == 0,
            ends_word=i == len(groups) - 1,
        )
        for i, (onset, vowels, coda) in enumerate(groups)
    ]


def _onset(letters: str) -> Onset:
    if not letters:
        return "none"
    if letters[-1] in _FRICATIVES or letters in ("sh", "th", "ch"):
        return "fricative"
    return "stop" if letters[-1] in _STOPS else "sonorant"


def _to_latin(text: str) -> str:
    """Lower case without accents; a letter of another script becomes a Latin one picked by its code."""
    bare = (c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return "".join(_letter(c) for c in bare)


def _letter(character: str) -> str:
    if character.isascii() or not character.isalpha():
        return character
    code = ord(character)
    return _VOWELS[code % 5] if code % 2 else "ptkmnls"[code % 7]
