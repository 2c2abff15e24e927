"""Features of training utterances, of which each epoch sees the recording itself or one of its changed copies."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence

import numpy as np

from emofuse.features.normalisation import Features


class AugmentedFeatures:
    """What is seen of an utterance is drawn anew in every epoch, by the seed, the epoch and the utterance's id alone.

    Args:
        plain: features of the recordings.
        copies: of their changed copies; an utterance that a copy lacks is seen as it is.
        ids: the training part; others are always seen as they are.
        seed: of the draws.
    """

    def __init__(self, plain: Features, copies: Sequence[Features], ids: Collection[str], seed: int) -> None:
        self.plain, self.copies, self.ids, self.seed = plain, tuple(copies), frozenset(ids), seed
        self.epoch = 0

    def begin_epoch(self, epoch: int) -> None:
        """Draw anew."""
        self.epoch = epoch

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self.plain

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        if utterance_id not in self.ids:
            return self.plain[utterance_id]
        key = zlib.crc32(utterance_id.encode("utf-8", "surrogatepass"))
        drawn = int(np.random.default_rng([self.seed, self.epoch, key]).integers(len(self.copies) + 1))
        chosen = self.plain if drawn == 0 else self.copies[drawn - 1]
        return chosen[utterance_id] if utterance_id in chosen else self.plain[utterance_id]
