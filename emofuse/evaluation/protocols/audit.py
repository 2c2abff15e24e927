"""Leak audit: what stands on both sides of a split, and how many of the judged utterances it touches."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.audit_keys import KINDS, TEXT_KINDS, AuditKeys
from emofuse.evaluation.protocols.protocol_info import PARTS, Split

__all__ = ["KINDS", "AuditKeys", "LeakReport", "PairLeaks", "Shared", "audit"]

_EXAMPLES = 5
# A text that a part holds only once may be a copy of a natural utterance, so a script says each at least twice.
_SCRIPT_REPEATS = 2
# In natural talk, a small share of what is said in one part is said word for word in another.
_MANY = 0.5


@dataclass(frozen=True)
class Shared:
    """What two parts have in common, of one kind.

    Attributes:
        values: distinct values (dialogues, speakers, texts, files, ids) on both sides.
        utterances: utterances of the judged part that carry one.
        fraction: their share of the judged part.
        examples: up to five of the values.
    """

    values: int
    utterances: int
    fraction: float
    examples: tuple[str, ...]


@dataclass(frozen=True)
class PairLeaks:
    """What stands in two parts at once.

    Attributes:
        known: the part that a model has seen (train, or val for the pair val/test).
        judged: the other one; the counts are of its utterances.
        dialogues: shared dialogues.
        speakers: shared speakers.
        texts: shared texts, compared without case and spacing.
        long_texts: the same without texts of fewer than three words (such as "oh, really");
            in scripts without spaces each sign counts as a word.
        media: shared video or audio files, whatever the segment.
        ids: utterances that are in both.
    """

    known: str
    judged: str
    dialogues: Shared
    speakers: Shared
    texts: Shared
    long_texts: Shared
    media: Shared
    ids: Shared

    @property
    def name(self) -> str:
        """Such as ``train/test``."""
        return f"{self.known}/{self.judged}"

    @property
    def has_long_texts_alone(self) -> bool:
        """Whether every shared text is a long one."""
        return self.texts == self.long_texts

    def lines(self, kinds: Iterable[str] = tuple(KINDS)) -> Iterator[str]:
        """One line for each of these kinds of thing that is shared; the same texts are not told twice."""
        asked = set(kinds)
        for kind in KINDS:
            shared: Shared = getattr(self, kind)
            is_told_below = kind == "texts" and "long_texts" in asked and self.has_long_texts_alone
            if kind in asked and shared.values and not is_told_below:
                yield (
                    f"{self.name} share {shared.values} {KINDS[kind]} "
                    f"({counted(shared.utterances, 'utterance')}, {100 * shared.fraction:.1f} % of {self.judged})"
                )


@dataclass(frozen=True)
class LeakReport:
    """What leaks between the parts of one split.

    Attributes:
        sizes: part → utterances.
        pairs: train/val, train/test and val/test; a pair with an empty part is left out.
        repeated_ids: ids that stand more than once in the same part.
        unknown_ids: ids of the split that the manifest does not have; nothing else is known of them.
        script: texts of a scripted corpus, where every part says each of them at least twice; 0 for any other.
        reads_text: the run reads text; where it does not, a shared text is no leak.
    """

    sizes: dict[str, int]
    pairs: tuple[PairLeaks, ...]
    repeated_ids: tuple[str, ...]
    unknown_ids: tuple[str, ...]
    script: int = 0
    reads_text: bool = True

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of :data:`KINDS` that are news: texts are none in a scripted corpus, nor where none is read."""
        return tuple(kind for kind in KINDS if kind not in TEXT_KINDS or self.text_note is None)

    @property
    def text_note(self) -> str | None:
        """Why shared texts are no news, where they are none."""
        if self.script:
            return f"the texts are a script: every part holds {_all_of(self.script)}, each more than once"
        if not self.reads_text and any(pair.texts.values for pair in self.pairs):
            return "identical texts are no leak, because the run does not read text"
        return None

    @property
    def script_note(self) -> str:
        """What to say beside the flags of a corpus whose texts are a script, or look like one; else empty."""
        if self.script:
            return self.text_note or ""
        if self.reads_text and any(pair.long_texts.fraction >= _MANY for pair in self.pairs):
            return "where the texts are a script that everybody says they are no leak; where rows were copied they are one"
        return ""

    @property
    def flags(self) -> list[str]:
        """Everything worth a warning, one short string each; empty when nothing is shared.

        Short texts ("yeah") are the same everywhere and raise no flag by themselves. No text does in a scripted
        corpus, or where the run does not read text.
        """
        return self.warnings()

    def warnings(self, ignore: Iterable[str] = ()) -> list[str]:
        """The flags, without those about some kinds.

        Args:
            ignore: kinds of :data:`KINDS` that may be shared, such as the speakers under protocol dialogue.
        """
        kinds = flagged_kinds(self.kinds, ignore)
        return [line for pair in self.pairs for line in pair.lines(kinds)] + self._lines_on_ids()

    def pair(self, known: str, judged: str) -> PairLeaks:
        """The leaks of one pair, such as ``pair("train", "test")``.

        Raises:
            KeyError: one of the parts is empty, or there is no such pair.
        """
        return {(pair.known, pair.judged): pair for pair in self.pairs}[known, judged]

    def lines(self) -> list[str]:
        """The report as text, a line at a time."""
        text = ["utterances: " + ", ".join(f"{part} {size}" for part, size in self.sizes.items())]
        for pair in self.pairs:
            text += list(pair.lines(self.kinds)) or [
                f"{pair.name} share nothing{' else' * bool(self.text_note)}"
            ]
        return text + ([self.text_note] if self.text_note else []) + self._lines_on_ids()

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "sizes": dict(self.sizes),
            "pairs": {pair.name: asdict(pair) for pair in self.pairs},
            "repeated_ids": list(self.repeated_ids),
            "unknown_ids": list(self.unknown_ids),
            "script": self.script,
            "reads_text": self.reads_text,
            "flags": self.flags,
        }

    def _lines_on_ids(self) -> list[str]:
        lines = []
        if self.repeated_ids:
            lines.append(f"ids that stand more than once in one part: {_list_ids(self.repeated_ids)}")
        if self.unknown_ids:
            lines.append(f"ids of the split that are not in the manifest: {_list_ids(self.unknown_ids)}")
        return lines


