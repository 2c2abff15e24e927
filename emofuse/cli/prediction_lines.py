"""Predictions as a terminal shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from emofuse.inference.segments import set_in_words

if TYPE_CHECKING:
    from emofuse.inference.segments import EmotionSegment


def print_segments(segments: Sequence[EmotionSegment], *, as_json: bool, as_csv: bool) -> None:
    """Print predictions as lines, as JSON or as CSV."""
    if as_json:
        from emofuse.inference.timelines.table import segment_json

        typer.echo(segment_json(segments))
    elif as_csv:
        from emofuse.inference.timelines.table import segment_csv

        typer.echo(segment_csv(segments) if segments else "", nl=False)
    else:
        _print_lines(segments)


def print_notes(segments: Sequence[EmotionSegment]) -> None:
    """What had to be done to read the clips: each kind once, with how many it concerns."""
    counts = Counter(f"{modality}: {note}" for s in segments for modality, note in s.notes.items())
    for note, count in counts.items():
        typer.echo(f"note: in {count} of {len(segments)} predictions, {note}", err=True)
    without = sum(s.label is None for s in segments)
    if without:
        typer.echo(
            f"note: no prediction for {without} of {len(segments)}: nothing of it could be used", err=True
        )


def _print_lines(segments: Sequence[EmotionSegment]) -> None:
    for s in segments:
        times = f"{s.start:.2f}–{s.end:.2f} s" if s.end is not None else ""
        typer.echo(f"{s.id}  {times}  {_describe(s)}")
        for line in _details(s):
            typer.echo(f"    {line}")


def _details(s: EmotionSegment) -> list[str]:
    """What stands below a prediction."""
    lines = [f"without {modality}: {why}" for modality, why in s.missing.items()]
    if s.unfamiliar:
        lines.append(
            "unlike anything in training, so this is a guess: "
            + ", ".join(
                f"{modality} ({s.novelty[modality]:.1f} times the usual)" for modality in s.unfamiliar
            )
        )
    if s.label_set:
        lines.append(set_in_words(s.label_set))
    for modality, scores in s.by_modality.items():
        best = max(scores, key=lambda label: scores[label])
        amount = f"{100 * scores[best]:.0f} %" if s.value is None else f"{scores[best]:+.2f}"
        lines.append(
            f"{modality} alone: {best} {amount}{' (disagrees)' if modality in s.disagreeing else ''}"
        )
    return lines


def _describe(s: EmotionSegment) -> str:
    if s.label is None:
        return "no prediction: nothing of it could be used"
    rests = f"  from {'+'.join(s.used)}"
    if s.value is not None:
        return f"{s.label} {s.value:+.2f}{rests}"
    ranked = sorted(s.probabilities.items(), key=lambda pair: -pair[1])
    rest = ", ".join(f"{label} {100 * p:.0f} %" for label, p in ranked[1:3])
    return f"{s.label} {100 * ranked[0][1]:.0f} %  ({rest}){rests}"
