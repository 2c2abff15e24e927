"""The cascade: every modality informed by each of the others (CM-MSF §3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from emofuse.nn.cross_attention import CrossAttention
from emofuse.nn.recurrent import Recurrent


class CrossModalLayer(nn.Module):
    """One cross-modal encoder layer: from modality S to modality T.

    Source: CM-MSF Eq. 8, 10 and the inside of Eq. 11. With U the sequence of T as it comes in and U_S^[0]
    that of S as it was before the first layer,

        Û = LN{MultiHead(U, U_S^[0])} + LN(U)
        U' = LN{Conv1d(Û)} + LN(Û)

    each LN with its own weights. What lies outside the real steps is 0 to the convolution.

    Args:
        dim: d.
        heads: attention heads.
        kernel_size: steps that the convolution spans; odd.
        dropout: on what is added to LN(U) and to LN(Û).
    """

    def __init__(self, dim: int, heads: int, kernel_size: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size} has no middle; take an odd one")
        self.attention = CrossAttention(dim, dim, dim, heads)
        self.conv = nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2)
        self.attention_norm, self.query_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.conv_norm, self.residual_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, target: Tensor, source: Tensor, target_mask: Tensor, source_mask: Tensor) -> Tensor:
        """Inform (B, T, d) by (B, S, d); the masks (B, T) and (B, S) bool say which steps are real."""
        attended = self.attention(target, source, source_mask)
        u_hat = self.dropout(self.attention_norm(attended)) + self.query_norm(target)
        u_hat = u_hat.masked_fill(~target_mask.unsqueeze(-1), 0.0)
        local = self.conv(u_hat.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.conv_norm(local)) + self.residual_norm(u_hat)


class CrossModalEncoder(nn.Module):
    """N cross-modal layers and a BiLSTM: U_{S→T} (CM-MSF Eq. 9-11).

    Eq. 11 puts the BiLSTM around the layer of one i and calls the result U^[M]: read as M = N, one BiLSTM
    after the last layer.

    Args:
        dim: d.
        layers: N.
        heads: attention heads.
        kernel_size: of the convolutions.
        hidden: of the BiLSTM, whose directions are summed; None leaves it out.
        dropout: in the layers.
    """

    def __init__(
        self, dim: int, layers: int, heads: int, kernel_size: int, hidden: int | None, dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossModalLayer(dim, heads, kernel_size, dropout) for _ in range(layers))
        self.bilstm = None if hidden is None else Recurrent("lstm", dim, hidden, bidirectional=True)

    def forward(self, target: Tensor, source: Tensor, target_mask: Tensor, source_mask: Tensor) -> Tensor:
        """As `CrossModalLayer.forward`, to (B, T, hidden), or (B, T, d) without BiLSTM; 0 at padding."""
        u = target
        for layer in self.layers:
            u = layer(u, source, target_mask, source_mask)
        u = u.masked_fill(~target_mask.unsqueeze(-1), 0.0)
        return u if self.bilstm is None else self.bilstm(u, target_mask)


class CrossModalCascade(nn.Module):
    """A cross-modal encoder for every ordered pair of modalities, and their results joined.

    Source: CM-MSF §3.4, Eq. 8-12. For modality A, informed by T and V,

        U_A ← [U_{T→A} W_TA + b_TA, U_{V→A} W_VA + b_VA]        (12)

    where each part has d / (number of others) features, so that U_A keeps its size. A modality that a row
    lacks informs none of the others; without another modality in the system there is no cascade to be had.

    Args:
        dim: d; a multiple of the number of other modalities.
        modalities: two or three; their order is the order of concatenation.
        layers: N.
        heads: attention heads.
        kernel_size: of the convolutions; odd.
        hidden: of the BiLSTMs; None leaves them out.
        dropout: in the layers and on the BiLSTMs' output.
    """

    def __init__(
        self,
        dim: int,
        modalities: Sequence[str] = ("text", "audio", "video"),
        layers: int = 8,
        heads: int = 5,
        kernel_size: int = 3,
        hidden: int | None = 100,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        others = len(self.modalities) - 1
        if others < 1 or dim % others:
            raise ValueError(f"dim {dim} does not divide among {others} other modalities")
        pairs = [(s, t) for t in self.modalities for s in self.modalities if s != t]
        self.encoders = nn.ModuleDict(
            {
                f"{s}_to_{t}": CrossModalEncoder(dim, layers, heads, kernel_size, hidden, dropout)
                for s, t in pairs
            }
        )
        self.reduce = nn.ModuleDict(
            {f"{s}_to_{t}": nn.Linear(hidden or dim, dim // others) for s, t in pairs}
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, U: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inform every modality.

        Args:
            U: modality -> (B, T_m, d).
            masks: modality -> (B, T_m) bool, the real steps, padding last; none where a row lacks it.

        Returns:
            modality -> (B, T_m, d), 0 at padding.
        """
        updated = {}
        for t in self.modalities:
            parts = [self._inform(t, s, U, masks) for s in self.modalities if s != t]
            updated[t] = torch.cat(parts, dim=-1).masked_fill(~masks[t].unsqueeze(-1), 0.0)
        return updated

    def _inform(self, t: str, s: str, U: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Tensor:
        informed = self.encoders[f"{s}_to_{t}"](U[t], U[s], masks[t], masks[s])
        return self.reduce[f"{s}_to_{t}"](self.dropout(informed))
