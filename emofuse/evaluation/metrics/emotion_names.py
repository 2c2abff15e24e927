"""One emotion under the names that corpora give it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SAME_EMOTION: Mapping[str, str] = MappingProxyType(
    {
        "happy": "joy",
        "happiness": "joy",
        "joyful": "joy",
        "hap": "joy",
        "sad": "sadness",
        "angry": "anger",
        "ang": "anger",
        "surprised": "surprise",
        "sur": "surprise",
        "afraid": "fear",
        "fearful": "fear",
        "scared": "fear",
        "fea": "fear",
        "disgusted": "disgust",
        "dis": "disgust",
        "excited": "excitement",
        "exc": "excitement",
        "frustrated": "frustration",
        "fru": "frustration",
        "bored": "boredom",
        "neu": "neutral",
        "no emotion": "neutral",
        "pos": "positive",
        "neg": "negative",
    }
)
"""Other form → noun. Excitement is not joy here, nor calm neutral: corpora that have both tell them apart."""


def emotion_name(label: str) -> str:
    """The noun for an emotion, in small letters; a name that is not known stays, in small letters."""
    known = label.strip().casefold()
    return SAME_EMOTION.get(known, known)
