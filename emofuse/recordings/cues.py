"""Cues of subtitles as utterances: overlaps, repetitions and missing times put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from emofuse.recordings.cue_text import CuePart, names_of, plain_lines, spoken_parts
from emofuse.recordings.spoken import Spoken, join_continued

CHARACTERS_PER_SECOND = 15.0  # of speech, where a cue does not say how long it takes
SHORTEST_GUESS = 0.6
SHORTEST = 0.05  # seconds; nothing is said in less
ROLLING = 0.15  # seconds between cues that roll, the lines of one shown again in the next
JOIN_PAUSE, JOIN_LONGEST = 0.35, 20.0  # seconds


@dataclass(frozen=True)
class Cue:
    """A cue as its file has it.

    Attributes:
        start: seconds.
        end: seconds.
        raw: text with its markup.
        name: that a field of its own gives.
        is_spoken: whether somebody says it; the names of ASS styles tell signs and songs.
    """

    start: float
    end: float
    raw: str
    name: str | None = None
    is_spoken: bool = True


@dataclass(frozen=True)
class ReadCues:
    """What subtitles say.

    Attributes:
        spoken: in order of time.
        silent: cues that hold music, sounds or signs alone.
        guessed: cues whose end had to be guessed from their length.
    """

    spoken: list[Spoken]
    silent: int
    guessed: int


def utterances_of(cues: Sequence[Cue]) -> ReadCues:
    """Turn cues into what is said: one utterance for each sentence that a person says.

    A cue with several speakers is divided by the lengths of their texts. A cue that ends where it begins, or before,
    gets the time that its text takes to say, up to the next cue. The same words shown twice at once (layers of ASS) are
    one, and so are lines that roll from cue to cue. A sentence over several cues becomes one utterance.
    """
    ordered = sorted(cues, key=lambda cue: (cue.start, cue.end))
    lines = _without_rolling(ordered, [plain_lines(cue.raw) for cue in ordered])
    names = names_of(own for cue, own in zip(ordered, lines, strict=True) if cue.is_spoken)
    spoken: list[Spoken] = []
    silent = guessed = 0
    for place, (cue, cue_lines) in enumerate(zip(ordered, lines, strict=True)):
        parts = spoken_parts(cue_lines, names) if cue.is_spoken else []
        if not parts:
            silent += bool(plain_lines(cue.raw))
            continue
        if cue.end - cue.start < SHORTEST:
            guessed += 1
            cue = replace(cue, end=_guessed_end(cue, parts, ordered[place + 1 :]))
        spoken += _divided(cue, parts)
    spoken = _without_doubles(spoken)
    return ReadCues(join_continued(spoken, JOIN_PAUSE, JOIN_LONGEST), silent, guessed)


def _divided(cue: Cue, parts: Sequence[CuePart]) -> list[Spoken]:
    """A cue's time shared out among those who speak in it, by the lengths of what they say."""
    total = sum(len(part.text) for part in parts)
    divided, begun = [], cue.start
    for part in parts:
        end = begun + (cue.end - cue.start) * len(part.text) / total
        divided.append(Spoken(begun, end, part.speaker or cue.name, part.text))
        begun = end
    return divided


def _guessed_end(cue: Cue, parts: Sequence[CuePart], following: Sequence[Cue]) -> float:
    takes = max(SHORTEST_GUESS, sum(len(part.text) for part in parts) / CHARACTERS_PER_SECOND)
    later = next((other.start for other in following if other.start > cue.start), None)
    return cue.start + takes if later is None else max(min(cue.start + takes, later), cue.start + SHORTEST)


def _without_rolling(
    cues: Sequence[Cue], lines: Sequence[list[tuple[str | None, str]]]
) -> list[list[tuple[str | None, str]]]:
    """Lines that the cue before showed already are left out, as in captions that roll up."""
    fresh: list[list[tuple[str | None, str]]] = []
    for place, own in enumerate(lines):
        shown = lines[place - 1] if place and cues[place].start - cues[place - 1].end <= ROLLING else []
        repeated = next((n for n in range(min(len(own), len(shown)), 0, -1) if shown[-n:] == own[:n]), 0)
        # The same cue twice at once is no rolling, but a layer; it is found by its words and times.
        at_once = place and cues[place].start < cues[place - 1].end - ROLLING
        fresh.append(own if at_once else own[repeated:])
    return fresh


def _without_doubles(spoken: Sequence[Spoken]) -> list[Spoken]:
    kept: list[Spoken] = []
    for piece in sorted(spoken, key=lambda one: (one.start, one.end)):
        double = next(
            (i for i in range(len(kept) - 1, max(-1, len(kept) - 9), -1) if _is_same(kept[i], piece)), None
        )
        if double is None:
            kept.append(piece)
        else:
            kept[double] = replace(kept[double], end=max(kept[double].end, piece.end))
    return kept


def _is_same(one: Spoken, other: Spoken) -> bool:
    return one.text == other.text and one.speaker == other.speaker and other.start < one.end
