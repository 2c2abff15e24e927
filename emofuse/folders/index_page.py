"""The page of a folder: all its recordings, how often each emotion, and what could not be read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from emofuse.data.wording import counted
from emofuse.evaluation.reporting.figures.style import emotion_colours
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.timelines.page import page_environment
from emofuse.inference.timelines.words import NO_PREDICTION, clock


@dataclass(frozen=True)
class IndexRow:
    """A recording that was predicted.

    Attributes:
        name: of the recording.
        page: where its page lies, relative to the page of all.
        timeline: what the run says.
    """

    name: str
    page: Path
    timeline: EmotionTimeline


@dataclass(frozen=True)
class _Part:
    """How often an emotion, in words and as a part of one."""

    label: str
    count: int
    part: float
    colour: str


@dataclass(frozen=True)
class _Shown:
    name: str
    link: str
    length: str
    utterances: int
    parts: tuple[_Part, ...]
    unpredicted: int


def index_page(
    rows: Sequence[IndexRow], failed: Mapping[str, str], *, notes: Sequence[str] = (), has_table: bool = True
) -> str:
    """The page as HTML; it holds no script.

    Args:
        rows: the recordings that were predicted.
        failed: name of a recording → why it could not be.
        notes: what the reader must know.
        has_table: whether a table lies beside the page.
    """
    labels = list(dict.fromkeys(label for row in rows for label in (*row.timeline.labels, *_labels(row))))
    colours = emotion_colours(labels)
    shown = [_shown(row, labels, colours) for row in rows]
    total = Counter(label for row in rows for label in _labels(row))
    unpredicted = sum(row.unpredicted for row in shown)
    told = [*total.most_common(), *([(NO_PREDICTION, unpredicted)] if unpredicted else [])]
    return (
        page_environment("emofuse.folders")
        .get_template("index.html.j2")
        .render(
            title=counted(len(rows), "recording"),
            rows=shown,
            failed=failed,
            notes=notes,
            has_table=has_table,
            summary=", ".join(f"{label} {n}" for label, n in told),
            utterances=counted(sum(total.values()) + unpredicted, "utterance"),
        )
    )


def _labels(row: IndexRow) -> list[str]:
    return [segment.label for segment in row.timeline if segment.label is not None]


def _shown(row: IndexRow, labels: Sequence[str], colours: Mapping[str, str]) -> _Shown:
    counts, n = Counter(_labels(row)), len(row.timeline)
    last = max((s.end for s in row.timeline if s.end is not None), default=None)
    return _Shown(
        name=row.name,
        link="./" + quote(os.fsencode(row.page.as_posix()), safe="/"),
        length=clock(last) if last is not None else "",
        utterances=n,
        parts=tuple(
            _Part(label, counts[label], counts[label] / n, colours[label])
            for label in labels
            if counts[label]
        ),
        unpredicted=n - sum(counts.values()),
    )
