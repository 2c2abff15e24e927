"""Utterances as sequences: tokens, sound frames and video frames, each with its own number of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from emofuse.data.batch import Batch, FeatureSource, feature_tensor
from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.targets import ClassTarget, Target
from emofuse.data.utterance import Utterance


@dataclass
class _Item:
    id: str
    values: dict[Modality, Tensor]
    target: float


class SequenceDataset(Dataset[_Item]):
    """Utterances with a sequence of features per modality, one utterance at a time.

    Args:
        utterances: rows of a manifest.
        modalities: those the model uses.
        features: modality → source of (T, d) sequences; a vector (d,) is a sequence of one step.
        dims: modality → its d.
        longest: modality → most steps; of a longer text the beginning is taken, longer sound and video are
            made so short by averaging neighbouring steps.
        target: what an utterance is to be told as.
    """

    decodes_media = False

    def __init__(
        self,
        utterances: Sequence[Utterance],
        modalities: Sequence[Modality],
        features: Mapping[Modality, FeatureSource],
        dims: Mapping[Modality, int],
        longest: Mapping[Modality, int],
        target: Target | None = None,
    ) -> None:
        self.utterances = list(utterances)
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        self.features, self.dims, self.longest = dict(features), dict(dims), dict(longest)
        self.target: Target = target or ClassTarget()

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> _Item:
        utterance = self.utterances[index]
        values = {}
        for modality in self.modalities:
            if utterance.id in self.features[modality]:
                steps = torch.atleast_2d(feature_tensor(self.features[modality], utterance.id))
                values[modality] = _shortened(modality, steps, self.longest[modality])
        return _Item(utterance.id, values, self.target.of(utterance))

    def collate(self, rows: Sequence[_Item]) -> Batch:
        """Pad each modality to its longest sequence, at the end.

        Inputs: ``text``, ``audio`` and ``video`` (B, T_m, d_m) float32 for the modalities in use, ``masks``,
        (B, T_m) bool each, False at padding, and ``present``, (B,) each; a sequence without a step is absent.
        """
        inputs: dict[str, Any] = {"masks": {}, "present": {}}
        for modality in self.modalities:
            empty = torch.zeros(0, self.dims[modality])
            parts = [row.values.get(modality, empty) for row in rows]
            lengths = torch.tensor([len(part) for part in parts])
            steps = max(1, int(lengths.max()))
            padded = pad_sequence(parts, batch_first=True)
            inputs[modality] = F.pad(padded, (0, 0, 0, steps - padded.shape[1]))
            inputs["masks"][modality] = torch.arange(steps) < lengths.unsqueeze(1)
            inputs["present"][modality] = lengths > 0
        return Batch(
            ids=[row.id for row in rows],
            inputs=inputs,
            labels=torch.tensor([row.target for row in rows], dtype=self.target.dtype),
        )


def _shortened(modality: Modality, steps: Tensor, longest: int) -> Tensor:
    """(T, d) to at most (longest, d)."""
    if len(steps) <= longest:
        return steps
    if modality == "text":
        return steps[:longest]
    return F.adaptive_avg_pool1d(steps.T, longest).T.contiguous()
