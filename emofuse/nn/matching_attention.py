"""Attention of one state over a sequence of states, in the forms that DialogueRNN's authors compare."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

MatchingKind = Literal["dot", "general", "general2", "concat", "simple"]


class MatchingAttention(nn.Module):
    """A weighted mean of a memory, weights from how well each of its states matches a candidate.

    Source: DialogueRNN (Majumder et al. 2019), Eq. 4-5 and 10-12, after Luong et al. (2015). Of states m_i and candidate x:
    "dot" m_iᵀx; "general" m_iᵀWx; "concat" vᵀ tanh(W[m_i; x]); "simple" wᵀm_i; "general2" m_iᵀ(Wx + b), as the authors'
    published code has it over emotion states; with ``squash`` it is the tanh of that, as their code of bc-LSTM has it.

    Args:
        memory_dim: of each state of the memory.
        candidate_dim: of the candidate; as the memory's for "dot".
        kind: see above.
        alpha_dim: hidden size of "concat".
        squash: see above.
    """

    def __init__(
        self,
        memory_dim: int,
        candidate_dim: int,
        kind: MatchingKind = "general",
        alpha_dim: int = 100,
        squash: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.squash = kind, squash
        if kind == "dot" and memory_dim != candidate_dim:
            raise ValueError("dot: memory and candidate have one size")
        if kind in ("general", "general2"):
            self.transform = nn.Linear(candidate_dim, memory_dim, bias=kind == "general2")
        elif kind == "concat":
            self.transform = nn.Linear(memory_dim + candidate_dim, alpha_dim, bias=False)
            self.vector = nn.Linear(alpha_dim, 1, bias=False)
        elif kind == "simple":
            self.vector = nn.Linear(memory_dim, 1, bias=False)

    def forward(self, memory: Tensor, candidates: Tensor, mask: Tensor) -> Tensor:
        """Attend.

        Args:
            memory: (B, T, memory_dim).
            candidates: (B, Q, candidate_dim), each on its own.
            mask: (B, Q, T) or (B, 1, T) bool, what a candidate may see.

        Returns:
            (B, Q, memory_dim); 0 for a candidate that sees nothing.
        """
        scores = self._scores(memory, candidates)
        if self.kind == "general2":
            # The published code's mask is a factor, and its softmax runs over what is hidden too.
            scores = scores * mask
            weights = (torch.tanh(scores) if self.squash else scores).softmax(dim=-1) * mask
            weights = weights / weights.sum(dim=-1, keepdim=True).clamp_min(1e-12)
        else:
            weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)
            weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
        return weights @ memory

    def _scores(self, memory: Tensor, candidates: Tensor) -> Tensor:
        """(B, Q, T)"""
        if self.kind == "dot":
            return candidates @ memory.mT
        if self.kind in ("general", "general2"):
            return torch.as_tensor(self.transform(candidates)) @ memory.mT
        if self.kind == "simple":
            return self.vector(memory).mT.expand(-1, candidates.shape[1], -1)
        pairs = torch.cat(
            [
                memory.unsqueeze(1).expand(-1, candidates.shape[1], -1, -1),
                candidates.unsqueeze(2).expand(-1, -1, memory.shape[1], -1),
            ],
            dim=-1,
        )
        return self.vector(torch.tanh(self.transform(pairs))).squeeze(-1)
