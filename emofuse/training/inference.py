"""Predictions of a model over batches, the same way for a test part and for a new clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from emofuse.data.dataset import Batch, Setback


@dataclass(frozen=True)
class Predictions:
    """N predictions in the order in which the utterances came.

    Attributes:
        ids: the utterances.
        logits: (N, C) float32.
        labels: (N,) class indices, -1 where not known.
        present: modality → (N,) bool.
        setbacks: media that could not be decoded.
    """

    ids: list[str]
    logits: np.ndarray
    labels: np.ndarray
    present: dict[str, np.ndarray]
    setbacks: list[Setback]

    @property
    def probabilities(self) -> np.ndarray:
        """(N, C) softmax of the logits."""
        return torch.softmax(torch.from_numpy(self.logits).double(), dim=-1).numpy()

    @property
    def predicted(self) -> np.ndarray:
        """(N,) class index of the largest logit."""
        return self.logits.argmax(axis=-1)


def predict_batches(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    device: torch.device | str,
    autocast: torch.dtype | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Predictions:
    """Run ``model`` in evaluation mode over ``batches`` and gather what it says.

    Args:
        model: takes ``Batch.inputs`` by name and returns an object with ``logits`` (B, C).
        batches: in the order wanted.
        device: where the model is.
        autocast: reduced precision for the forward pass, or none.
        on_batch: told the number of rows after each batch, for a progress bar.
    """
    was_training = model.training
    model.eval()
    ids: list[str] = []
    logits, labels, setbacks = [], [], []
    present: dict[str, list[np.ndarray]] = {}
    kind = torch.device(device).type
    with torch.inference_mode():
        for batch in batches:
            moved = batch.to(device)
            with torch.autocast(kind, dtype=autocast, enabled=autocast is not None):
                output = model(**moved.inputs)
            ids += batch.ids
            logits.append(output.logits.float().cpu().numpy())
            labels.append(batch.labels.numpy())
            setbacks += batch.setbacks
            for modality, flags in batch.inputs["present"].items():
                present.setdefault(modality, []).append(flags.numpy())
            if on_batch is not None:
                on_batch(len(batch))
    model.train(was_training)
    return Predictions(
        ids=ids,
        logits=np.concatenate(logits) if logits else np.zeros((0, 0), np.float32),
        labels=np.concatenate(labels) if labels else np.zeros(0, np.int64),
        present={modality: np.concatenate(parts) for modality, parts in present.items()},
        setbacks=setbacks,
    )
