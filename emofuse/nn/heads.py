"""Parts of DeepMSI-MER around its encoders: early fusion, and summaries of a frame sequence over time."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.exporting import run_recurrent
from emofuse.nn.mlp import MLP
from emofuse.nn.temporal_conv_net import TemporalConvNet

TemporalKind = Literal["tcn", "mean", "gru"]


class EarlyFusion(nn.Module):
    """High-level semantic feature G_cls of text and audio (DeepMSI-MER, Figure 1, left).

    An MLP over the concatenation, then layer normalisation, so that G_cls and the mean of the visual tokens
    that it is added to (Eq. 1) are of one order of magnitude. A row without text and audio gets G_cls = 0:
    the image alone then steers.

    Args:
        widths: modality -> its features, in the order of concatenation.
        hidden: width of the hidden layer.
        out_features: width of G_cls.
        dropout: probability.
    """

    def __init__(self, widths: dict[str, int], hidden: int, out_features: int, dropout: float) -> None:
        super().__init__()
        self.modalities = tuple(widths)
        self.mlp = MLP((sum(widths.values()), hidden, out_features), dropout)
        self.norm = nn.LayerNorm(out_features)

    def forward(self, features: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        """Modality -> (B, d) with zeros for absent rows, and modality -> (B,) bool -> G_cls (B, out)."""
        g_cls = self.norm(self.mlp(torch.cat([features[name] for name in self.modalities], dim=-1)))
        anything = torch.stack([present[name] for name in self.modalities]).any(dim=0)
        return g_cls * anything.unsqueeze(-1)


class TemporalSummary(nn.Module):
    """Video feature of a sequence of frame features (B, T, d).

    "tcn" is the paper's: the last time step of a temporal convolutional network (section 3.1.3). "mean" and
    "gru" (its last state) are what it is compared with.

    Args:
        kind: one of the three.
        in_features: d.
        channels: of the TCN; a GRU is as wide as the last of them.
        kernel_size: of the TCN.
        dropout: of the TCN.
        batch_norm: centre and scale frame features over the batch first. What all frames have in common is
            most of a pooled feature; a network that trains from scratch sees the rest sooner without it.
    """

    def __init__(
        self,
        kind: TemporalKind,
        in_features: int,
        channels: Sequence[int],
        kernel_size: int,
        dropout: float,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(in_features) if batch_norm else None
        self.kind = kind
        self.out_features = in_features if kind == "mean" else channels[-1]
        self.network: nn.Module | None = None
        if kind == "tcn":
            self.network = TemporalConvNet(in_features, channels, kernel_size, dropout)
        elif kind == "gru":
            self.network = nn.GRU(in_features, channels[-1], batch_first=True)

    def forward(self, frames: Tensor, counted: bool = True) -> Tensor:
        """(B, T, d) -> (B, out_features); frames that are not counted leave statistics as they are."""
        if self.norm is not None:
            frames = self._normed(frames.flatten(0, 1), counted).view_as(frames)
        if self.network is None:
            return frames.mean(dim=1)
        if self.kind == "gru":
            assert isinstance(self.network, nn.GRU)
            return run_recurrent(self.network, frames)[:, -1]
        return self.network(frames.transpose(1, 2))[..., -1]

    def _normed(self, frames: Tensor, counted: bool) -> Tensor:
        norm = self.norm
        assert norm is not None
        # Processes that synchronise wait for each other, so none may leave it out.
        if counted or isinstance(norm, nn.SyncBatchNorm):
            return norm(frames)
        return F.batch_norm(frames, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
