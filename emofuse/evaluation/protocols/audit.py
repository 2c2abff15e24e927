"""Leak audit: what stands on both sides of a split, and how many of the judged utterances it touches."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

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


def audit(manifest: Manifest, split: Split) -> LeakReport:
    """Count what a split's parts share.

    Args:
        manifest: the corpus that the ids are of.
        split: its parts; also one published by others (see :func:`~emofuse.evaluation.read_split_file`).

    Raises:
        EmofuseError: none of the split's ids is in the manifest.
    """
    wanted = {part: list(dict.fromkeys(ids)) for part, ids in zip(PARTS, split, strict=True)}
    every = set().union(*wanted.values())
    known = manifest.frame[manifest.frame["id"].isin(every)].drop_duplicates("id")
    unknown = every.difference(known["id"])
    if known.empty:
        raise EmofuseError(
            f"none of the split's {len(every)} ids is in the manifest "
            f"(such as {min(every, default='none')!r}): they must be the values of its column id"
        )
    keys = _keys(known)
    parts = {part: keys[keys["ids"].isin(ids)] for part, ids in wanted.items()}
    order = (("train", "val"), ("train", "test"), ("val", "test"))
    return LeakReport(
        sizes={part: len(ids) for part, ids in zip(PARTS, split, strict=True)},
        pairs=tuple(_pair(a, b, parts) for a, b in order if len(parts[a]) and len(parts[b])),
        repeated_ids=tuple(sorted({id for ids in split for id, n in Counter(ids).items() if n > 1})),
        unknown_ids=tuple(sorted(unknown)),
    )


def _keys(frame: pd.DataFrame) -> pd.DataFrame:
    """One column of comparable values per kind; absent values are None."""
    texts = frame["text"].map(_normalised, na_action="ignore")
    texts = texts.where(texts.notna() & texts.ne(""), None)
    return pd.DataFrame(
        {
            "ids": frame["id"],
            "dialogues": frame["dialogue"],
            "speakers": frame["speaker"],
            "texts": texts,
            "long_texts": texts.where(texts.map(_is_long, na_action="ignore").eq(True), None),
            "video": frame["video"].map(_same_path, na_action="ignore"),
            "audio": frame["audio"].map(_same_path, na_action="ignore"),
        }
    )


def _normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _is_long(text: str) -> bool:
    return len(_UNSPACED.sub(r" \g<0> ", text).split()) >= LONG_TEXT_WORDS


def _same_path(path: object) -> str:
    return posixpath.normpath(str(path).replace("\\", "/"))


def _pair(known: str, judged: str, parts: dict[str, pd.DataFrame]) -> PairLeaks:
    kinds: dict[str, list[str]] = {kind: [kind] for kind in KINDS} | {"media": ["video", "audio"]}
    shared = {kind: _shared(parts[known][columns], parts[judged][columns]) for kind, columns in kinds.items()}
    return PairLeaks(known, judged, **shared)


def _shared(known: pd.DataFrame, judged: pd.DataFrame) -> Shared:
    common = set(known.stack().dropna()) & set(judged.stack().dropna())
    touched = int(judged.isin(common).any(axis=1).sum())
    return Shared(len(common), touched, touched / len(judged), tuple(sorted(common)[:_EXAMPLES]))
