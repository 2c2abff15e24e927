"""Words without a download: hashed word and character n-grams.

Nothing is fitted, so nothing can leak from one part of a split to another; a linear layer on top learns
which of the hashed features mean what.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emofuse.encoders.spec import HASHED_NGRAMS
from emofuse.features.identity import EncoderIdentity

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A run of letters and digits, or one sign of any other kind: "?!" and emoji say much about emotion.
_TOKEN = r"\w+|[^\w\s]"


def normalise_text(text: str) -> str:
    """One spelling for texts that read the same: well-formed Unicode, NFKC, case-folded."""
    well_formed = text.encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", well_formed).casefold())


class HashedTextEncoder:
    """Word 1–2-grams and character 3–5-grams within words, hashed with signs (Weinberger et al. 2009).

    The first half of the vector counts word n-grams, the second character n-grams. A count c is damped
    to sign(c)·log(1 + |c|); each half has unit length, and both are divided by √2, so the vector of a
    text has unit length, and that of an empty text is zero.

    Args:
        dim: size of the vector.
    """

    def __init__(self, dim: int = 1024) -> None:
        # With scipy it takes longer to import than all else that a run folder needs.
        from sklearn.feature_extraction.text import HashingVectorizer

        self.dim = dim
        self.identity = EncoderIdentity(
            modality="text", kind=HASHED_NGRAMS, name=HASHED_NGRAMS, revision="1", pooling="sum", dim=dim
        )
        # Texts arrive normalised, hence no lower-casing here.
        self._words = HashingVectorizer(
            n_features=dim // 2, ngram_range=(1, 2), token_pattern=_TOKEN, lowercase=False, norm=None
        )
        self._characters = HashingVectorizer(
            n_features=dim - dim // 2, analyzer="char_wb", ngram_range=(3, 5), lowercase=False, norm=None
        )

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """(B, dim) float32 for B texts in any language."""
        texts = [normalise_text(text) for text in items]
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        halves = [_damped(part.transform(texts)) for part in (self._words, self._characters)]
        return np.hstack(halves) / np.float32(np.sqrt(2.0))


def _damped(counts: csr_matrix) -> np.ndarray:
    from sklearn.preprocessing import normalize

    counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
    return normalize(counts).toarray().astype(np.float32)
