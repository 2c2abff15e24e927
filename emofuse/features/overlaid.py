"""Features from two stores: one that may be written to over one that is only read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from emofuse.features.store import FeatureReader


@dataclass(frozen=True)
class OverlaidFeatures:
    """What ``own`` has, and of the rest what ``base`` has.

    Attributes:
        own: looked at first.
        base: looked at after it.
        valid: utterances whose features in ``base`` hold; None for all.
    """

    own: FeatureReader
    base: FeatureReader
    valid: Collection[str] | None = None

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self.own or self._in_base(utterance_id)

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        if utterance_id not in self.own and self._in_base(utterance_id):
            return self.base[utterance_id]
        return self.own[utterance_id]

    def _in_base(self, utterance_id: object) -> bool:
        return utterance_id in self.base and (self.valid is None or utterance_id in self.valid)
