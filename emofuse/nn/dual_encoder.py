"""Two encoders side by side over the sequence of one modality (CM-MSF §3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from emofuse.nn.modality_encoder import sinusoidal_positions
from emofuse.nn.recurrent import Recurrent

SequenceEncoderKind = Literal["features", "transformer", "lstm", "bigru"]


class TemporalTransformer(nn.Module):
    """Transformer encoder over time, with sinusoidal positions (Vaswani et al. 2017).

    Its layers normalise before attention and feed-forward network, which needs no warm-up of the learning
    rate; CM-MSF §4.2 trains without one.

    Args:
        dim: size of the sequence; a multiple of `heads`.
        layers: number of layers.
        heads: attention heads.
        ff_dim: width of the feed-forward networks.
        dropout: everywhere.
    """

    def __init__(self, dim: int, layers: int, heads: int, ff_dim: int, dropout: float) -> None:
        super().__init__()

        def layer() -> nn.TransformerEncoderLayer:
            return nn.TransformerEncoderLayer(dim, heads, ff_dim, dropout, batch_first=True, norm_first=True)

        self.layers = nn.TransformerEncoder(layer(), 1, nn.LayerNorm(dim), enable_nested_tensor=False)
        # It would copy one layer, weights too; each is to start from its own.
        self.layers.layers.extend(layer() for _ in range(layers - 1))
        self.layers.num_layers = layers
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, dim) and (B, T) bool, padding last, to (B, T, dim), 0 at padding."""
        places = sinusoidal_positions(0, x.shape[1], x.shape[2], 10_000.0, x.device, x.dtype)
        first = torch.arange(x.shape[1], device=x.device) == 0
        # A softmax over nothing is not a number: a sequence without a real step sees its first place.
        hidden = self.layers(self.dropout(x + places), src_key_padding_mask=~(mask | first))
        return hidden.masked_fill(~mask.unsqueeze(-1), 0.0)


class PrecomputedStates(nn.Module):
    """The encoder that has run already, upstream: BERT's token states, ResNet-101's frame features."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, dim) as it is, 0 at padding."""
        return x.masked_fill(~mask.unsqueeze(-1), 0.0)


class DualEncoder(nn.Module):
    """One or two encoders in parallel, behind one linear input layer that they share.

    Source: CM-MSF §3.2; text is ("features", "lstm"), audio ("transformer", "bigru"), video ("features",
    "transformer"). §3.2.2 has its two encoders share parameters and leaves open which: here the input layer.

    Args:
        in_dim: size of the modality's features.
        dim: size of the sequences that come out.
        encoders: one or two kinds, in the order A, B of §3.3.
        layers: of a Transformer.
        heads: of a Transformer.
        ff_dim: of a Transformer.
        dropout: after the input layer and in a Transformer.
    """

    def __init__(
        self,
        in_dim: int,
        dim: int,
        encoders: Sequence[SequenceEncoderKind],
        layers: int = 5,
        heads: int = 8,
        ff_dim: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()

        def build(kind: SequenceEncoderKind) -> nn.Module:
            if kind == "features":
                return PrecomputedStates()
            if kind == "transformer":
                return TemporalTransformer(dim, layers, heads, ff_dim, dropout)
            if kind == "lstm":
                return Recurrent("lstm", dim, dim)
            return Recurrent("gru", dim, dim, bidirectional=True)

        self.input = nn.Linear(in_dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.encoders = nn.ModuleList(build(kind) for kind in encoders)

    def forward(self, x: Tensor, mask: Tensor) -> list[Tensor]:
        """Encode.

        Args:
            x: (B, T, in_dim)
            mask: (B, T) bool, the real steps; padding comes last.

        Returns:
            for each encoder (B, T, dim), 0 at padding.
        """
        x = self.dropout(self.input(x.masked_fill(~mask.unsqueeze(-1), 0.0)))
        return [encoder(x, mask) for encoder in self.encoders]
