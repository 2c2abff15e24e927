"""What annotators' programs show: a tier for each speaker and each thing that is said of an utterance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emofuse.evaluation.reporting.printable import printable
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.lanes import only_recording, span_of, speaker_lanes
from emofuse.inference.timelines.words import amount


@dataclass(frozen=True)
class Annotation:
    """A span of a tier: milliseconds, the end after the start, and a line of text."""

    start: int
    end: int
    value: str


@dataclass(frozen=True)
class Tier:
    """Annotations that do not overlap, by time.

    Attributes:
        name: ``emotion``, ``text`` or ``probability``, with the speaker: ``emotion@Ross``.
        kind: the first part of the name.
    """

    name: str
    kind: str
    annotations: tuple[Annotation, ...]


def annotation_tiers(segments: Sequence[EmotionSegment], what: str) -> list[Tier]:
    """Tiers of one recording; of a speaker whose utterances overlap there are more than one of each kind.

    Args:
        segments: of one recording, each with an end.
        what: is written, for messages.

    Raises:
        EmofuseError: they are of several recordings, or nothing says when one was said.
    """
    only_recording(segments, what)
    kinds: dict[str, Callable[[EmotionSegment], str]] = {
        "emotion": lambda s: printable(s.label),
        "probability": amount,
        "text": lambda s: printable(s.text),
    }
    tiers: list[Tier] = []
    for lane in speaker_lanes(segments):
        for number, row in enumerate(lane.rows):
            ending = f" {number + 1}" if number else ""
            for kind, value in kinds.items():
                spans = _spans([segments[i] for i in row])
                annotations = [
                    Annotation(*span, value(segments[i])) for i, span in zip(row, spans, strict=True)
                ]
                # The tier to be corrected is there even where nothing could be predicted.
                if kind == "emotion" or any(each.value for each in annotations):
                    name = f"{kind}@{printable(lane.speaker, 60) or 'speaker'}{ending}"
                    tiers.append(Tier(_free(name, tiers), kind, tuple(annotations)))
    return tiers


def _spans(row: Sequence[EmotionSegment]) -> list[tuple[int, int]]:
    """Milliseconds of utterances that follow one another; rounding makes none of them overlap or vanish."""
    spans: list[tuple[int, int]] = []
    for segment in row:
        start, end = (round(1000 * seconds) for seconds in span_of(segment))
        start = max(start, spans[-1][1] if spans else 0)
        spans.append((start, max(end, start + 1)))
    return spans


def _free(name: str, tiers: Sequence[Tier]) -> str:
    """The name, or one like it where speakers differ only in what cannot be shown."""
    taken = {tier.name for tier in tiers}
    number = 2
    free = name
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free
