"""An utterance as it is found in a recording, and lists of them put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from emofuse.errors import EmofuseError

Progress = Callable[[int, int, str], None]
"""Called with how much is done, of how much, and what is being done."""


BY_SOUND = "go by the sound (`emofuse segment --by vad`, `emofuse predict --segment vad`)"


class NoUtteranceError(EmofuseError):
    """No utterance is found in a recording or in its subtitles, or nothing is there that would find one.

    Attributes:
        what: the recording and what is missing.
        advice: what to do, in options of the command line.
        by_sound: whether a way that goes by the sound could still find some.
    """

    def __init__(self, what: str, advice: str, *, by_sound: bool = False) -> None:
        super().__init__(what, advice)
        self.what, self.advice, self.by_sound = what, advice, by_sound

    def __str__(self) -> str:
        return f"{self.what}; {self.advice}"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), by_sound=self.by_sound), (self.what, self.advice)


SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！", "؟", "।")
_CLOSING = "\"'”’»)]"
_TITLES = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "sr.", "jr.", "no.", "mt."})
_WITHOUT_SPACES = ("\u3040", "\u9fff")  # kana and Han are written without spaces between words


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something that somebody says.

    Attributes:
        start: seconds of the recording's clock.
        end: seconds; after ``start``.
        speaker: who says it, by a name or by a number that holds in this recording; None where that is not known.
        text: what is said; None where that is not known.
    """

    start: float
    end: float
    speaker: str | None = None
    text: str | None = None

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.end - self.start


Timed = TypeVar("Timed", bound=Spoken)


def ends_sentence(text: str) -> bool:
    """Whether a text ends as a sentence does; a title such as "Mr." ends none."""
    bare = text.rstrip().rstrip(_CLOSING)
    last = bare.rsplit(maxsplit=1)[-1].lower() if bare else ""
    return bare.endswith(SENTENCE_ENDS) and last not in _TITLES


def joined_texts(first: str | None, second: str | None) -> str | None:
    """Two texts as one, with a space between them where their script has one."""
    if not first or not second:
        return first or second
    low, high = _WITHOUT_SPACES
    return first + ("" if low <= first[-1] <= high and low <= second[0] <= high else " ") + second


def join_continued(spoken: Sequence[Spoken], pause: float, longest: float) -> list[Spoken]:
    """Join what is one sentence spread over several pieces, as subtitles are.

    Args:
        spoken: in order of time.
        pause: seconds between two pieces above which they are not joined.
        longest: seconds that a joined one takes at most.
    """
    joined: list[Spoken] = []
    for piece in spoken:
        before = joined[-1] if joined else None
        if before is not None and _continues(before, piece, pause) and piece.end - before.start <= longest:
            text = joined_texts(before.text, piece.text)
            joined[-1] = replace(before, end=max(before.end, piece.end), text=text)
        else:
            joined.append(piece)
    return joined


def _continues(before: Spoken, piece: Spoken, pause: float) -> bool:
    is_open = before.text is not None and not ends_sentence(before.text)
    same = piece.speaker is None or piece.speaker == before.speaker
    return is_open and same and -0.05 <= piece.start - before.end <= pause


def within(spoken: Sequence[Spoken], seconds: float | None) -> tuple[list[Spoken], int]:
    """What lies in a recording of ``seconds``, cut to its end, and how many lie behind that."""
    if seconds is None:
        return list(spoken), 0
    inside = [replace(piece, end=min(piece.end, seconds)) for piece in spoken if piece.start < seconds - 0.05]
    return inside, len(spoken) - len(inside)
