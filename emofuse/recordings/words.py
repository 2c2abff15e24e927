"""Words with their times, and the utterances that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from emofuse.recordings.settings import SegmentSettings
from emofuse.recordings.spoken import Spoken, ends_sentence

NEAR = 0.4  # seconds that a word may lie beside what is heard as speech; times of words are not exact
LONGEST_WORD = 2.0  # seconds; a word that a recogniser stretches over a pause ends here


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is heard.

    Attributes:
        start: seconds of the recording's clock.
        end: seconds.
        text: with its punctuation, and the space before it where its script has one.
    """

    start: float
    end: float
    text: str


def heard_words(words: Sequence[Word], spans: Sequence[tuple[float, float]]) -> list[Word]:
    """The words that lie in speech or beside it; others are made up out of silence or noise.

    Args:
        words: in order of time.
        spans: (start, end) of speech in seconds, in order.
    """
    kept, place = [], 0
    for word in words:
        middle = (word.start + word.end) / 2
        while place < len(spans) and spans[place][1] + NEAR < middle:
            place += 1
        if place < len(spans) and spans[place][0] - NEAR <= middle:
            kept.append(word)
    return kept


def utterances_of_words(words: Sequence[Word], settings: SegmentSettings) -> list[Spoken]:
    """Sentences, and what pauses divide.

    An utterance ends with a sentence, or where nothing is said for ``pause`` seconds. One longer than ``longest`` is divided
    at its longest pause; one shorter than ``min_speech`` joins what follows without a pause, or is left out.

    Args:
        words: in order of time.
        settings: the lengths.
    """
    groups: list[list[Word]] = []
    for word in words:
        before = groups[-1][-1] if groups else None
        is_new = before is None or word.start - _end(before) >= settings.pause or ends_sentence(before.text)
        if is_new and not (groups and _is_too_short(groups[-1], word, settings)):
            groups.append([])
        groups[-1].append(word)
    parts = [part for group in groups for part in _divided(group, settings.longest)]
    spoken = [_spoken(part) for part in parts]
    return [one for one in spoken if one.text and one.seconds >= settings.min_speech]


def _is_too_short(group: Sequence[Word], following: Word, settings: SegmentSettings) -> bool:
    seconds = _end(group[-1]) - group[0].start
    return seconds < settings.min_speech and following.start - _end(group[-1]) < settings.pause


def _end(word: Word) -> float:
    return min(word.end, word.start + LONGEST_WORD)


def _divided(group: list[Word], longest: float) -> list[list[Word]]:
    """A group as pieces of at most ``longest`` seconds, cut at the longest pauses that are not at its edges."""
    if len(group) < 2 or _end(group[-1]) - group[0].start <= longest:
        return [group]
    begin, seconds = group[0].start, _end(group[-1]) - group[0].start
    # A pause near the middle counts more, or a word would be cut off alone.
    gaps = [
        (after.start - _end(before) + 0.05) * min(after.start - begin, begin + seconds - after.start)
        for before, after in pairwise(group)
    ]
    cut = max(range(len(gaps)), key=lambda i: gaps[i]) + 1
    return [*_divided(group[:cut], longest), *_divided(group[cut:], longest)]


def _spoken(words: Sequence[Word]) -> Spoken:
    text = " ".join("".join(word.text for word in words).split())
    return Spoken(words[0].start, max(_end(words[-1]), words[0].start + 0.02), None, text)
