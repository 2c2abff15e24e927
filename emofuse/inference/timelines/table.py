"""Predictions as a table, a row for each: of pandas, as CSV and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from emofuse.data import MODALITIES
from emofuse.data.spreadsheet import spreadsheet_csv
from emofuse.data.wording import shown
from emofuse.evaluation.reporting.printable import storable
from emofuse.inference.segments import EmotionSegment


def segment_frame(segments: Sequence[EmotionSegment]) -> pd.DataFrame:
    """A row for each segment.

    Columns: ``id``, ``start``, ``end`` (seconds), ``speaker``, ``value`` of a run that predicts values, ``label`` (empty
    where nothing could be used), ``p_<label>`` for each label, ``used``, ``missing``, ``unfamiliar``, ``label_set`` where it
    was asked for, ``alone_<modality>`` (the label or value that each says without the others) where it was asked for,
    ``text``, ``recording``.
    """
    labels = list(dict.fromkeys(label for s in segments for label in s.probabilities))
    columns = _columns(segments, labels)
    return pd.DataFrame([_row(s, labels) for s in segments], columns=columns)


def segment_csv(segments: Sequence[EmotionSegment]) -> str:
    """The table as CSV, of which no spreadsheet computes anything; probabilities with four digits."""
    frame = segment_frame(segments)
    for name in frame.columns:
        if str(name).startswith("p_") or name == "value":
            frame[name] = frame[name].map(lambda number: "" if pd.isna(number) else f"{number:.4f}")
    frame[["start", "end"]] = frame[["start", "end"]].astype(float).round(3)
    return spreadsheet_csv(frame.map(lambda cell: storable(cell) if isinstance(cell, str) else cell))


def segment_json(segments: Sequence[EmotionSegment]) -> str:
    """A list of objects with all that is known of each segment."""
    plain = [segment.to_dict() for segment in segments]
    text = json.dumps(plain, ensure_ascii=False, indent=1)
    # A file name of the system may hold bytes that are no text; escaped, they come back as they were.
    return text if text.isascii() or _encodable(text) else json.dumps(plain, indent=1)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _columns(segments: Sequence[EmotionSegment], labels: Sequence[str]) -> list[str]:
    return [
        *("id", "start", "end", "speaker"),
        *(["value"] if any(s.value is not None for s in segments) else []),
        "label",
        *(f"p_{label}" for label in labels),
        *("used", "missing", "unfamiliar"),
        *(["label_set"] if any(s.label_set for s in segments) else []),
        *(f"alone_{m}" for m in MODALITIES if any(s.by_modality.get(m) for s in segments)),
        *("text", "recording"),
    ]


def _row(s: EmotionSegment, labels: Sequence[str]) -> dict[str, Any]:
    alone = {f"alone_{m}": _best(scores) for m, scores in s.by_modality.items() if scores}
    return {
        "id": s.id,
        "start": s.start,
        "end": s.end,
        "speaker": s.speaker,
        "value": s.value,
        "label": s.label,
        **{f"p_{label}": s.probabilities.get(label, float("nan")) for label in labels},
        "used": "+".join(s.used),
        "missing": "; ".join(f"{m}: {why}" for m, why in s.missing.items()),
        "unfamiliar": "+".join(s.unfamiliar),
        "label_set": "; ".join(s.label_set),
        **alone,
        "text": s.text,
        "recording": None if s.recording is None else shown(s.recording),
    }


def _best(scores: dict[str, float]) -> str | float:
    best = max(scores, key=lambda label: scores[label])
    return scores[best] if best == "value" else best
