"""Segments of a recording by speaker, in rows in which no two overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emofuse.errors import EmofuseError
from emofuse.inference.segments import EmotionSegment

SHORTEST = 0.001  # seconds; what has no length is shown and written with this one


@dataclass(frozen=True)
class Lane:
    """What one speaker says.

    Attributes:
        speaker: None where nobody was named.
        rows: places of its segments in the list that was given, by time; those of one row do not overlap.
    """

    speaker: str | None
    rows: tuple[tuple[int, ...], ...]


def speaker_lanes(segments: Sequence[EmotionSegment]) -> list[Lane]:
    """A lane for each speaker, in the order in which they first speak.

    Args:
        segments: of one recording, in any order, each with an end.
    """
    by_time = sorted(range(len(segments)), key=lambda i: (segments[i].start, i))
    places: dict[str | None, list[list[int]]] = {}
    for i in by_time:
        rows = places.setdefault(segments[i].speaker, [])
        row = next((row for row in rows if span_of(segments[row[-1]])[1] <= segments[i].start), None)
        if row is None:
            rows.append(row := [])
        row.append(i)
    return [Lane(speaker, tuple(map(tuple, rows))) for speaker, rows in places.items()]


def span_of(segment: EmotionSegment) -> tuple[float, float]:
    """Seconds where a segment begins and ends; at least :data:`SHORTEST` apart.

    Raises:
        EmofuseError: nothing says when it ends.
    """
    if segment.end is None:
        raise EmofuseError(
            f"nothing says when {segment.id} was said; give start and end, or a recording, to place it in time"
        )
    begin = max(0.0, segment.start)
    return begin, max(segment.end, begin + SHORTEST)


def by_recording(segments: Sequence[EmotionSegment]) -> dict[str | None, list[EmotionSegment]]:
    """Recording → its segments, in the order in which the recordings first appear."""
    groups: dict[str | None, list[EmotionSegment]] = {}
    for segment in segments:
        groups.setdefault(segment.recording, []).append(segment)
    return groups


def only_recording(segments: Sequence[EmotionSegment], what: str) -> str | None:
    """The recording that all segments are of.

    Args:
        segments: at least one.
        what: is written, for the message.

    Raises:
        EmofuseError: there is no segment, or they are of several recordings.
    """
    recordings = list(by_recording(segments))
    if not recordings:
        raise EmofuseError(f"{what}: there is no prediction to write")
    if len(recordings) > 1:
        raise EmofuseError(
            f"{what}: belongs to one recording, and these predictions are of {len(recordings)}; "
            "write a file for each, as `emofuse predict RUN FOLDER --out DIR --also ...` does"
        )
    return recordings[0]
