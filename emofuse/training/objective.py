"""What a training step makes small: the system's own loss, and what the settings add against overfitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.data.batch import Batch
from emofuse.errors import EmofuseError
from emofuse.losses.task_losses import wide
from emofuse.models.registry import model_info
from emofuse.runs.settings import OptimiserSettings
from emofuse.runs.tasks import Task
from emofuse.training.global_step import GlobalStep, global_step


@dataclass(frozen=True)
class StepLoss:
    """The loss of a step.

    Attributes:
        parts: "loss" and what it is made of, scalars.
        utterances: that it is a mean over.
    """

    parts: Mapping[str, Tensor]
    utterances: int


class Objective:
    """The loss of a batch under ``settings``.

    - Label smoothing (Szegedy et al. 2016) changes the cross-entropy of the output; other losses stay.
    - Mixup (Zhang et al. 2018) mixes the inputs of two utterances, and the losses of their labels by the same share.
    - R-Drop (Liang et al. 2021) makes two passes, and adds how much their answers differ.

    Args:
        model: a system of the registry.
        settings: ``label_smoothing``, ``mixup`` and ``r_drop``.
        seed: of the shares that mixup draws, with the number of the step.
    """

    def __init__(self, model: nn.Module, settings: OptimiserSettings, seed: int = 0) -> None:
        self.model, self.settings, self.seed = model, settings, seed

    def __call__(self, batch: Batch, class_weights: Tensor | None, step: int) -> StepLoss:
        """Run the system on ``batch`` and compute the loss of its answer."""
        if self.settings.mixup:
            return self._mixed(batch, class_weights, step)
        first = self._pass(batch)
        losses = self._losses(first, class_weights)
        if self.settings.r_drop:
            second = self._pass(batch)
            again = self._losses(second, class_weights)
            losses = {name: (value + again[name]) / 2 for name, value in losses.items()}
            # The paper sums the two losses; with their mean the learning rate keeps its meaning.
            losses["r_drop"] = disagreement(first, second)
            losses["loss"] = losses["loss"] + self.settings.r_drop / 2 * losses["r_drop"]
        return StepLoss(losses, first.utterances)

    def _pass(self, batch: Batch) -> GlobalStep:
        return global_step(self.model(**batch.inputs), batch)

    def _losses(self, step: GlobalStep, class_weights: Tensor | None) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = dict(
            self.model.training_loss(  # type: ignore[operator]
                step.output, step.labels, class_weights=class_weights, present=step.present
            )
        )
        if self.settings.label_smoothing:
            added = smoothing(step.output.logits, step.labels, self.settings.label_smoothing, class_weights)
            losses["label_smoothing"] = added
            losses["loss"] = losses["loss"] + added
        return losses

    def _mixed(self, batch: Batch, class_weights: Tensor | None, number: int) -> StepLoss:
        rng = np.random.default_rng([self.seed, number])
        share = float(rng.beta(self.settings.mixup, self.settings.mixup))
        partner = partners(batch, rng)
        output = self.model(**mixed_inputs(batch.inputs, partner, share))
        own = global_step(output, batch)
        other = global_step(output, replace(batch, labels=batch.labels[partner]))
        first, second = self._losses(own, class_weights), self._losses(other, class_weights)
        parts = {name: share * value + (1 - share) * second[name] for name, value in first.items()}
        return StepLoss(parts, own.utterances)


def check_objective(system: str, task: Task, settings: OptimiserSettings) -> None:
    """Refuse what does not fit a system or a task, before long work.

    Raises:
        EmofuseError: label smoothing without classes; mixup of dialogues or of sequences; two passes through a system that
            remembers how often it has seen a row.
    """
    info = model_info(system)
    if settings.label_smoothing and task.name != "classification":
        raise EmofuseError("optimiser.label_smoothing: a regression has no classes; leave it out")
    if settings.r_drop and info.row_numbers:
        raise EmofuseError(
            f"optimiser.r_drop: {info.name} counts how often it sees a row, which two passes double; leave it out"
        )
    if settings.sampling == "balanced" and (info.scope == "dialogue" or task.name != "classification"):
        raise EmofuseError(
            f"optimiser.sampling: {info.name} cannot draw single utterances by their class; use class_weights: balanced"
        )
    if settings.mixup and (info.scope == "dialogue" or "steps" in info.inputs.values()):
        raise EmofuseError(
            f"optimiser.mixup: {info.name} reads dialogues or sequences, which have no mean; leave it out, or use r_drop"
        )


def smoothing(logits: Tensor, labels: Tensor, share: float, class_weights: Tensor | None) -> Tensor:
    """What label smoothing adds to the mean cross-entropy; 0 where no row has a label.

    Args:
        logits: (..., C).
        labels: (...) class numbers, negative where there is none.
        share: of the target that is spread over all classes.
        class_weights: (C,) or None.
    """
    known = labels >= 0
    if not bool(known.any()):
        return wide(logits).sum() * 0.0
    rows, y = wide(logits[known]), labels[known]
    smooth = F.cross_entropy(rows, y, weight=class_weights, label_smoothing=share)
    return smooth - F.cross_entropy(rows, y, weight=class_weights)


def disagreement(first: GlobalStep, second: GlobalStep) -> Tensor:
    """How much two passes differ on the rows that have a target.

    The mean of both Kullback-Leibler divergences (R-Drop, Eq. 2), or the squared difference of two values.
    """
    value, again = first.output.value, second.output.value
    if value is not None and again is not None:
        known = ~torch.isnan(first.labels)
        difference = wide(value)[known] - wide(again)[known]
        return difference.square().sum() / known.sum().clamp_min(1)
    known = first.labels >= 0
    p, q = (wide(step.output.logits)[known].log_softmax(-1) for step in (first, second))
    both = (p.exp() - q.exp()) * (p - q)  # KL(p, q) + KL(q, p)
    return both.sum() / 2 / known.sum().clamp_min(1)


def partners(batch: Batch, rng: np.random.Generator) -> Tensor:
    """(B,) the row that each row is mixed with: one that has the same modalities, or itself."""
    order = torch.as_tensor(rng.permutation(len(batch.labels)), device=batch.labels.device)
    same = torch.ones_like(order, dtype=torch.bool)
    for flags in batch.inputs["present"].values():
        same &= flags == flags[order]
    return torch.where(same, order, torch.arange(len(order), device=order.device))


def mixed_inputs(inputs: Mapping[str, Any], partner: Tensor, share: float) -> dict[str, Any]:
    """Inputs of rows mixed with those of their partners: ``share`` of their own, the rest of the other's."""
    return {
        name: value if name == "present" else _mix(value, partner, share) for name, value in inputs.items()
    }


def _mix(value: Any, partner: Tensor, share: float) -> Any:
    if not isinstance(value, Tensor) or value.dtype == torch.bool:
        return value
    mixed = value.float() * share + value[partner].float() * (1 - share)
    return mixed.to(value.dtype) if value.is_floating_point() else mixed.round().to(value.dtype)
