"""Multi-head attention over the utterances of a dialogue: masked, causal or not, within a window or not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.exporting import exporting
from emofuse.nn.initialisation import RESIDUAL_GAIN, xavier_
from emofuse.nn.stream_memory import StreamMemory

QUERY_BLOCK = 256  # queries handled together, so that no mask of a long dialogue is ever N × N


class DialogueAttention(nn.Module):
    """Scaled dot-product attention from one sequence to another of the same length.

    Source: Vaswani et al. (2017), Eq. 1, with these sights: utterance i sees utterance j if j is a real
    utterance, j ≤ i when causal, and |i − j| < window when there is one. One that sees nothing gets 0.

    Args:
        dim: size of queries, sources and output; a multiple of `heads`.
        heads: number of heads.
        dropout: on the attention weights.
        causal: hide what comes after the query.
        window: number of utterances that a query reaches to each side, itself included; None is no limit.
    """

    def __init__(
        self, dim: int, heads: int, dropout: float = 0.0, causal: bool = False, window: int | None = None
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim {dim} is not a multiple of heads {heads}")
        self.heads, self.dropout, self.causal, self.window = heads, dropout, causal, window
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        xavier_(self.query, self.key_value)
        xavier_(self.out, gain=RESIDUAL_GAIN)

    def forward(
        self, query: Tensor, source: Tensor, source_mask: Tensor, memory: StreamMemory | None = None
    ) -> Tensor:
        """Attend.

        Args:
            query: (B, N, dim)
            source: (B, N, dim), gives keys and values.
            source_mask: (B, N) bool, False where the source has no utterance.
            memory: keys and values of what came before; needs `causal` and a `window`.

        Returns:
            (B, N, dim)
        """
        batch, length, _ = query.shape
        q = self.query(query).view(batch, length, self.heads, -1).transpose(1, 2)
        k, v = self.key_value(source).view(batch, length, 2, self.heads, q.shape[-1]).permute(2, 0, 3, 1, 4)
        if memory is not None:
            k, v, source_mask = self._recall(k, v, source_mask, memory)
        past = k.shape[2] - length
        attended, blind = [], []
        for start, stop in self._blocks(length):
            low, high = self._reach(past + start, past + stop, k.shape[2])
            sees = self._sight(source_mask[:, low:high], past + start - low, stop - start)
            sees_nothing = ~sees.any(-1, keepdim=True)
            attended.append(
                F.scaled_dot_product_attention(
                    q[:, :, start:stop],
                    k[:, :, low:high],
                    v[:, :, low:high],
                    # A softmax over nothing is NaN: attend to everything instead, and set the result to zero afterwards.
                    attn_mask=(sees | sees_nothing).unsqueeze(1),
                    dropout_p=self.dropout if self.training else 0.0,
                )
            )
            blind.append(sees_nothing)
        merged = torch.cat(attended, dim=2).transpose(1, 2).reshape(batch, length, -1)
        return self.out(merged).masked_fill(torch.cat(blind, dim=1), 0.0)

    @staticmethod
    def _blocks(length: int) -> list[tuple[int, int]]:
        """Where each block of queries begins and ends; all in one where the length is not known."""
        if exporting():
            return [(0, length)]
        return [(start, min(start + QUERY_BLOCK, length)) for start in range(0, length, QUERY_BLOCK)]

    def _reach(self, first: int, last: int, keys: int) -> tuple[int, int]:
        """Range of keys that the queries at places `first` to `last` (exclusive) can see."""
        if exporting():
            return 0, keys
        low = 0 if self.window is None else max(0, first - self.window + 1)
        high = keys if self.window is None else min(keys, last + self.window - 1)
        return low, (min(high, last) if self.causal else high)

    def _sight(self, source_mask: Tensor, offset: int, queries: int) -> Tensor:
        """(B, queries, keys) bool: who sees whom; the first query stands at key `offset`."""
        keys = torch.arange(source_mask.shape[1], device=source_mask.device)
        lag = torch.arange(offset, offset + queries, device=source_mask.device).unsqueeze(1) - keys
        sees = torch.ones_like(lag, dtype=torch.bool)
        if self.causal:
            sees = lag >= 0
        if self.window is not None:
            sees = sees & (lag.abs() < self.window)
        return sees & source_mask.unsqueeze(1)

    def _recall(
        self, k: Tensor, v: Tensor, source_mask: Tensor, memory: StreamMemory
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Put what the window still reaches of the past before the present, and keep it for the next call."""
        if not self.causal or self.window is None:
            raise ValueError("attention over a stream must be causal and within a window")
        held = memory.read(self)
        if held is not None:
            k, v = torch.cat([held[0], k], dim=2), torch.cat([held[1], v], dim=2)
            source_mask = torch.cat([held[2], source_mask], dim=1)
        keep = slice(max(0, k.shape[2] - self.window + 1), None)
        memory.write(self, k[:, :, keep], v[:, :, keep], source_mask[:, keep])
        return k, v, source_mask


class AttentionLayer(nn.Module):
    """One Transformer layer whose query visits one source after another.

    Each visit is attention, residual connection and layer normalisation; last comes a feed-forward network of
    two linear layers with ReLU, with its residual and normalisation. With one source it is
    Transformer(Q, K, V) of MFCRE Eq. 4-5; with two it is the three stages of MultiAttn (§3.4).

    Args:
        dim: size of queries, sources and output.
        sources: how many sources the query visits.
        heads: attention heads.
        ff_dim: width of the feed-forward network.
        dropout: on attention weights, on each stage's output and inside the feed-forward network.
        causal: see `DialogueAttention`.
        window: see `DialogueAttention`.
    """

    def __init__(
        self,
        dim: int,
        sources: int,
        heads: int,
        ff_dim: int,
        dropout: float = 0.0,
        causal: bool = False,
        window: int | None = None,
    ) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            DialogueAttention(dim, heads, dropout, causal, window) for _ in range(sources)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(sources))
        widen, narrow = nn.Linear(dim, ff_dim), nn.Linear(ff_dim, dim)
        xavier_(widen)
        xavier_(narrow, gain=RESIDUAL_GAIN)
        self.feed_forward = nn.Sequential(widen, nn.ReLU(), nn.Dropout(dropout), narrow)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, query: Tensor, sources: Sequence[tuple[Tensor, Tensor]], memory: StreamMemory | None = None
    ) -> Tensor:
        """Visit the sources in their order.

        Args:
            query: (B, N, dim)
            sources: for each source its features (B, N, dim) and where it is present (B, N) bool.
            memory: what came before, for streams.

        Returns:
            (B, N, dim)
        """
        for attention, norm, (source, present) in zip(self.attentions, self.norms, sources, strict=True):
            query = norm(query + self.dropout(attention(query, source, present, memory)))
        return self.feed_forward_norm(query + self.dropout(self.feed_forward(query)))
