"""What a step's losses are computed of: the batch of all processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from emofuse.data.batch import Batch
from emofuse.losses.global_batch import gather_rows, is_distributed
from emofuse.models.output import EmotionOutput

# Parts of an output that are there to be looked at; no loss reads them.
_TO_LOOK_AT = frozenset({"kept", "gates", "masks"})


@dataclass(frozen=True)
class GlobalStep:
    """What a loss takes, of all rows of a batch.

    Attributes:
        output: of the system; of several processes without what no loss reads.
        labels: (B,) or (B, N).
        present: modality → (B,) or (B, N) bool.
        utterances: how many there are.
    """

    output: EmotionOutput
    labels: Tensor
    present: Mapping[str, Tensor]
    utterances: int


def global_step(output: EmotionOutput, batch: Batch) -> GlobalStep:
    """The outputs of every process for its share of a batch, put together with their gradients.

    Every process then computes the loss of the whole batch, whatever loss that is: a mean over rows of unlike
    weights, or one that compares rows. Gradients averaged over the processes, as DistributedDataParallel does,
    are those of one process; see `gather_rows`. With one process, what it has.
    """
    present: Mapping[str, Tensor] = batch.inputs["present"]
    if not is_distributed():
        return GlobalStep(output, batch.labels, present, len(batch))
    parts = _tensors({"labels": batch.labels, "given": present, **_read_by_losses(output)})
    if batch.stands_in:
        parts = {name: part[:0] for name, part in parts.items()}
    counts = torch.tensor([[0 if batch.stands_in else len(batch), *batch.labels.shape[1:]]])
    counts = gather_rows(counts.to(batch.labels.device))
    if batch.labels.dim() == 2:
        absent = math.nan if batch.labels.is_floating_point() else -1
        longest = int(counts[:, 1].max())
        parts = {
            name: _of_turns(part, longest, absent if name == "labels" else 0) for name, part in parts.items()
        }
    gathered = _gathered(parts)
    changes = {name: _like(value, name, gathered) for name, value in _read_by_losses(output).items()}
    return GlobalStep(
        replace(output, **changes),
        gathered["labels"],
        {modality: gathered[f"given.{modality}"] for modality in present},
        int(counts[:, 0].sum()),
    )


def _read_by_losses(output: EmotionOutput) -> dict[str, Any]:
    named = {field.name: getattr(output, field.name) for field in fields(output)}
    return {name: value for name, value in named.items() if name not in _TO_LOOK_AT and value is not None}


def _tensors(values: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors and dicts of tensors by name, e.g. ``features.text``."""
    flat: dict[str, Tensor] = {}
    for name, value in values.items():
        inside = {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, Mapping) else {}
        flat |= inside if isinstance(value, Mapping) else {name: value}
    return flat


def _like(value: Any, name: str, gathered: Mapping[str, Tensor]) -> Any:
    """The gathered tensors in the place of those of `_tensors`."""
    return {key: gathered[f"{name}.{key}"] for key in value} if isinstance(value, Mapping) else gathered[name]


def _of_turns(part: Tensor, longest: int, value: float) -> Tensor:
    """(B, N, ...) padded at the end to the longest dialogue of all processes; padding is no utterance."""
    return F.pad(part, (0, 0) * (part.dim() - 2) + (0, longest - part.shape[1]), value=value)


def _gathered(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The rows of every process, in one exchange: everything is packed side by side into one wide matrix."""
    wide = torch.float32
    for part in parts.values():
        if part.is_floating_point():
            wide = torch.promote_types(wide, part.dtype)
    widths = [math.prod(part.shape[1:]) for part in parts.values()]
    # Class numbers and flags are whole in floating point, and come back as what they were.
    packed = [
        part.to(wide).reshape(len(part), width) for part, width in zip(parts.values(), widths, strict=True)
    ]
    columns = gather_rows(torch.cat(packed, dim=1)).split(widths, dim=1)
    return {
        name: column.reshape(len(column), *part.shape[1:]).to(part.dtype)
        for (name, part), column in zip(parts.items(), columns, strict=True)
    }
