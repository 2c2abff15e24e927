"""The mask gate: which steps of a modality count, how much of them passes, and what a GRU makes of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from emofuse.nn.gated_recurrence import GatedRecurrence

# Steps closer than this part of the mean significance are not told apart, so rounding decides nothing.
_INDIFFERENCE = 1e-3


class MaskGateOutput(NamedTuple):
    """What a `MaskGate` gives for B sequences.

    Attributes:
        features: H, (B, T, dim), 0 where the mask is.
        gate: the mask gate vectors M ⊙ G, (B, T, dim), between 0 and 1.
        mask: M, (B, T) bool, the steps that count.
    """

    features: Tensor
    gate: Tensor
    mask: Tensor


def adaptive_mask(x: Tensor, real: Tensor, threshold: float) -> Tensor:
    """Which steps of each sequence are significant.

    The significance of a step is the Euclidean norm of its features; with its mean μ and standard deviation
    σ over the real steps of the same sequence, a step is significant from μ + threshold · σ on. The most
    significant step always is.

    Args:
        x: (B, T, d)
        real: (B, T) bool, False at padding, which is never significant.
        threshold: in standard deviations.

    Returns:
        (B, T) bool
    """
    norm = torch.linalg.vector_norm(x.detach().to(torch.promote_types(x.dtype, torch.float32)), dim=-1)
    norm = norm.masked_fill(~real, 0.0)
    count = real.sum(dim=1, keepdim=True).clamp_min(1)
    mean = norm.sum(dim=1, keepdim=True) / count
    deviation = (norm - mean).masked_fill(~real, 0.0)
    spread = (deviation.square().sum(dim=1, keepdim=True) / count).sqrt()
    least = torch.minimum(mean + threshold * spread, norm.amax(dim=1, keepdim=True))
    return real & (norm >= least - _INDIFFERENCE * mean)


class MaskGate(nn.Module):
    """Mask, gate and GRU over the sequence of one modality.

    Source: CM-MSF §3.5, Eq. 13-19. With the binary mask M of the steps that count,

        G = σ(W_g U + b_g)                                  (13)
        F = U ⊙ M ⊙ G                                       (14)
        Ĥ = GRU(F), see `GatedRecurrence`                   (15-18)
        H = Ĥ + F                                           (19)

    A step that does not count enters the GRU as 0, and its H is 0. Padding does not reach the GRU at all.

    Args:
        dim: size of the sequence, the gate and the GRU.
        threshold: of `adaptive_mask` (audio, video); None lets every real step count (text).
        dropout: on F, before the GRU.
    """

    def __init__(self, dim: int, threshold: float | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold
        self.gate = nn.Linear(dim, dim)
        self.gru = GatedRecurrence(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, U: Tensor, mask: Tensor | None = None) -> MaskGateOutput:
        """Gate.

        Args:
            U: (B, T, dim)
            mask: (B, T) bool, the real steps; all by default.
        """
        real = torch.ones(U.shape[:2], dtype=torch.bool, device=U.device) if mask is None else mask
        U = U.masked_fill(~real.unsqueeze(-1), 0.0)
        counts = real if self.threshold is None else adaptive_mask(U, real, self.threshold)
        ignored = ~counts.unsqueeze(-1)
        gate = torch.sigmoid(self.gate(U)).masked_fill(ignored, 0.0)
        F = self.dropout(U * gate)
        H = self.gru(F, real) + F
        return MaskGateOutput(H.masked_fill(ignored, 0.0), gate, counts)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"threshold={self.threshold}"
