"""Targets of single modalities, made while a system trains from where their features lie. Source: Self-MM."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from emofuse.nn.row_memory import RowMemory

_TINY = 1e-8


class UnimodalLabels(nn.Module):
    """The unimodal label generation module of Self-MM (Yu et al. 2021), with its momentum.

    Of a representation F of the fusion or of one modality, C_p and C_n are the means over the training rows whose label is
    above and below 0, D = ‖F − C‖²/√d the distances, α = (D_n − D_p)/(D_p + ε). A modality s
    has the label y_s = y + (α_s − α_m)/2 · (y + α_m)/α_m, kept within ±limit; in epoch i it moves to
    (i − 1)/(i + 1) of what it was and 2/(i + 1) of what it would be now. In the first epoch it is y.

    Args:
        fusion_dim: of the fusion's representation.
        dims: modality -> of its representation.
        limit: largest size of a label.
    """

    def __init__(self, fusion_dim: int, dims: Mapping[str, int], limit: float) -> None:
        super().__init__()
        self.modalities, self.limit = tuple(dims), limit
        sizes = {"fusion": fusion_dim, **dims}
        labels = {f"{name}_label": 1 for name in sizes}
        there = {f"{name}_there": 1 for name in sizes}  # rows whose representation is one
        self.memory = RowMemory({**sizes, **labels, **there})

    def forward(self, rows: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The labels as they are: modality -> (B,) of rows (B,), their numbers; y (B,) for a row that is new."""
        self.memory.hold(rows, y)
        new = self.memory.times[rows] == 0
        labels = {m: self.memory[f"{m}_label"][rows, 0].to(y.dtype) for m in self.modalities}
        return {m: torch.where(new, y, label) for m, label in labels.items()}

    @torch.no_grad()
    def update(
        self, rows: Tensor, y: Tensor, found: Mapping[str, Tensor], there: Mapping[str, Tensor]
    ) -> None:
        """Make the labels of the next epoch, and remember what the centres are made of.

        Args:
            rows: (B,) numbers, none twice.
            y: (B,) targets.
            found: "fusion" and each modality -> representations (B, d).
            there: modality -> (B,) bool, which rows have it.
        """
        labels = self(rows, y)
        epoch = self.memory.times[rows] + 1
        fusion = self._relative("fusion", found["fusion"])
        for m in self.modalities:
            own = self._relative(m, found[m])
            if fusion is not None and own is not None:
                target = self._target(y, own.to(y.dtype), fusion.to(y.dtype))
                moved = ((epoch - 1) * labels[m] + 2 * target) / (epoch + 1)
                labels[m] = torch.where((epoch > 1) & there[m], moved, labels[m])
        everyone = torch.ones_like(rows, dtype=torch.bool)
        for name, label, has in (
            ("fusion", y, everyone),
            *((m, labels[m], there[m]) for m in self.modalities),
        ):
            self.memory[name][rows] = found[name].to(self.memory[name].dtype)
            self.memory[f"{name}_label"][rows, 0] = label.to(self.memory[name].dtype)
            self.memory[f"{name}_there"][rows, 0] = has.to(self.memory[name].dtype)
        self.memory.times[rows] += 1

    def _relative(self, name: str, found: Tensor) -> Tensor | None:
        """α of representations (B, d); None until there are centres."""
        held, label = self.memory[name], self.memory[f"{name}_label"][:, 0]
        there = (self.memory[f"{name}_there"][:, 0] > 0) & (self.memory.times > 0)
        above, below = there & (label > 0), there & (label < 0)
        if not (bool(above.any()) and bool(below.any())):
            return None
        distances = [
            (found - held[rows].mean(dim=0).to(found.dtype)).square().sum(dim=-1) / math.sqrt(held.shape[1])
            for rows in (above, below)
        ]
        return (distances[1] - distances[0]) / (distances[0] + _TINY)

    def _target(self, y: Tensor, own: Tensor, fusion: Tensor) -> Tensor:
        divisor = torch.where(fusion.abs() < _TINY, _TINY, fusion)
        return (y + 0.5 * (own - fusion) * (y + fusion) / divisor).clamp(-self.limit, self.limit)
