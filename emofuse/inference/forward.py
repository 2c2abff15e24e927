"""Run a system over batches, the same way for a test part and for a new clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from emofuse.data.batch import Batch, DecodeFailure
from emofuse.data.modality import Modality
from emofuse.inference.seen_pictures import SEEN_PICTURES, looks_of
from emofuse.runs.predictions import Predictions


def predict_subsets(
    model: nn.Module,
    batches: Iterable[Batch],
    subsets: Sequence[Sequence[Modality] | None],
    *,
    device: torch.device | str,
    autocast: torch.dtype | None = None,
    on_batch: Callable[[int], None] | None = None,
    keep_features: bool = False,
) -> list[Predictions]:
    """Run ``model`` in evaluation mode over ``batches``, once for each set of modalities; media are decoded once.

    Args:
        model: takes ``Batch.inputs`` by name and returns an object with ``logits``.
        batches: in the order wanted.
        subsets: the modalities that the model is given; None for all that there are.
        device: where the model is.
        autocast: reduced precision for the forward pass, or none.
        on_batch: called with the number of utterances after each batch, for a progress bar.
        keep_features: keep what the system makes of each modality as well, and what pictures look like that it reads itself.

    Returns:
        What it says, for each set.
    """
    was_training = model.training
    model.eval()
    gathered = [_Gathered() for _ in subsets]
    kind = torch.device(device).type
    with torch.inference_mode():
        for batch in batches:
            moved = batch.to(device)
            frames = batch.inputs.get("frames") if keep_features else None
            seen = {} if frames is None else {SEEN_PICTURES: torch.from_numpy(looks_of(frames))}
            for subset, part in zip(subsets, gathered, strict=True):
                given = moved if subset is None else moved.only(subset)
                with torch.autocast(kind, dtype=autocast, enabled=autocast is not None):
                    output = model(**given.inputs)
                part.add(given, output.logits, {**output.features, **seen} if keep_features else {})
            if on_batch is not None:
                on_batch(len(batch))
    model.train(was_training)
    return [part.predictions() for part in gathered]


class _Gathered:
    """Predictions as they come, batch by batch."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.logits: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        self.present: dict[str, list[np.ndarray]] = {}
        self.decode_failures: list[DecodeFailure] = []
        self.features: dict[str, list[np.ndarray]] = {}

    def add(self, batch: Batch, logits: torch.Tensor, features: Mapping[str, torch.Tensor]) -> None:
        self.ids += batch.ids
        self.logits.append(batch.rows(logits).float().cpu().numpy())
        self.labels.append(batch.rows(batch.labels).cpu().numpy())
        for modality, flags in batch.inputs["present"].items():
            self.present.setdefault(modality, []).append(batch.rows(flags).cpu().numpy())
        for modality, values in features.items():
            self.features.setdefault(modality, []).append(batch.rows(values).float().cpu().numpy())
        self.decode_failures += batch.decode_failures

    def predictions(self) -> Predictions:
        return Predictions(
            ids=self.ids,
            logits=np.concatenate(self.logits) if self.logits else np.zeros((0, 0), np.float32),
            labels=np.concatenate(self.labels) if self.labels else np.zeros(0, np.int64),
            present={modality: np.concatenate(parts) for modality, parts in self.present.items()},
            decode_failures=self.decode_failures,
            features={modality: np.concatenate(parts) for modality, parts in self.features.items()},
        )
