"""Standardisation of encoder features, kept with the weights so that prediction needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from emofuse.data.modality import Modality
from emofuse.errors import EmofuseError


class FeatureScaler(nn.Module):
    """(x - mean) / std per feature, clipped to ±``clip``; until it is fitted it only clips.

    Fit it on training rows only. The statistics are buffers: they travel in the state dict. Clipping keeps a
    recording unlike all training ones (a studio's digital silence, a word seen once) from drowning the rest.

    Args:
        dim: number of features d.
        floor: features whose standard deviation is below it are only centred.
        clip: largest size of a scaled value, in standard deviations.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int, floor: float = 1e-6, clip: float = 5.0) -> None:
        super().__init__()
        self.floor = floor
        self.clip = clip
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def fit(self, features: np.ndarray | Tensor) -> FeatureScaler:
        """Take mean and standard deviation from features (N, d).

        Raises:
            EmofuseError: if there is no row, the width differs, or a value is not finite.
        """
        values = torch.as_tensor(features).detach().to("cpu", torch.float64)
        if values.dim() != 2 or values.shape[1] != len(self.mean) or len(values) == 0:
            raise EmofuseError(
                f"the scaler needs features (N, {len(self.mean)}) with N > 0, got {tuple(values.shape)}"
            )
        if not torch.isfinite(values).all():
            row = int((~torch.isfinite(values)).any(dim=1).nonzero()[0])
            raise EmofuseError(f"feature row {row} holds a value that is not finite: extract it again")
        std = values.std(dim=0, correction=0)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(torch.where(std < self.floor, 1.0, std))
        return self

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Scale x (B, d); rows where present (B,) is False come out as zeros, whatever they hold."""
        scaled = ((x - self.mean) / self.std).clamp(-self.clip, self.clip)
        if present is None:
            return scaled
        return torch.where(present.unsqueeze(-1), scaled, torch.zeros_like(scaled))


class FeatureScalers(nn.ModuleDict):
    """A scaler per modality, by its name.

    Args:
        dims: modality -> number of features.
    """

    def __init__(self, dims: Mapping[Modality, int]) -> None:
        super().__init__({modality: FeatureScaler(dim) for modality, dim in dims.items()})

    def __getitem__(self, modality: str) -> FeatureScaler:
        return cast(FeatureScaler, super().__getitem__(modality))

    def fit(self, modality: str, features: np.ndarray | Tensor) -> None:
        """Fit one of them to training features (N, d); see `FeatureScaler.fit`.

        Raises:
            EmofuseError: the modality is not scaled, or as `FeatureScaler.fit`.
        """
        if modality not in self:
            raise EmofuseError(f"this model scales {', '.join(self) or 'nothing'}, not {modality}")
        self[modality].fit(features)
