"""What became of the rows of somebody's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from emofuse.data.wording import counted, first_few

PLACES_NAMED = 5
NO_SPLIT = "(none)"
NO_LABEL = "(none)"


@dataclass(frozen=True)
class FileCount:
    """A file that was read: its name, the split it was given for, and its rows after the header."""

    name: str
    split: str | None
    rows: int


@dataclass(frozen=True)
class TableSummary:
    """Counts over the rows of one or more tables.

    Attributes:
        files: the files, in the order they were given.
        rows_read: rows after the headers, blank ones included.
        rows_kept: utterances of the manifest.
        dropped: reason → the rows left out for it, as ``"dev.csv row 3"``.
        without_text: utterances kept for their video or audio though they have no text.
        labels: split → label → utterances; ``"(none)"`` stands for an absent split or label.
        dialogues: number of dialogues.
        speakers: number of speakers.
        notes: what had to be mended or guessed.
    """

    files: tuple[FileCount, ...]
    rows_read: int
    rows_kept: int
    dropped: Mapping[str, tuple[str, ...]]
    without_text: int
    labels: Mapping[str, Mapping[str, int]]
    dialogues: int
    speakers: int
    notes: tuple[str, ...]

    @property
    def splits(self) -> dict[str, int]:
        """Split → utterances."""
        return {split: sum(counts.values()) for split, counts in self.labels.items()}

    def lines(self) -> list[str]:
        """The summary as text, a line for each thing."""
        lines = [_file_line(file) for file in self.files]
        lines.append(
            f"{self.rows_kept} of {self.rows_read} rows kept: {counted(self.dialogues, 'dialogue')}, "
            f"{counted(self.speakers, 'speaker')}"
        )
        lines += label_table(self.labels)
        for reason, places in self.dropped.items():
            lines.append(f"left out, {reason}: {counted(len(places), 'row')} ({first_places(places)})")
        if self.without_text:
            lines.append(f"without text: {counted(self.without_text, 'utterance')}")
        return lines + [f"note: {note}" for note in self.notes]


def _file_line(file: FileCount) -> str:
    split = f" ({file.split})" if file.split else ""
    return f"{file.name}{split}: {counted(file.rows, 'row')}"


def first_places(places: Sequence[str]) -> str:
    """The first few of a list, and how many more there are."""
    return first_few(places, PLACES_NAMED)


def label_table(labels: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Split → label → utterances as lines of a table."""
    names = sorted({label for counts in labels.values() for label in counts})
    rows = [["split", "utterances", *names]]
    for split, counts in labels.items():
        total = sum(counts.values())
        rows.append([split, str(total), *(str(counts.get(name, 0)) for name in names)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(sized))
        for sized in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def count_labels(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Split → label → rows of a manifest's frame, splits in the order they come."""
    splits, labels = frame["split"].fillna(NO_SPLIT), frame["label"].fillna(NO_LABEL)
    return {
        str(split): {str(label): int(n) for label, n in rows.value_counts().sort_index().items()}
        for split, rows in labels.groupby(splits, sort=False)
    }
