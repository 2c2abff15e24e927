"""Token states as one vector per utterance."""

from __future__ import annotations

from torch import Tensor


def pooled_vectors(states: Tensor, own: Tensor, first: Tensor, pooling: str) -> Tensor:
    """(B, d) of (B, T, d) token states.

    Args:
        states: of the last layer, or of several side by side.
        own: (B, T) bool, the tokens that are the utterance's own.
        first: (B, 1) the place of the first of them.
        pooling: ``"cls"`` takes the first, ``"mean"`` the mean of all.
    """
    if pooling == "cls":
        return states.take_along_dim(first[..., None], dim=1)[:, 0]
    weights = own.unsqueeze(-1).float()
    return (states * weights).sum(dim=1) / weights.sum(dim=1)
