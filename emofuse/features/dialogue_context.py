"""The turns around an utterance, for encoders that read it in its dialogue (MFCRE, §3.1.1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from emofuse.data.utterance import Utterance


@dataclass(frozen=True)
class ContextWindow:
    """How much of the dialogue an encoder reads along with an utterance.

    Attributes:
        before: turns before it.
        after: turns after it.
        speaker_names: every text has its speaker's name in front.
    """

    before: int = 0
    after: int = 0
    speaker_names: bool = False


@dataclass(frozen=True)
class TextInContext:
    """An utterance and the turns around it, as texts in the order of time."""

    text: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def texts_in_context(utterances: Iterable[Utterance], window: ContextWindow) -> dict[str, TextInContext]:
    """Every utterance that has a text, with its neighbours in its own dialogue.

    The turns of a dialogue are ordered by ``turn``, then as they come; those without a text do not count.
    Nothing but texts and names is taken from a neighbour, and nothing from another dialogue.

    Args:
        utterances: all rows of a manifest, whichever of them are wanted.
        window: how far to look.

    Returns:
        Utterance id → text in context.
    """
    dialogues: dict[str, list[Utterance]] = defaultdict(list)
    for row in utterances:
        if row.text is not None:
            dialogues[row.dialogue].append(row)
    found = {}
    for turns in dialogues.values():
        turns.sort(key=lambda row: row.turn if row.turn is not None else 0)
        texts = [_spoken(row, window.speaker_names) for row in turns]
        for place, row in enumerate(turns):
            before = tuple(texts[max(0, place - window.before) : place])
            found[row.id] = TextInContext(
                texts[place], before, tuple(texts[place + 1 : place + 1 + window.after])
            )
    return found


def _spoken(row: Utterance, with_name: bool) -> str:
    return f"{row.speaker}: {row.text}" if with_name and row.speaker else row.text or ""
