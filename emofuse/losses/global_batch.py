"""The batch of all processes, for losses that compare rows with each other."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


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
    gathered = _with_gradient(padded) if rows.requires_grad else _without_gradient(padded, len(sizes))
    return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])


def _with_gradient(rows: Tensor) -> list[Tensor]:
    return list(all_gather(rows.contiguous()))


def _without_gradient(rows: Tensor, processes: int) -> list[Tensor]:
    # Gloo gathers no booleans.
    plain = rows.to(torch.uint8) if rows.dtype == torch.bool else rows
    parts = [torch.empty_like(plain) for _ in range(processes)]
    dist.all_gather(parts, plain.contiguous())
    return [part.to(rows.dtype) for part in parts]
