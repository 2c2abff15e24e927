"""What was said before each utterance of a dialogue, and recurrences over it, for all utterances at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.exporting import exporting, run_over_time


@dataclass(frozen=True)
class Histories:
    """Of each of (B, N) utterances those before it, the oldest first.

    Attributes:
        places: (B, N, L) int64, which they are.
        there: (B, N, L) bool, those that there are; they come first.
        own: (B, N, L) bool, those by the same speaker.
    """

    places: Tensor
    there: Tensor
    own: Tensor

    @property
    def other(self) -> Tensor:
        """(B, N, L) bool, those by anybody else."""
        return self.there & ~self.own


def histories(speakers: Tensor, mask: Tensor, window: int) -> Histories:
    """The last utterances before each, at most `window`.

    Args:
        speakers: (B, N) int64.
        mask: (B, N) bool, False for the padding at a dialogue's end, which has no history.
        window: K.
    """
    count = mask.shape[1]
    length = window if exporting() else max(1, min(window, count - 1))
    now = torch.arange(count, device=mask.device).unsqueeze(1)
    first = (now - window).clamp_min(0)
    places = first + torch.arange(length, device=mask.device)
    there = (places < now) & mask.unsqueeze(-1)
    places = places.clamp_max(count - 1).expand_as(there)
    said = speakers.unsqueeze(1).expand(-1, count, -1).gather(2, places)
    return Histories(places, there, there & (said == speakers.unsqueeze(-1)))


@dataclass(frozen=True)
class _Packing:
    """Steps of many histories of unequal length, all first ones before all second ones.

    Attributes:
        order: (T,) int64, where each lies among all B·N·L places.
        sizes: how many first, second, ... ones there are. The longest history comes first, so those that go on are the
            first ones of the step before.
    """

    order: Tensor
    sizes: list[int]

    @classmethod
    def of(cls, mine: Tensor) -> _Packing:
        """Of (B, N, L) bool."""
        length = mine.shape[-1]
        counts = mine.sum(dim=-1).flatten()
        rows = torch.argsort(counts, descending=True, stable=True)
        steps = torch.argsort(
            mine.view(-1, length)[rows].to(torch.uint8), dim=1, descending=True, stable=True
        )
        going_on = torch.arange(length, device=mine.device) < counts[rows].unsqueeze(1)
        places = rows.unsqueeze(1) * length + steps
        return cls(places.t()[going_on.t()], [size for size in going_on.sum(dim=0).tolist() if size])


class HistoryGRU(nn.Module):
    """A GRU over the history of every utterance, each from an empty state.

    Where a step is not for it, its state stays as it is and it gives 0. What it makes of an utterance before the state
    comes in is computed once for each utterance, however many histories it stands in.

    Args:
        in_dim: of an utterance.
        hidden: of the state.
        dropout: on what it gives, not on the state that goes on.
    """

    def __init__(self, in_dim: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.cell = nn.GRUCell(in_dim, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, past: Histories, mine: Tensor) -> Tensor:
        """(B, N, L, hidden) of utterances (B, N, in_dim); mine (B, N, L) bool, the steps that are for it."""
        gates = self._from_input(x).flatten(0, 1)
        batch, count, _ = past.places.shape
        places = past.places + torch.arange(batch, device=x.device).view(-1, 1, 1) * count
        if exporting():
            return self._padded(gates[places], mine)
        packing = _Packing.of(mine)
        return self._packed(gates[places.flatten()[packing.order]], packing, mine)

    def over(self, steps: Tensor, mine: Tensor) -> Tensor:
        """(B, N, L, hidden) of steps (B, N, L, in_dim) that are histories already."""
        if exporting():
            return self._padded(self._from_input(steps), mine)
        packing = _Packing.of(mine)
        return self._packed(self._from_input(steps.flatten(0, 2)[packing.order]), packing, mine)

    def _from_input(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x.to(self.cell.weight_ih.dtype), self.cell.weight_ih, self.cell.bias_ih)

    def _packed(self, gates: Tensor, packing: _Packing, mine: Tensor) -> Tensor:
        """Only the steps that are for it, (T, 3·hidden) side by side: most of a batch of histories is none of them."""
        out = gates.new_zeros(mine.numel(), self.cell.hidden_size)
        if packing.sizes:
            out = out.index_copy(0, packing.order, self.dropout(self._states(gates, packing.sizes)))
        return out.view(*mine.shape, -1)

    def _states(self, gates: Tensor, sizes: list[int]) -> Tensor:
        h, given = gates.new_zeros(sizes[0], self.cell.hidden_size), []
        with torch.autocast(gates.device.type, enabled=False):
            for from_input in gates.split(sizes):
                h = self._step(from_input, h[: len(from_input)])
                given.append(h)
        return torch.cat(given)

    def _padded(self, gates: Tensor, mine: Tensor) -> Tensor:
        """Every step of (B, N, L, 3·hidden), for an export, whose sizes cannot depend on who speaks."""

        def step(state: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor], Tensor]:
            (h,), (from_input, goes_on) = state, at
            h = torch.where(goes_on, self._step(from_input, h), h)
            return (h,), h.masked_fill(~goes_on, 0.0)

        empty = gates.new_zeros(*gates.shape[:2], self.cell.hidden_size)
        inputs = (gates.movedim(2, 0), mine.unsqueeze(-1).movedim(2, 0))
        # An export is for inference, without dropout.
        return run_over_time(step, (empty,), inputs)[1].movedim(0, 2).contiguous()

    def _step(self, from_input: Tensor, h: Tensor) -> Tensor:
        from_state = F.linear(h, self.cell.weight_hh, self.cell.bias_hh)
        reset, update, new = from_input.chunk(3, dim=-1)
        reset_h, update_h, new_h = from_state.chunk(3, dim=-1)
        candidate = torch.tanh(new + torch.sigmoid(reset + reset_h) * new_h)
        return torch.lerp(candidate, h, torch.sigmoid(update + update_h))


def read_memory(query: Tensor, keys: Tensor, values: Tensor, there: Tensor) -> Tensor:
    """softmax(qᵀ m_j) c_j, summed: what a query finds in a memory.

    Args:
        query: (B, N, d).
        keys: (B, N, L, d), m.
        values: (B, N, L, d), c.
        there: (B, N, L) bool, the cells of the memory in use.

    Returns:
        (B, N, d); 0 of a memory without cells.
    """
    scores = torch.einsum("bnd,bnld->bnl", query, keys)
    weights = scores.masked_fill(~there, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return torch.einsum("bnl,bnld->bnd", weights.masked_fill(~there, 0.0), values)
