"""The sub-networks of TFN and LMF, which embed one modality each before they are fused."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.exporting import exporting, run_recurrent


class VectorSubNetwork(nn.Module):
    """Batch normalisation and three layers with ReLU. Source: TFN (Zadeh et al. 2017), §4.1.

    Args:
        dim: of the input.
        hidden: of each layer.
        dropout: on the normalised input.
    """

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)
        self.dropout = nn.Dropout(dropout)
        self.linear_1, self.linear_2, self.linear_3 = (nn.Linear(d, hidden) for d in (dim, hidden, hidden))

    def forward(self, x: Tensor, available: Tensor) -> Tensor:
        """(B, dim) to (B, hidden); rows that are not available come out as 0 and count in no statistic."""
        rows = x if exporting() else x[available]
        # One row has no spread of its own: take what has been seen so far.
        if self.training and rows.shape[0] < 2:
            n = self.norm
            rows = F.batch_norm(rows, n.running_mean, n.running_var, n.weight, n.bias, False, 0.0, n.eps)
        else:
            rows = self.norm(rows)
        rows = F.relu(self.linear_1(self.dropout(rows)))
        rows = F.relu(self.linear_3(F.relu(self.linear_2(rows))))
        if exporting():
            return rows.masked_fill(~available.unsqueeze(-1), 0.0)
        found = x.new_zeros(x.shape[0], rows.shape[-1])
        found[available] = rows.to(found.dtype)
        return found


class TextSubNetwork(nn.Module):
    """The last state of an LSTM over the words, and one layer. Source: TFN §4.1.

    Args:
        dim: of a word.
        hidden: of the LSTM.
        out: of the layer.
        dropout: on the LSTM's state.
    """

    def __init__(self, dim: int, hidden: int, out: int, dropout: float) -> None:
        super().__init__()
        self.rnn = nn.LSTM(dim, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.linear_1 = nn.Linear(hidden, out)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, dim), real steps (B, T) first, to (B, out); 0 for rows without steps."""
        lengths = mask.sum(dim=1)
        out: Tensor = self.linear_1(self.dropout(self._last_state(x, lengths.clamp_min(1))))
        return torch.where((lengths > 0).unsqueeze(-1), out, 0.0)

    def _last_state(self, x: Tensor, lengths: Tensor) -> Tensor:
        if exporting():
            return run_recurrent(self.rnn, x)[torch.arange(x.shape[0], device=x.device), lengths - 1]
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        state: Tensor = self.rnn(packed)[1][0].squeeze(0)
        return state