def flagged_kinds(kinds: Iterable[str], ignore: Iterable[str] = ()) -> list[str]:
    """Those of these kinds that raise a warning: all but short texts and what is to be ignored."""
    return [kind for kind in kinds if kind not in {"texts", *ignore}]


def _all_of(count: int) -> str:
    return f"all {count} of them" if count > 1 else "the one text"


def _list_ids(ids: tuple[str, ...]) -> str:
    more = ", …" if len(ids) > _EXAMPLES else ""
    return f"{len(ids)} ({', '.join(ids[:_EXAMPLES])}{more})"


def audit(
    manifest: Manifest,
    split: Split,
    keys: AuditKeys | None = None,
    *,
    modalities: Collection[str] | None = None,
) -> LeakReport:
    """Count what a split's parts share.

    Args:
        manifest: the corpus that the ids are of.
        split: its parts; also one published by others (see :func:`~emofuse.evaluation.read_split_file`).
        keys: of this manifest, where several splits of it are audited.
        modalities: what the run reads; where there is no ``text`` among them, shared texts raise no flag.
            None where no run is known, and everything may be read.

    Raises:
        EmofuseError: none of the split's ids is in the manifest.
    """
    keys = keys or AuditKeys.of(manifest)
    wanted = {part: pd.Index(ids).unique() for part, ids in zip(PARTS, split, strict=True)}
    places = {part: keys.places.get_indexer(ids) for part, ids in wanted.items()}
    unknown = {id for part, ids in wanted.items() for id in ids[places[part] < 0]}
    rows = {part: found[found >= 0] for part, found in places.items()}
    if not any(map(len, rows.values())):
        raise EmofuseError(
            f"none of the split's {len(unknown)} ids is in the manifest "
            f"(such as {min(unknown, default='none')!r}): they must be the values of its column id"
        )
    order = (("train", "val"), ("train", "test"), ("val", "test"))
    return LeakReport(
        sizes={part: len(ids) for part, ids in zip(PARTS, split, strict=True)},
        pairs=tuple(_pair(a, b, rows, keys) for a, b in order if len(rows[a]) and len(rows[b])),
        repeated_ids=tuple(sorted({id for ids in split for id, n in Counter(ids).items() if n > 1})),
        unknown_ids=tuple(sorted(unknown)),
        script=_script([found for found in rows.values() if len(found)], keys),
        reads_text=modalities is None or "text" in modalities,
    )


def _script(parts: list[np.ndarray], keys: AuditKeys) -> int:
    """How many texts a scripted corpus has; 0 where a part lacks one, or has one only once."""
    codes, known = keys.codes["texts"][:, 0], len(keys.values["texts"])
    # Shifted by one, because rows without text have code -1.
    counts = [np.bincount(codes[rows] + 1, minlength=known + 1)[1:] for rows in parts if known]
    held = np.logical_or.reduce([count > 0 for count in counts]) if counts else np.zeros(0, dtype=bool)
    everywhere = len(parts) > 1 and all((count[held] >= _SCRIPT_REPEATS).all() for count in counts)
    return int(held.sum()) if everywhere else 0


def _pair(known: str, judged: str, rows: dict[str, np.ndarray], keys: AuditKeys) -> PairLeaks:
    shared = {kind: _shared(rows[known], rows[judged], keys, kind) for kind in KINDS}
    return PairLeaks(known, judged, **shared)


def _shared(known: np.ndarray, judged: np.ndarray, keys: AuditKeys, kind: str) -> Shared:
    codes, values = keys.codes[kind], keys.values[kind]
    # The last place is that of -1, and never shared.
    common = np.zeros((2, len(values) + 1), dtype=bool)
    common[0, codes[known]] = common[1, codes[judged]] = True
    common[:, -1] = False
    both = np.logical_and(*common)
    touched = int(both[codes[judged]].any(axis=1).sum())
    found = values[both[:-1]]
    examples = tuple(heapq.nsmallest(_EXAMPLES, found))
    return Shared(len(found), touched, touched / len(judged), examples)
