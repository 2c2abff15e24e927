"""CFN-ESA's encoders: contexts of one modality, modalities centred on one of them, and shifts of emotion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.bidirectional import BidirectionalRecurrent
from emofuse.nn.dialogue_attention import DialogueAttention


def _feed_forward(dim: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim), nn.Dropout(dropout)
    )


class RUMELayer(nn.Module):
    """r = LN(x + W BiGRU(x)), then LN(x + r + FFN(r)).

    Source: CFN-ESA (Li et al. 2024), §III-C, recurrence-based uni-modality encoder. All modalities share it.

    Args:
        dim: of an utterance, before and after.
        dropout: after each part.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.recurrent = BidirectionalRecurrent("gru", dim, dim)
        self.narrow = nn.Linear(2 * dim, dim)
        self.feed_forward = _feed_forward(dim, dropout)
        self.recurrent_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N, dim) of utterances (B, N, dim), of which there are (B, N)."""
        r = self.recurrent_norm(x + self.dropout(self.narrow(self.recurrent(x, mask))))
        return cast(Tensor, self.norm(x + r + self.feed_forward(r)))


class ACMELayer(nn.Module):
    """Each modality attends to itself; then the primary one to all others, and each of those to the primary one.

    Source: CFN-ESA, §III-D, attention-based cross-modality encoder. With x of a modality:

    - s = LN(x + A(x, x))
    - c = LN(x + s + C(s)): of a secondary modality C attends to s of the primary one; of the primary one it is
      ReLU(W [..]) of what it finds in each secondary one
    - LN(x + c + FFN(c))

    Args:
        modalities: the primary one first.
        dim: of an utterance, before and after.
        heads: of every attention.
        dropout: after each part.
    """

    def __init__(self, modalities: tuple[str, ...], dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.primary, *others = modalities
        self.others = tuple(others)
        self.selves = nn.ModuleDict({m: DialogueAttention(dim, heads) for m in modalities})
        self.from_primary = nn.ModuleDict({m: DialogueAttention(dim, heads) for m in others})
        self.to_primary = nn.ModuleDict({m: DialogueAttention(dim, heads) for m in others})
        self.combine = nn.Linear(len(others) * dim, dim) if others else None
        self.feed_forward = nn.ModuleDict({m: _feed_forward(dim, dropout) for m in modalities})
        self.norms = nn.ModuleDict(
            {m: nn.ModuleList(nn.LayerNorm(dim) for _ in range(3)) for m in modalities}
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Mapping[str, Tensor], has: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Modality -> (B, N, dim) of utterances (B, N, dim), of which there are (B, N) bool each."""
        s = {m: self._norm(m, 0)(x[m] + self.dropout(self.selves[m](x[m], x[m], has[m]))) for m in x}
        found = {m: self.from_primary[m](s[m], s[self.primary], has[self.primary]) for m in self.others}
        if self.combine is not None:
            heard = [self.dropout(self.to_primary[m](s[self.primary], s[m], has[m])) for m in self.others]
            found[self.primary] = F.relu(self.combine(torch.cat(heard, dim=-1)))
        c = {m: self._norm(m, 1)(x[m] + s[m] + self.dropout(found[m])) if found else s[m] for m in x}
        return {m: self._norm(m, 2)(x[m] + c[m] + self.feed_forward[m](c[m])) for m in x}

    def _norm(self, m: str, number: int) -> nn.Module:
        return cast(nn.ModuleList, self.norms[m])[number]


class EmotionShift(nn.Module):
    """Whether two utterances have different emotions, by W_2 ReLU(W_1 [z_i; z'_j]).

    Source: CFN-ESA, §III-E, label-based emotion-shift module. z and z' are of two passes with dropout of their own.

    Args:
        dim: of an utterance.
        hidden: units of the layer inside.
        dropout: on them.
    """

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        # W_1 in two halves, so that each utterance goes through it once and not with every other.
        self.one, self.other = nn.Linear(dim, hidden), nn.Linear(dim, hidden, bias=False)
        self.classifier = nn.Linear(hidden, 2)
        self.dropout = nn.Dropout(dropout)

    def halves(self, z: Tensor, again: Tensor) -> tuple[Tensor, Tensor]:
        """What each utterance is in a pair as its first and as its second: (B, N, hidden) of z and z' (B, N, dim)."""
        return self.one(z), self.other(again)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, N, N, 2) logits of the same emotion and of another, of `halves`."""
        hidden = first.unsqueeze(2) + second.unsqueeze(1)
        return cast(Tensor, self.classifier(self.dropout(F.relu(hidden))))
