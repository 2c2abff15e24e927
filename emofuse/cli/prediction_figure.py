"""`emofuse predict --figure`: emotions over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emofuse.data.output_paths import check_new_file
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.inference.segments import EmotionSegment

_SUFFIXES = (".png", ".svg")


def check_figure(path: Path) -> None:
    """See that both files of a figure can be written.

    Raises:
        EmofuseError: one cannot, or a folder was named.
    """
    check_new_file(path)
    for suffix in _SUFFIXES:
        check_new_file(path.parent / f"{_without_suffix(path).name}{suffix}")


def draw_emotions(segments: Sequence[EmotionSegment], labels: list[str], path: Path) -> None:
    """Draw them as PNG and SVG, and name both."""
    from emofuse.evaluation.reporting.figures import TimelineSegment, draw_timeline, write_figure

    shown = [
        TimelineSegment(start, end, s.label, s.probabilities, s.speaker)
        for s, (start, end) in zip(segments, timeline_positions(segments), strict=True)
        if s.label is not None
    ]
    if not shown:
        typer.echo("note: no figure is drawn, since nothing could be predicted", err=True)
        return
    saved = write_figure(draw_timeline(shown, labels=labels), _without_suffix(path))
    typer.echo(f"drawn: {saved.png} and {saved.svg}", err=True)


def _without_suffix(path: Path) -> Path:
    """The name of both files; a dot in a name such as ``talk.v2`` begins no suffix."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path


def timeline_positions(segments: Sequence[EmotionSegment]) -> list[tuple[float, float]]:
    """Seconds of the segments on one line of time, on which each recording begins where the last one ended."""
    times: list[tuple[float, float]] = []
    recording, offset, last = segments[0].recording, 0.0, 0.0
    for s in segments:
        if s.end is None:
            raise EmofuseError(
                f"--figure: nothing says when {s.id} was said; give start and end, or a recording"
            )
        if s.recording != recording:
            recording, offset = s.recording, last
        times.append((offset + s.start, offset + s.end))
        last = max(last, offset + s.end)
    return times
