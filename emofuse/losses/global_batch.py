"""The batch of all processes, for losses that compare rows with each other."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def is_distributed() -> bool:
    """Whether several processes train one model together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of every process, in the order of the ranks; (b, ...) of each -> (Σ b, ...).

    Processes may have different numbers of rows. The gradient of a row goes back to the process that it came from,
    summed over the processes: where each of them computes the same loss of the whole batch, and gradients are
    averaged over the W processes afterwards (as DistributedDataParallel does), the W and the 1/W cancel, and the
    result is the gradient of one process with the whole batch.

    With one process, ``rows`` as they are.
    """
    if not is_distributed():
        return rows
    counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    sizes = [int(count) for count in counts]
    padded = torch.cat([rows, rows.new_zeros(max(sizes) - len(rows), *rows.shape[1:])])
    gathered = _Gather.apply(padded)
    return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """(b, ...) of each of W processes -> (W, b, ...)."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        """Ask the others."""
        return _all_gather_rows(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """What the losses of all processes ask of this one's rows."""
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank()]


def _all_gather_rows(rows: Tensor) -> Tensor:
    # Gloo gathers no booleans.
    plain = rows.to(torch.uint8) if rows.dtype == torch.bool else rows
    parts = [
        torch.empty_like(plain, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())
    ]
    dist.all_gather(parts, plain.contiguous())
    return torch.stack(parts).to(rows.dtype)
