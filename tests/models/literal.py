"""Comparing a layer with a slow, literal reading of its equations."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def lengths_mask(*lengths: int) -> Tensor:
    """(B, N) bool of dialogues with so many utterances."""
    return torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def assert_same(found: Tensor, expected: Tensor, sources: Iterable[Tensor]) -> None:
    """Values are the same, and so are the gradients of a random mixture of them with respect to every source."""
    torch.testing.assert_close(found, expected)
    mixture, sources = torch.randn_like(found), list(sources)
    gradients = [
        torch.autograd.grad((out * mixture).sum(), sources, retain_graph=True, materialize_grads=True)
        for out in (found, expected)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert any(bool(gradient.abs().sum() > 0) for gradient in gradients[0])
