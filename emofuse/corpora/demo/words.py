"""The sentences of the demo corpus: phrases whose sense carries an emotion, around a topic that carries none.

A sentence is a filler of the speaker or none, an interjection of the emotion or none, and a phrase of the
emotion with a topic in it; now and then it is one of a few stock sentences instead, so that identical texts
stand in different dialogues, as they do in recorded ones. :func:`distinct_texts` counts what can come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from emofuse.corpora.demo.cast import FILLERS

TOPICS: tuple[str, ...] = (
    "the exam", "the new flat", "our trip", "the café", "my job", "the phone call", "the party", "the train",
    "his letter", "the garden", "the house", "our team", "the concert", "her visit", "the parcel", "the show",
    "Tromsø", "the dinner", "the car", "the dog", "São Paulo", "the boss", "the plan", "the news",
)  # fmt: skip

_PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "neutral": (
            "{} is on the list, page two", "notes on {} are on the desk", "{} is on the list for Monday",
            "the notes say {} is on Monday", "{} is on page four", "page three is about {}, as usual",
            "as usual, {} is on the list", "the list for {} is on page two", "{} is on Monday, as usual",
            "notes on {} are on page four", "on Monday we list {}", "the desk has notes on {}",
            "note {} on the list for Monday", "the page about {} is on the desk",
        ),
        "joy": (
            "I am so happy, I love {}", "{} was wonderful fun", "I love {}, so much fun",
            "I am happy, {} was wonderful", "{} makes me smile, I love it", "I am glad, {} is fun",
            "we had wonderful fun with {}", "happy, happy, {} is great fun", "I love it, {} is wonderful",
            "so glad, {} was wonderful", "I am glad and happy about {}", "I smile, {} was so much fun",
            "smile, {} is wonderful", "so happy, I love {}",
        ),
        "sadness": (
            "I miss {}, I am so sad", "I cried, it hurts, I miss {}", "{} hurts, I am so lonely",
            "I am lonely and I miss {}", "it hurts me so, I lost {}", "I am sad, I lost {}", "I cried and cried, I miss {}",
            "sad, {} hurts and I cried", "we lost {}, I cried, it hurts", "I am lonely, I lost {}",
            "I feel sad, I miss {}", "so sad, {} hurts me", "lonely and sad, I cried about {}",
            "I cried because I lost {}",
        ),
        "anger": (
            "I hate {}, stop it", "I am sick of {}, shut up", "shut up, {} is stupid",
            "I hate it, {} makes me furious", "stop it, I just hate {}", "stupid idiot, I hate {}",
            "you stupid idiot, stop {}", "I am furious, I hate {}", "furious and sick of stupid {}",
            "shut up, you idiot, I hate {}", "shut up, I am sick of {}", "{} is so stupid, stop it",
            "I am sick of it, stop {}", "stupid {}, shut up about it",
        ),
        "fear": (
            "I am so scared, {} is dangerous", "I am afraid, help, hide {}", "help, {} is dangerous",
            "help, I am scared of {}", "I am scared and afraid of {}", "run, I am scared of {}",
            "{} is so dangerous, run", "I am afraid, {} is dangerous", "run and hide, hide from {}",
            "hide, I am afraid of {}", "{} is a danger, help me hide", "scared, so scared of {}, run",
            "help me run, I am afraid of {}", "scared, I hide from {}",
        ),
        "surprise": (
            "I never expected {}, really", "really, I can't believe {}", "{} is unbelievable, what",
            "what, really, {}", "{} came suddenly, no idea", "what, {}, unbelievable",
            "no idea, really, {}", "really, I never expected {}", "no idea, {} came so suddenly",
            "suddenly {}, unbelievable", "unexpected, really, {}", "no idea, I never expected {}",
            "what, I never expected {}", "what, suddenly {}",
        ),
    }
)  # fmt: skip

_INTERJECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "neutral": ("Noted", "Fine", "Alright"),
        "joy": ("Yay", "Hooray", "Haha"),
        "sadness": ("Alas", "Oh dear", "Sigh"),
        "anger": ("Argh", "Damn it", "Oh shut up"),
        "fear": ("Oh no", "Eek", "Help"),
        "surprise": ("Oh wow", "Whoa", "What"),
    }
)

_STOCK: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "neutral": ("It is on the list as usual.", "The notes are on the desk."),
        "joy": ("Yay, I am so happy!", "I love it, how wonderful!"),
        "sadness": ("I am so sad and lonely.", "It hurts, I cried…"),
        "anger": ("Shut up, I hate it!", "Stop it, I am furious!"),
        "fear": ("Help, I am so scared!", "Oh no, I am terrified…"),
        "surprise": ("Wow, unbelievable!", "I never expected it, really!"),
    }
)

_MARKS: tuple[str, ...] = (".", "!", "…")
"""How a sentence may end, whatever its emotion."""

_STOCK_CHANCE = 0.08
_FILLER_CHANCE = 0.5
_INTERJECTION_CHANCE = 0.6


def compose(emotion: str, fillers: tuple[str, str], rng: np.random.Generator) -> str:
    """Draw a sentence whose words show an emotion.

    Args:
        emotion: One of :data:`~emofuse.corpora.demo.scenario.EMOTIONS`.
        fillers: The speaker's two favourite fillers.
        rng: Source of the draws.
    """
    if rng.random() < _STOCK_CHANCE:
        return _pick(_STOCK[emotion], rng)
    phrase = _pick(_PHRASES[emotion], rng).format(_pick(TOPICS, rng))
    parts = []
    if rng.random() < _FILLER_CHANCE:
        parts.append(_pick(fillers, rng))
    if rng.random() < _INTERJECTION_CHANCE:
        parts.append(_pick(_INTERJECTIONS[emotion], rng))
    return _join([*parts, phrase]) + _pick(_MARKS, rng)


def distinct_texts() -> int:
    """How many different texts :func:`compose` can return over all speakers."""
    made = {
        _join([part for part in (filler, interjection, phrase.format(topic)) if part])
        for emotion, phrases in _PHRASES.items()
        for phrase in phrases
        for topic in TOPICS
        for interjection in ("", *_INTERJECTIONS[emotion])
        for filler in ("", *FILLERS)
    }
    return len(made) * len(_MARKS) + sum(len(stock) for stock in _STOCK.values())


def _join(parts: list[str]) -> str:
    sentence = ", ".join([parts[0], *(_lowered(part) for part in parts[1:])])
    return sentence[0].upper() + sentence[1:]


def _lowered(part: str) -> str:
    """A part that no longer opens the sentence; the pronoun keeps its capital."""
    word = part.split(" ", 1)[0].rstrip(",")
    return part if word in ("I", "Tromsø", "São") else part[0].lower() + part[1:]


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[rng.integers(len(choices))]
