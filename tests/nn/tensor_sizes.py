"""How large the tensors get that an operation makes, whatever the machine."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _LargestTensor(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self.numel = max(self.numel, leaf.numel())
        return out


def largest_tensor(call: Callable[[], Any]) -> int:
    """Number of values in the largest tensor that `call` makes."""
    with _LargestTensor() as largest, torch.no_grad():
        call()
    return largest.numel
