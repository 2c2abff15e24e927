"""Batches of like length: what a fine-tuning step is fed with, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from emofuse.data.batch import DecodeFailure
from emofuse.data.loader import EpochShuffle, OwnGenerator

_POOL = 50  # batches that are sorted by length together: near enough in length, and still in another order every time


@dataclass(frozen=True)
class Draw:
    """Rows of one batch, and the epoch that they are read in, which their augmentation depends on."""

    epoch: int
    rows: tuple[int, ...]


@dataclass(frozen=True)
class TuningBatch:
    """B utterances of one modality.

    Attributes:
        ids: the utterances.
        inputs: what the network takes by name; of pictures ``shares`` besides, (B, N) what each of N pictures counts in
            the mean of each utterance.
        labels: (B,) class indices.
        pooled: (B, T) bool, the tokens of a text that are pooled; None for sound, which pools by itself.
        decode_failures: media that could not be read; their rows are not among the B.
    """

    ids: list[str]
    inputs: dict[str, Tensor]
    labels: Tensor
    pooled: Tensor | None = None
    decode_failures: list[DecodeFailure] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: Any) -> TuningBatch:
        """The same batch with its tensors on ``device``."""
        return replace(
            self,
            inputs={name: tensor.to(device) for name, tensor in self.inputs.items()},
            labels=self.labels.to(device),
            pooled=None if self.pooled is None else self.pooled.to(device),
        )


class TuningRows(Protocol):
    """Utterances of one modality as rows.

    Attributes:
        lengths: tokens or seconds of each row.
        reads_media: a batch is worth preparing in another process.
        singly: padding changes what the network says, so rows that are judged are read one at a time.
    """

    lengths: np.ndarray
    reads_media: bool
    singly: bool

    def __len__(self) -> int: ...

    def batch(self, draw: Draw, *, training: bool) -> TuningBatch:
        """Read and pad some rows; augmented where ``training``."""


class LengthBuckets(EpochShuffle):
    """Batches of rows of like length in a random order that depends on seed and epoch alone.

    Args:
        lengths: (N,) of the rows.
        batch_size: rows of a batch.
        seed: of the order.
        epoch_size: rows of an epoch; epochs then share each pass over the rows between them, and the few that do
            not fill an epoch are left out of that pass.
    """

    def __init__(
        self, lengths: np.ndarray, batch_size: int, seed: int, epoch_size: int | None = None
    ) -> None:
        self.epochs_of_a_pass = -(-len(lengths) // min(epoch_size or len(lengths), len(lengths)))
        self.rows_of_an_epoch = len(lengths) // self.epochs_of_a_pass
        super().__init__(-(-self.rows_of_an_epoch // batch_size), seed)
        self.lengths, self.batch_size = lengths, batch_size

    def __iter__(self) -> Iterator[Any]:
        number, part = divmod(self.epoch, self.epochs_of_a_pass)
        everything = np.random.default_rng([self.seed, number]).permutation(len(self.lengths))
        rows = everything[part * self.rows_of_an_epoch : (part + 1) * self.rows_of_an_epoch]
        pool = _POOL * self.batch_size
        batches: list[np.ndarray] = []
        for begin in range(0, len(rows), pool):
            some = rows[begin : begin + pool]
            some = some[np.argsort(self.lengths[some], kind="stable")]
            batches += [some[at : at + self.batch_size] for at in range(0, len(some), self.batch_size)]
        for place in np.random.default_rng([self.seed, self.epoch, 1]).permutation(len(batches)):
            yield Draw(self.epoch, tuple(int(row) for row in batches[place]))


class InOrder(Sampler[Any]):
    """Batches of rows from the longest to the shortest, so that running out of memory shows at once."""

    def __init__(self, lengths: np.ndarray, batch_size: int) -> None:
        order = np.argsort(-np.asarray(lengths), kind="stable")
        self.draws = [
            Draw(0, tuple(int(row) for row in order[at : at + batch_size]))
            for at in range(0, len(order), batch_size)
        ]

    def __len__(self) -> int:
        return len(self.draws)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.draws)


class _Batches(Dataset[TuningBatch]):
    """Batches by their draw."""

    def __init__(self, rows: TuningRows, training: bool) -> None:
        self.rows, self.training = rows, training

    def __getitem__(self, draw: Draw) -> TuningBatch:
        return self.rows.batch(draw, training=self.training)


def tuning_loader(
    rows: TuningRows,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    epoch_size: int | None = None,
    workers: int = 0,
) -> DataLoader[TuningBatch]:
    """Length-bucketed batches of ``rows``; augmented and shuffled anew each epoch if ``shuffle_seed`` is given."""
    workers = workers if rows.reads_media else 0
    training = shuffle_seed is not None
    sampler: Sampler[Any] = (
        InOrder(rows.lengths, 1 if rows.singly else batch_size)
        if shuffle_seed is None
        else LengthBuckets(rows.lengths, batch_size, shuffle_seed, epoch_size)
    )
    return DataLoader(
        _Batches(rows, training),
        batch_size=None,  # a draw is a batch already
        sampler=sampler,
        collate_fn=_as_it_is,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=OwnGenerator(),
    )


def _as_it_is(batch: Any) -> Any:
    return batch
