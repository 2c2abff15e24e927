"""Utterances of every modality in one size: words with their context, sound and pictures each for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from emofuse.data.modality import Modality
from emofuse.nn.bidirectional import BidirectionalRecurrent


class UtteranceEncoders(nn.Module):
    """c^t = BiRNN(u^t) over the utterances of a dialogue; c^a = W u^a + b, and c^v likewise.

    Source: MMGCN (Hu et al. 2021), §3.2; MM-DFN, M3NET, GraphCFC and GS-MCC have the same.

    Args:
        dims: modality -> size of its features.
        dim: size of all of them afterwards, even.
        cell: "lstm" or "gru".
        layers: of it.
        dropout: between its layers.
    """

    def __init__(
        self,
        dims: Mapping[Modality, int],
        dim: int,
        cell: Literal["lstm", "gru"] = "gru",
        layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                m: BidirectionalRecurrent(cell, size, dim // 2, layers, dropout)
                if m == "text"
                else nn.Linear(size, dim)
                for m, size in dims.items()
            }
        )

    def forward(self, inputs: Mapping[str, Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Modality -> (B, N, dim) of features (B, N, d_m); mask (B, N), padding last."""
        return {
            m: self.layers[m](x, mask)
            if isinstance(self.layers[m], BidirectionalRecurrent)
            else self.layers[m](x)
            for m, x in inputs.items()
        }
