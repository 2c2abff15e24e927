"""The losses of the two tasks, over the rows that have a target: cross-entropy, and the error of a value."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.errors import EmofuseError


class _ValueOutput(Protocol):
    @property
    def logits(self) -> Tensor: ...

    @property
    def value(self) -> Tensor | None: ...


def wide(x: Tensor) -> Tensor:
    """float32 or wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def cross_entropy(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of rows (..., C) whose label is not negative; 0 where there is none.

    Args:
        logits: (..., C).
        labels: (...) class numbers, negative where there is none.
        class_weights: (C,), or None for equal ones.
    """
    known = labels >= 0
    if not bool(known.any()):
        return wide(logits).sum() * 0.0
    return F.cross_entropy(wide(logits[known]), labels[known], weight=class_weights)


def value_error(value: Tensor, targets: Tensor, kind: Literal["l1", "mse"]) -> Tensor:
    """Mean absolute or squared error of values (...) over targets that are not NaN; 0 where there is none."""
    known = ~torch.isnan(targets)
    error = wide(value)[known] - targets[known].to(wide(value).dtype)
    errors = error.abs() if kind == "l1" else error.square()
    return errors.sum() / known.sum().clamp_min(1)


def task_loss(
    output: _ValueOutput,
    labels: Tensor,
    task: Literal["classification", "regression"],
    kind: Literal["l1", "mse"],
    class_weights: Tensor | None,
) -> dict[str, Tensor]:
    """The loss of a task, as ``"loss"`` and under its name.

    Args:
        output: with ``logits`` (..., C), or ``value`` (...) for a regression.
        labels: (...) class indices, negative where there is none; or values, NaN where there is none.
        task: what is learnt.
        kind: "l1" or "mse", of a regression.
        class_weights: (C,), or None.

    Raises:
        EmofuseError: if class weights are given for a regression.
    """
    if task == "classification":
        loss = cross_entropy(output.logits, labels, class_weights)
        return {"loss": loss, "cross_entropy": loss}
    if class_weights is not None:
        raise EmofuseError("a regression has no classes to weigh: leave class_weights out")
    assert output.value is not None  # a regression has one
    loss = value_error(output.value, labels, kind)
    return {"loss": loss, kind: loss}
