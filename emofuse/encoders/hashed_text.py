"""Words without a download: hashed word and character n-grams.

Nothing is fitted, so nothing can leak from one part of a split to another; a linear layer on top learns
which of the hashed features mean what.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import mmh3
import numpy as np

from emofuse.encoders.spec import HASHED_NGRAMS
from emofuse.features.identity import EncoderIdentity

# A run of letters and digits, or one sign of any other kind: "?!" and emoji say much about emotion.
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SHORTEST, _LONGEST = 3, 5  # of character n-grams


def normalise_text(text: str) -> str:
    """One spelling for texts that read the same: well-formed Unicode, NFKC, case-folded."""
    well_formed = text.encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", well_formed).casefold())


class HashedTextEncoder:
    """Word 1–2-grams and character 3–5-grams within words, hashed with signs (Weinberger et al. 2009).

    The first half of the vector counts word n-grams, the second character n-grams. A count c is damped
    to sign(c)·log(1 + |c|); each half has unit length, and both are divided by √2, so the vector of a
    text has unit length, and that of an empty text is zero. The counts are those of scikit-learn's
    `HashingVectorizer`, whose import takes longer than torch's.

    Args:
        dim: size of the vector.
    """

    def __init__(self, dim: int = 1024) -> None:
        self.dim = dim
        self.identity = EncoderIdentity(
            modality="text", kind=HASHED_NGRAMS, name=HASHED_NGRAMS, revision="1", pooling="sum", dim=dim
        )

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """(B, dim) float32 for B texts in any language."""
        vectors = np.zeros((len(items), self.dim), dtype=np.float32)
        half = self.dim // 2
        for row, text in zip(vectors, map(normalise_text, items), strict=True):
            row[:half] = _damped(_hashed(_word_grams(text), half))
            row[half:] = _damped(_hashed(_character_grams(text), self.dim - half))
        return vectors / np.float32(np.sqrt(2.0))


def _word_grams(text: str) -> Iterator[str]:
    words = _TOKEN.findall(text)
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))


def _character_grams(text: str) -> Iterator[str]:
    """Of each word between two spaces; a word shorter than the n-gram is one, once."""
    for word in text.split():
        padded = f" {word} "
        for length in range(_SHORTEST, _LONGEST + 1):
            yield from (padded[i : i + length] for i in range(max(1, len(padded) - length + 1)))
            if len(padded) <= length:
                break


def _hashed(grams: Iterable[str], size: int) -> np.ndarray:
    """(size,) float64, how often each n-gram's place was hit; half of them count as -1."""
    codes = np.array([mmh3.hash(gram) for gram in grams], dtype=np.int64)
    return np.bincount(np.abs(codes) % size, np.where(codes >= 0, 1.0, -1.0), minlength=size)


def _damped(counts: np.ndarray) -> np.ndarray:
    damped = np.sign(counts) * np.log1p(np.abs(counts))
    return damped / max(float(np.linalg.norm(damped)), np.finfo(np.float64).tiny)
