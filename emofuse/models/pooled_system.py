"""A system and a linear model on the same features, their outputs pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from emofuse.models.output import EmotionOutput
from emofuse.nn.linear_model import LinearModel
from emofuse.nn.linear_shape import PoolWeights


class PooledSystem(nn.Module):
    """A trained system beside a fitted linear model; it takes and gives what the system does.

    Classes: log p = (1 − w) · log softmax(z_s / T_s) + w · log softmax(z_l / T_l) + constant, the logarithmic opinion
    pool. A value: (1 − w) · y_s + w · y_l.

    Args:
        system: any system.
        linear: of the same features.
        weights: w, T_s and T_l.
    """

    def __init__(self, system: nn.Module, linear: LinearModel, weights: PoolWeights) -> None:
        super().__init__()
        self.system, self.linear, self.weights = system, linear, weights

    @property
    def config(self) -> Any:
        """The system's settings."""
        return self.system.config

    def forward(self, **inputs: Any) -> EmotionOutput:
        """What the system gives, with the logits (..., C), or the values (...), of both.

        Args:
            inputs: as the system takes them.
        """
        output: EmotionOutput = self.system(**inputs)
        linear = self._linear(inputs, output.logits)
        pooled = pool(output.logits.double(), linear, self.weights, self.linear.shape.classes)
        pooled = pooled.to(output.logits.dtype)
        value = None if output.value is None else pooled.squeeze(-1)
        return replace(output, logits=pooled, value=value)

    @property
    def linear_alone(self) -> nn.Module:
        """The linear model as a system, for its own score."""
        return _LinearAlone(self.linear)

    def _linear(self, inputs: Mapping[str, Any], logits: Tensor) -> Tensor:
        present = dict(inputs.get("present") or {})
        for modality in self.linear.shape.parts:  # as systems take it: what is given without a flag is there
            if modality not in present:
                flag = inputs.get(self.linear.shape.input_of(modality)) is not None
                present[modality] = torch.full(logits.shape[:-1], flag, device=logits.device)
        linear: Tensor = self.linear(**{**inputs, "present": present})
        return linear


class _LinearAlone(nn.Module):
    def __init__(self, linear: LinearModel) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, **inputs: Any) -> EmotionOutput:
        return EmotionOutput(self.linear(**inputs))


def pool(system: Tensor, linear: Tensor, weights: PoolWeights, classes: bool) -> Tensor:
    """(..., C) logits of both as those of the pool, or (..., 1) values."""
    if classes:
        system = (system / weights.system_temperature).log_softmax(dim=-1)
        linear = (linear / weights.linear_temperature).log_softmax(dim=-1)
    return (1 - weights.linear) * system + weights.linear * linear


def system_of(model: nn.Module) -> nn.Module:
    """The system itself, without a linear model that it is pooled with."""
    return model.system if isinstance(model, PooledSystem) else model
