"""Leak audit: what stands on both sides of a split, and how many of the judged utterances it touches."""

from __future__ import annotations

import heapq
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.splits import PARTS, Split

LONG_TEXT_WORDS = 3
_EXAMPLES = 5
# Scripts written without spaces: each sign counts as a word.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
KINDS = {
    "dialogues": "dialogues",
    "speakers": "speakers",
    "texts": "identical texts",
    "long_texts": f"identical texts of {LONG_TEXT_WORDS} words or more",
    "media": "media files",
    "ids": "ids",
}
"""What two parts can share → how the audit words it."""


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

    def lines(self, kinds: Iterable[str] = tuple(KINDS)) -> Iterator[str]:
        """One line for each of these kinds of thing that is shared."""
        for kind in kinds:
            shared: Shared = getattr(self, kind)
            if shared.values:
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
    """

    sizes: dict[str, int]
    pairs: tuple[PairLeaks, ...]
    repeated_ids: tuple[str, ...]
    unknown_ids: tuple[str, ...]

    @property
    def flags(self) -> list[str]:
        """Everything worth a warning, one short string each; empty when nothing is shared.

        Short texts ("yeah") are the same everywhere and raise no flag by themselves.
        """
        return self.warnings()

    def warnings(self, ignore: Iterable[str] = ()) -> list[str]:
        """The flags, without those about some kinds.

        Args:
            ignore: kinds of :data:`KINDS` that may be shared, such as the speakers under protocol dialogue.
        """
        kinds = [kind for kind in KINDS if kind != "texts" and kind not in set(ignore)]
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
            text += list(pair.lines()) or [f"{pair.name} share nothing"]
        return text + self._lines_on_ids()

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "sizes": dict(self.sizes),
            "pairs": {pair.name: asdict(pair) for pair in self.pairs},
            "repeated_ids": list(self.repeated_ids),
            "unknown_ids": list(self.unknown_ids),
            "flags": self.flags,
        }

    def _lines_on_ids(self) -> list[str]:
        lines = []
        if self.repeated_ids:
            lines.append(f"ids that stand more than once in one part: {_list_ids(self.repeated_ids)}")
        if self.unknown_ids:
            lines.append(f"ids of the split that are not in the manifest: {_list_ids(self.unknown_ids)}")
        return lines


def _list_ids(ids: tuple[str, ...]) -> str:
    more = ", …" if len(ids) > _EXAMPLES else ""
    return f"{len(ids)} ({', '.join(ids[:_EXAMPLES])}{more})"


def audit(manifest: Manifest, split: Split, keys: AuditKeys | None = None) -> LeakReport:
    """Count what a split's parts share.

    Args:
        manifest: the corpus that the ids are of.
        split: its parts; also one published by others (see :func:`~emofuse.evaluation.read_split_file`).
        keys: of this manifest, where several splits of it are audited.

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
    )


@dataclass(frozen=True)
class AuditKeys:
    """What may be shared, of every utterance of a manifest, as numbers: made once for all splits of it.

    Attributes:
        places: the ids, in the order of the rows.
        codes: kind → (n, columns), the number of each value among ``values``; -1 where there is none.
        values: kind → the distinct values.
    """

    places: pd.Index
    codes: dict[str, np.ndarray]
    values: dict[str, np.ndarray]

    @classmethod
    def of(cls, manifest: Manifest) -> AuditKeys:
        """The keys of a manifest; of an id that stands twice the first row counts."""
        frame = manifest.frame.drop_duplicates("id")
        columns = _columns(frame)
        codes, values = {}, {}
        for kind in KINDS:
            held = [columns[name] for name in (("video", "audio") if kind == "media" else (kind,))]
            numbers, values[kind] = pd.factorize(np.concatenate([c.to_numpy(object) for c in held]))
            codes[kind] = numbers.reshape(len(held), -1).T
        return cls(pd.Index(frame["id"]), codes, values)


def _columns(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """One column of comparable values per kind; absent values are None."""
    texts = frame["text"].map(_normalised, na_action="ignore")
    texts = texts.where(texts.notna() & texts.ne(""), None)
    return {
        "ids": frame["id"],
        "dialogues": frame["dialogue"],
        "speakers": frame["speaker"],
        "texts": texts,
        "long_texts": texts.where(texts.map(_is_long, na_action="ignore").eq(True), None),
        "video": frame["video"].map(_same_path, na_action="ignore"),
        "audio": frame["audio"].map(_same_path, na_action="ignore"),
    }


def _normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _is_long(text: str) -> bool:
    return len(_UNSPACED.sub(r" \g<0> ", text).split()) >= LONG_TEXT_WORDS


def _same_path(path: object) -> str:
    return posixpath.normpath(str(path).replace("\\", "/"))


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
