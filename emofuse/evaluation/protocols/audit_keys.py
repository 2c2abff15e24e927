"""What utterances may share, as numbers that can be compared in time linear in the rows."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest

LONG_TEXT_WORDS = 3
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
TEXT_KINDS = ("texts", "long_texts")


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
