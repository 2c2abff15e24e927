"""Items in batches, in an order that a resumed run repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset, Sampler

from emofuse.data.batch import Batch


class BatchDataset(Protocol):
    """Items that can be put into a batch."""

    @property
    def decodes_media(self) -> bool:
        """Whether reading an item is work that other processes should do."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...

    def judged(self, index: int) -> int:
        """How many utterances of an item are judged."""

    def collate(self, rows: Sequence[Any]) -> Batch:
        """A batch of items."""


@runtime_checkable
class EpochOrder(Protocol):
    """What is chosen anew for each epoch: an order of rows, or what is seen of them."""

    def begin_epoch(self, epoch: int) -> None:
        """Choose it."""


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


class EpochDraw(EpochShuffle):
    """As many rows as there are, drawn with replacement by their weights.

    Args:
        weights: (N,) positive; a row is drawn as often as its weight is large.
        seed: of the draws, with the epoch.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        super().__init__(len(weights), seed)
        self.shares = np.asarray(weights, np.float64) / np.sum(weights)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        return iter(rng.choice(self.size, self.size, p=self.shares).tolist())


@dataclass(frozen=True)
class Share:
    """The rows of one batch that one process reads.

    Attributes:
        rows: their places.
        stands_in: the process has none of its own, and reads one of another's that must not count.
        epoch: that the batch belongs to.
        weight: of the batch's loss among those whose gradients are summed for a step, 1 on average.
    """

    rows: tuple[int, ...]
    stands_in: bool = False
    epoch: int = 0
    weight: float = 1.0


class Shares(Sampler[Share]):
    """Batches of rows in an order; of each the share of this process.

    Processes that train together go through the same batches, as many as one process would, and have rows of
    their own in each: as equal in number as can be, none twice. Where a batch has fewer rows than there are
    processes, those without one read a stand-in.

    Args:
        order: of the rows.
        batch_size: rows of a batch, of all processes together.
        divided: among the processes of the group that is there when it is gone through; False reads all.
        accumulate: batches that make a step together; each is weighed by what it has of the step's utterances.
        judged: utterances of each row; one by default.
    """

    def __init__(
        self,
        order: Sequence[int] | EpochShuffle,
        batch_size: int,
        divided: bool = False,
        accumulate: int = 1,
        judged: Sequence[int] | None = None,
    ) -> None:
        self.order, self.batch_size, self.divided = order, batch_size, divided
        self.accumulate, self.judged = accumulate, judged
        self.epoch = 0

    def begin_epoch(self, epoch: int) -> None:
        """Choose the order, where it is one of epochs."""
        self.epoch = epoch
        if isinstance(self.order, EpochShuffle):
            self.order.begin_epoch(epoch)

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __iter__(self) -> Iterator[Share]:
        rank, processes = 0, 1
        if self.divided and dist.is_available() and dist.is_initialized():
            rank, processes = dist.get_rank(), dist.get_world_size()
        rows = list(self.order)
        for at in range(0, len(rows), self.batch_size):
            batch = rows[at : at + self.batch_size]
            first, last = (len(batch) * place // processes for place in (rank, rank + 1))
            own = batch[first:last] or batch[:1]
            weight = self._weight(rows, at, batch)
            yield Share(tuple(own), stands_in=first >= last, epoch=self.epoch, weight=weight)

    def _weight(self, rows: Sequence[int], at: int, batch: Sequence[int]) -> float:
        """A mean over the step's utterances is the mean of those over its batches, each weighed by this."""
        if self.accumulate == 1:
            return 1.0
        size = self.batch_size * self.accumulate
        begin = at // size * size
        in_step = self._count(rows[begin : begin + size])
        # The trainer divides every loss by the number of batches that make a step, also where there are fewer left.
        return self.accumulate * self._count(batch) / in_step if in_step else 1.0

    def _count(self, rows: Sequence[int]) -> int:
        return len(rows) if self.judged is None else sum(self.judged[row] for row in rows)


class _Batches(Dataset[Batch]):
    """Batches by their share."""

    def __init__(self, rows: BatchDataset) -> None:
        self.rows = rows

    def __getitem__(self, share: Share) -> Batch:
        if isinstance(self.rows, EpochOrder):
            self.rows.begin_epoch(share.epoch)  # here, since a worker process has a copy of its own
        batch = self.rows.collate([self.rows[row] for row in share.rows])
        return replace(batch, stands_in=share.stands_in, weight=share.weight)


def make_loader(
    dataset: BatchDataset,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    draw_weights: Sequence[float] | None = None,
    workers: int = 0,
    divided: bool = False,
    accumulate: int = 1,
) -> DataLoader[Any]:
    """Batches of ``dataset``; shuffled anew each epoch when ``shuffle_seed`` is given.

    With ``draw_weights``, one for each item, items are drawn by them instead, see `EpochDraw`.

    Workers are used only where there are frames to decode: features are a memory-mapped look-up. Where it is
    ``divided``, each process of a training on several has its share of every batch, see `Shares`;
    so for ``accumulate``.
    """
    workers = workers if dataset.decodes_media else 0
    order = _order(len(dataset), shuffle_seed, draw_weights)
    judged = [dataset.judged(row) for row in range(len(dataset))] if accumulate > 1 else None
    return DataLoader(
        _Batches(dataset),
        batch_size=None,  # a share is a batch already
        sampler=Shares(order, batch_size, divided, accumulate, judged),
        collate_fn=_as_it_is,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=OwnGenerator(),
        prefetch_factor=2 if workers else None,
    )


def _order(size: int, seed: int | None, weights: Sequence[float] | None) -> range | EpochShuffle:
    if seed is None:
        return range(size)
    return EpochShuffle(size, seed) if weights is None else EpochDraw(weights, seed)


class OwnGenerator(torch.Generator):
    """A loader's own, so that opening it draws nothing from the generator that dropout draws from."""

    def __reduce__(self) -> Any:
        """Copied to another process without its state, which decides nothing there."""
        return OwnGenerator, ()


def _as_it_is(batch: Any) -> Any:
    return batch
