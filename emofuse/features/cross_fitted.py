"""Features of a training part, each made by an encoder that has not seen its utterance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emofuse.features.store import FeatureReader


@dataclass(frozen=True)
class CrossFittedFeatures:
    """The training part as held-out encoders see it; everything else as one encoder for all of it.

    Attributes:
        everything: of the encoder that was tuned on the whole training part, or of the mean of the others.
        held_out: of utterances of the training part, of the encoder that was tuned without each.
    """

    everything: FeatureReader
    held_out: Mapping[str, FeatureReader]

    @property
    def dim(self) -> int:
        """Size of a vector, the same for all encoders."""
        return self.everything.dim

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self._reader(utterance_id)

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        return self._reader(utterance_id)[utterance_id]

    def matrix(self, ids: Sequence[str]) -> np.ndarray:
        """(n, d) vectors in the order of ``ids``."""
        return np.stack([self[utterance_id] for utterance_id in ids])

    def _reader(self, utterance_id: object) -> FeatureReader:
        return self.held_out.get(str(utterance_id), self.everything)
