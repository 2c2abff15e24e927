"""A linear model that was fitted elsewhere, as a module that takes the batches of a system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.described_pictures import mean_spread_change
from emofuse.nn.linear_shape import NEVER, LinearShape


class LinearModel(nn.Module):
    """y = W x + b over standardised features, and those of the neighbours in a dialogue.

    Nothing in it is trained: its numbers are buffers. It computes in double precision.

    Args:
        shape: its sizes.
        clip: largest size of a standardised number.
    """

    weight: Tensor
    bias: Tensor
    known: Tensor
    centre: Tensor
    components: Tensor

    def __init__(self, shape: LinearShape, clip: float) -> None:
        super().__init__()
        self.shape, self.clip = shape, clip
        for modality, part in shape.parts.items():
            self.register_buffer(f"{modality}_mean", torch.zeros(part.standardised))
            self.register_buffer(f"{modality}_spread", torch.ones(part.standardised))
        self.register_buffer("weight", torch.zeros(shape.outputs, shape.columns))
        self.register_buffer("bias", torch.zeros(shape.outputs))
        self.register_buffer("known", torch.ones(shape.outputs))
        if shape.components:
            self.register_buffer("centre", torch.zeros(shape.alone))
            self.register_buffer("components", torch.zeros(shape.components, shape.alone))

    def forward(
        self,
        present: Mapping[str, Tensor],
        mask: Tensor | None = None,
        masks: Mapping[str, Tensor] | None = None,
        **given: Any,
    ) -> Tensor:
        """Log-probabilities of C classes, or a value.

        Args:
            present: modality -> (B,) bool, or (B, N) of dialogues.
            mask: (B, N) bool, the utterances that there are; None where the batch holds no dialogues.
            masks: modality -> (B, T) bool, the real steps of sequences.
            **given: modality -> (B, d), (B, T, d) steps or (B, N, d), as a system takes them, or ``frames`` (B, F, 3, H, W)
                uint8; one that is not given is absent. Whatever else a system takes is not looked at.

        Returns:
            (B, C), or (B, N, C), float64.
        """
        blocks = []
        for modality, part in self.shape.parts.items():
            flags = present[modality].bool()
            x = given.get(self.shape.input_of(modality))
            if x is None:
                flags = torch.zeros_like(flags)
                scaled = self.bias.new_zeros((*flags.shape, part.standardised), dtype=torch.float64)
            else:
                x = mean_spread_change(x).double() if part.pooling == "pictures" else x.double()
                if part.pooling == "mean+deviation":
                    x = _rounded(_mean_and_deviation(x, (masks or {}).get(modality)))
                elif masks is not None and modality in masks:
                    x = x[:, 0]  # one step: a vector
                scaled = self._standardised(x, modality)
            blocks.append(torch.where(flags.unsqueeze(-1), scaled, 0.0))
            if part.marked:
                blocks.append(flags.unsqueeze(-1).double())
        rows = _rounded(torch.cat(blocks, dim=-1))
        if self.shape.reach:
            rows = self._beside_neighbours(rows, mask)
        scores = rows @ self.weight.double().T + self.bias.double()
        if not self.shape.classes:
            return scores
        masked = scores.masked_fill(self.known < 0.5, -torch.inf)
        return masked.log_softmax(dim=-1).clamp(min=NEVER)

    def _standardised(self, x: Tensor, modality: str) -> Tensor:
        mean, spread = self.get_buffer(f"{modality}_mean"), self.get_buffer(f"{modality}_spread")
        return ((x - mean.double()) / spread.double()).clamp(-self.clip, self.clip)

    def _beside_neighbours(self, rows: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, d) beside one before, one after, two before, …; 0 where there is none."""
        shown = rows
        if self.shape.components:
            shown = _rounded((rows - self.centre.double()) @ self.components.double().T)
        if mask is not None:
            shown = torch.where(mask.bool().unsqueeze(-1), shown, 0.0)
        turns = rows.shape[1]
        blocks = [rows]
        for k in range(1, self.shape.reach + 1):
            blocks.append(F.pad(shown, (0, 0, k, 0))[:, :turns])
            blocks.append(F.pad(shown, (0, 0, 0, k))[:, k:])
        return torch.cat(blocks, dim=-1)


def _rounded(x: Tensor) -> Tensor:
    """In single precision, as the rows that the model was fitted on."""
    return x.float().double()


def _mean_and_deviation(x: Tensor, mask: Tensor | None) -> Tensor:
    """(B, T, d) as (B, 2d): mean and standard deviation over the real steps; 0 without any."""
    real = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask.bool()
    real = real.unsqueeze(-1)
    count = real.sum(dim=1).clamp(min=1)
    mean = torch.where(real, x, 0.0).sum(dim=1) / count
    off = torch.where(real, x - mean.unsqueeze(1), 0.0)
    return torch.cat([mean, (off.square().sum(dim=1) / count).sqrt()], dim=-1)
