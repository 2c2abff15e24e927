"""What a system says of a number of utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from emofuse.data.batch import DecodeFailure


@dataclass(frozen=True)
class Predictions:
    """N predictions in the order of the batches.

    Attributes:
        ids: the utterances.
        logits: (N, C) float32; of a regression (N, 1), its values.
        labels: (N,) targets: class indices, -1 where not known, or values, NaN where not known.
        present: modality → (N,) bool.
        decode_failures: media that could not be decoded.
        features: modality → (N, d), what the system makes of each modality, and "frames" → what pictures look like that it
            reads itself; empty where nobody asked for it.
    """

    ids: list[str]
    logits: np.ndarray
    labels: np.ndarray
    present: dict[str, np.ndarray]
    decode_failures: list[DecodeFailure]
    features: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def probabilities(self) -> np.ndarray:
        """(N, C) softmax of the logits."""
        import torch

        return torch.softmax(torch.from_numpy(self.logits).double(), dim=-1).numpy()

    @property
    def predicted(self) -> np.ndarray:
        """(N,) class index of the largest logit."""
        return self.logits.argmax(axis=-1)

    @property
    def values(self) -> np.ndarray:
        """(N,) what a regression says."""
        return self.logits[:, 0].astype(np.float64)

    def of(self, ids: Sequence[str]) -> Predictions:
        """The predictions of these utterances, in this order."""
        places = {id: place for place, id in enumerate(self.ids)}
        rows = [places[id] for id in ids]
        present = {modality: flags[rows] for modality, flags in self.present.items()}
        features = {modality: values[rows] for modality, values in self.features.items()}
        return Predictions(
            list(ids), self.logits[rows], self.labels[rows], present, self.decode_failures, features
        )
