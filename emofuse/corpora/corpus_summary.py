"""What a corpus holds, what it lacks, and how far that is from what was published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from emofuse.corpora.corpus import Corpus
from emofuse.corpora.table_summary import NO_SPLIT, count_labels, first_places, label_table
from emofuse.data.quarantine import QuarantineEntry
from emofuse.data.wording import counted

ALL = "all"


@dataclass(frozen=True)
class Difference:
    """A count beside the published one; ``what`` is a split, ``"all"``, ``"dialogues"`` or ``"speakers"``."""

    what: str
    found: int
    published: int

    def __str__(self) -> str:
        if self.found == self.published:
            return f"{self.what} {self.found}, as published"
        sign = "more" if self.found > self.published else "fewer"
        return f"{self.what} {self.found}, {abs(self.found - self.published)} {sign} than {self.published}"


@dataclass(frozen=True)
class CorpusSummary:
    """Counts over a corpus.

    Attributes:
        utterances: rows of its manifest.
        dialogues: number of dialogues.
        speakers: number of speakers.
        hours: length of all utterances; None if unknown.
        labels: split → label → utterances; ``"(none)"`` stands for an absent split or label.
        modalities: modality → utterances that have it of their own (sound may also come with the video).
        left_out: reason → utterances that are not in the manifest.
        set_aside: modality and reason → utterances whose medium is not used.
        source: who published the counts it is compared with; None if nobody did.
        differences: the counts beside the published ones.
        notes: what had to be mended, chosen or guessed.
    """

    utterances: int
    dialogues: int
    speakers: int
    hours: float | None
    labels: Mapping[str, Mapping[str, int]]
    modalities: Mapping[str, int]
    left_out: Mapping[str, tuple[str, ...]]
    set_aside: Mapping[str, tuple[str, ...]]
    source: str | None
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The summary as text, a line for each thing."""
        counts = [
            counted(self.utterances, "utterance"),
            counted(self.dialogues, "dialogue"),
            counted(self.speakers, "speaker"),
        ]
        if self.hours is not None:
            counts.append(f"{self.hours:.2f} hours")
        lines = [", ".join(counts), *label_table(self.labels)]
        lines.append(", ".join(f"{modality}: {number}" for modality, number in self.modalities.items()))
        lines += [f"published ({self.source}): {difference}" for difference in self.differences]
        for reason, ids in self.left_out.items():
            lines.append(f"left out, {reason}: {counted(len(ids), 'utterance')} ({first_places(ids)})")
        for reason, ids in self.set_aside.items():
            lines.append(f"set aside, {reason}: {counted(len(ids), 'utterance')} ({first_places(ids)})")
        return lines + [f"note: {note}" for note in self.notes]

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON would have it."""
        return asdict(self)


def summarise(corpus: Corpus, seconds: float | None = None) -> CorpusSummary:
    """Count what a corpus holds.

    Args:
        corpus: as its reader made it, or after its media were checked.
        seconds: length of all its utterances, if known.
    """
    frame = corpus.manifest.frame
    labels = count_labels(frame)
    dialogues, speakers = int(frame["dialogue"].nunique()), int(frame["speaker"].nunique())
    published = corpus.published
    return CorpusSummary(
        utterances=len(frame),
        dialogues=dialogues,
        speakers=speakers,
        hours=None if seconds is None else seconds / 3600,
        labels=labels,
        modalities={name: int(frame[name].notna().sum()) for name in ("text", "audio", "video")},
        left_out={reason: tuple(ids) for reason, ids in corpus.left_out.items() if ids},
        set_aside=_grouped(corpus.set_aside),
        source=published.source if published else None,
        differences=_differences(corpus, labels, dialogues, speakers),
        notes=corpus.notes,
    )


def _grouped(entries: tuple[QuarantineEntry, ...]) -> dict[str, tuple[str, ...]]:
    reasons = Counter(f"{entry.modality} {entry.reason}" for entry in entries)
    return {
        reason: tuple(entry.id for entry in entries if f"{entry.modality} {entry.reason}" == reason)
        for reason, _ in reasons.most_common()
    }


def _differences(
    corpus: Corpus, labels: Mapping[str, Mapping[str, int]], dialogues: int, speakers: int
) -> tuple[Difference, ...]:
    published = corpus.published
    if published is None:
        return ()
    splits = {split: sum(counts.values()) for split, counts in labels.items() if split != NO_SPLIT}
    splits[ALL] = len(corpus.manifest)
    expected = dict(published.utterances)
    found = [Difference(split, splits.get(split, 0), number) for split, number in expected.items()]
    if published.dialogues is not None:
        found.append(Difference("dialogues", dialogues, published.dialogues))
    if published.speakers is not None:
        found.append(Difference("speakers", speakers, published.speakers))
    return tuple(found)
