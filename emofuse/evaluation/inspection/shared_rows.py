"""Feature rows that stand in two parts: the same utterance under two ids, or the same words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emofuse.data.modality import Modality
from emofuse.data.wording import counted
from emofuse.features.importers.content import ModalityFeatures

_EXAMPLES = 5
_PAIRS = (("train", "val"), ("train", "test"), ("val", "test"))


@dataclass(frozen=True)
class SharedRows:
    """Identical features of one modality in two parts.

    Attributes:
        modality: whose.
        known: the part that a model has seen.
        judged: the other one.
        utterances: of the judged part whose features stand in the other too.
        of: utterances of the judged part that have features.
        examples: up to five of their ids.
    """

    modality: Modality
    known: str
    judged: str
    utterances: int
    of: int
    examples: tuple[str, ...]

    def line(self) -> str:
        """For a person."""
        return (
            f"{self.known}/{self.judged} share identical {self.modality} features: {counted(self.utterances, 'utterance')} of "
            f"{self.judged} ({100 * self.utterances / self.of:.1f} %, such as {self.examples[0]})"
        )


def shared_rows(
    features: Mapping[Modality, ModalityFeatures], parts: Mapping[str, Sequence[str]]
) -> list[SharedRows]:
    """What stands in two parts, number for number; utterances of nothing but zeros do not count.

    Args:
        features: modality → its arrays.
        parts: train, val and test → ids.
    """
    found = []
    for modality, held in features.items():
        digests = {id: _digest(held.arrays[id]) for ids in parts.values() for id in ids if id in held.arrays}
        for known, judged in _PAIRS:
            seen = {digests[id] for id in parts.get(known, ()) if digests.get(id)}
            own = [id for id in parts.get(judged, ()) if digests.get(id)]
            both = [id for id in own if digests[id] in seen]
            if both:
                found.append(
                    SharedRows(modality, known, judged, len(both), len(own), tuple(both[:_EXAMPLES]))
                )
    return found


def _digest(array: np.ndarray) -> bytes | None:
    if not np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).any():
        return None
    content = np.ascontiguousarray(array, dtype=np.float32)
    return hashlib.blake2b(str(content.shape).encode() + content.tobytes(), digest_size=16).digest()
