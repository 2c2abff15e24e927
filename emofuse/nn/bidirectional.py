"""Context of an utterance before and after it, the two side by side."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from emofuse.nn.exporting import exporting, run_padded_lstm


class BidirectionalRecurrent(nn.Module):
    """An LSTM or GRU over the utterances of padded dialogues, forwards and backwards; padding is left out.

    Args:
        cell: "lstm" or "gru".
        in_dim: size of the input.
        hidden: units of each direction; the output has twice as many.
        layers: how many.
        dropout: between layers.
    """

    def __init__(
        self, cell: Literal["lstm", "gru"], in_dim: int, hidden: int, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dim = 2 * hidden
        self.cell = (nn.LSTM if cell == "lstm" else nn.GRU)(
            in_dim,
            hidden,
            layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N, in_dim) with mask (B, N), padding last, to (B, N, 2 hidden); 0 at padding."""
        if exporting():
            return run_padded_lstm(self.cell, x, mask).masked_fill(~mask.unsqueeze(-1), 0.0)
        lengths = mask.sum(dim=1).clamp_min(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.cell(packed)[0], batch_first=True, total_length=mask.shape[1]
        )
        return states.masked_fill(~mask.unsqueeze(-1), 0.0)
