"""Items in batches, in an order that a resumed run repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from emofuse.data.batch import Batch


class BatchDataset(Protocol):
    """Items that can be put into a batch."""

    @property
    def decodes_media(self) -> bool:
        """Whether reading an item is work that other processes should do."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...

    def collate(self, rows: Sequence[Any]) -> Batch:
        """A batch of items."""


class EpochShuffle(Sampler[int]):
    """A permutation that depends on seed and epoch alone, so that a resumed run sees the same order."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def begin_epoch(self, epoch: int) -> None:
        """Choose the order; not named ``set_epoch``, because trainers count resumed epochs in their own way."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng([self.seed, self.epoch]).permutation(self.size).tolist())


def make_loader(
    dataset: BatchDataset, batch_size: int, *, shuffle_seed: int | None = None, workers: int = 0
) -> DataLoader[Any]:
    """Batches of ``dataset``; shuffled anew each epoch when ``shuffle_seed`` is given.

    Workers are used only where there are frames to decode: features are a memory-mapped look-up.
    """
    assert isinstance(dataset, Dataset)
    workers = workers if dataset.decodes_media else 0
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=None if shuffle_seed is None else EpochShuffle(len(dataset), shuffle_seed),
        collate_fn=dataset.collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        # Its own, so that opening a loader draws nothing from the generator that dropout draws from.
        generator=torch.Generator(),
        prefetch_factor=2 if workers else None,
    )
