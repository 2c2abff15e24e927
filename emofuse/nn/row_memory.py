"""What a system remembers of each training row from one epoch to the next."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class RowMemory(nn.Module):
    """Numbers for each row of the training part, by the row's number; it grows as rows are seen.

    They belong to a training and not to what is learnt: checkpoints hold them, weights and buffers do not.

    Args:
        sizes: name -> how many numbers of each row.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self._held: dict[str, Tensor] = {name: torch.zeros(0, size) for name, size in sizes.items()}
        self._held["times"] = torch.zeros(0, dtype=torch.int64)

    def __getitem__(self, name: str) -> Tensor:
        return self._held[name]

    @property
    def times(self) -> Tensor:
        """(rows,) int64, how often each has been seen."""
        return self._held["times"]

    def hold(self, row_numbers: Tensor, like: Tensor) -> None:
        """Make room for rows, on the device and in the type of another tensor; those that were not there are 0."""
        most = int(row_numbers.max()) + 1 if len(row_numbers) else 0
        for name, held in self._held.items():
            held = held.to(like.device, like.dtype if held.is_floating_point() else held.dtype)
            more = held.new_zeros(max(0, most - len(held)), *held.shape[1:])
            self._held[name] = torch.cat([held, more]) if len(more) else held

    def state(self) -> dict[str, Tensor]:
        """All of it, for a checkpoint."""
        return {name: held.cpu().clone() for name, held in self._held.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what a checkpoint holds."""
        self._held = {name: value.clone() for name, value in state.items()}
