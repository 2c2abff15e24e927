"""The context of one speaker: a recurrent layer over a dialogue's utterances of each of its parties."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from emofuse.nn.bidirectional import BidirectionalRecurrent
from emofuse.nn.dialogue_graphs import put_back
from emofuse.nn.exporting import exporting, run_padded_lstm
from emofuse.nn.recurrent import gather_steps


class PartyContext(nn.Module):
    """s_i = BiRNN over the utterances that the speaker of i says in their dialogue, at i.

    Source: MM-DFN (Hu et al. 2022), §2.2, after DialogueCRN. All parties of all dialogues are sequences of one batch.

    Args:
        cell: "lstm" or "gru".
        dim: of an utterance, before and after; even.
    """

    def __init__(self, cell: Literal["lstm", "gru"], dim: int) -> None:
        super().__init__()
        self.recurrent = BidirectionalRecurrent(cell, dim, dim // 2)

    def forward(self, x: Tensor, speakers: Tensor, mask: Tensor) -> Tensor:
        """(B, N, dim) of utterances (B, N, dim) by speakers (B, N), numbered from 0; 0 at padding."""
        if exporting():
            return self._side_by_side(x, speakers, mask)
        party, turn = party_turns(speakers, mask)
        rows, turns = int(party.max()) + 1, int(turn.max()) + 1
        said = x.new_zeros(rows, turns, x.shape[-1])
        said[party, turn] = x[mask]
        real = torch.zeros(rows, turns, dtype=torch.bool, device=x.device)
        real[party, turn] = True
        return put_back(self.recurrent(said, real)[party, turn], mask)

    def _side_by_side(self, x: Tensor, speakers: Tensor, mask: Tensor) -> Tensor:
        """The same where sizes may not depend on values: each dialogue's parties one after the other, in one sequence."""
        who = speakers.masked_fill(~mask, torch.iinfo(speakers.dtype).max)
        turns = torch.arange(mask.shape[1], device=mask.device)
        mine, other = who.unsqueeze(2), who.unsqueeze(1)
        place = ((other < mine) | ((other == mine) & (turns < turns.unsqueeze(1)))).sum(dim=2)
        order = torch.zeros_like(place).scatter(1, place, turns.expand_as(place))
        states = run_padded_lstm(self.recurrent.cell, gather_steps(x, order), mask, who.gather(1, order))
        return gather_steps(states, place).masked_fill(~mask.unsqueeze(-1), 0.0)


def party_turns(speakers: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Of each utterance, in the order of the mask (B, N): which party says it, and as its how-manieth turn, both from 0."""
    row = torch.arange(mask.shape[0], device=mask.device).unsqueeze(1).expand_as(mask)[mask]
    said_by = row * (int(speakers.max()) + 1) + speakers[mask]
    _, party = torch.unique(said_by, return_inverse=True)
    order = torch.argsort(party, stable=True)
    counts = torch.bincount(party)
    starts = counts.cumsum(0) - counts
    turn = torch.empty_like(party)
    turn[order] = torch.arange(party.shape[0], device=party.device) - starts[party[order]]
    return party, turn
