"""An average of the weights: judged on the validation part, and saved, in place of the last step's."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from emofuse.runs.settings import OptimiserSettings


def weight_average(settings: OptimiserSettings) -> list[WeightAveraging]:
    """The average that is asked for, or none."""
    if settings.weight_average == "ema":
        return [MovingAverage(settings.ema_decay)]
    if settings.weight_average == "swa":
        return [StochasticAverage(math.floor(settings.swa_start * settings.epochs))]
    return []


class MovingAverage(WeightAveraging):
    """Exponential moving average (Polyak and Juditsky 1992) after every step.

    The average is young at first: after n steps it keeps no more than (1 + n) / (10 + n) of itself, so that a
    training of a few hundred steps does not carry its first weights along.

    Args:
        decay: share of the average that a step leaves as it is.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(avg_fn=_Average(decay))


class _Average:
    """A function that can be handed to another process."""

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def __call__(self, average: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return current
        count = float(steps)
        keep = min(self.decay, (1 + count) / (10 + count))
        return average.lerp(current, 1 - keep)


class StochasticAverage(WeightAveraging):
    """Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights at the ends of epochs.

    Before ``start`` there is nothing to average, and the weights themselves are judged. Running statistics of batch
    normalisation are averaged too; the paper makes them anew in a pass over the training part.

    Args:
        start: the first epoch, from 0, whose weights are in the mean.
    """

    def __init__(self, start: int) -> None:
        super().__init__(avg_fn=running_mean)
        self.start = start

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the epoch's last weights; the library would do so after the validation, which judges the average."""
        if batch_idx + 1 < trainer.num_training_batches:
            return
        assert self._average_model is not None
        if trainer.current_epoch <= self.start:
            self._average_model.n_averaged.zero_()  # of no weights yet, so it becomes these
        self._average_model.update_parameters(pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """It has been done before the validation."""


def running_mean(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """The mean of one more, after ``count`` of them."""
    if not average.is_floating_point():
        return current
    return average + (current - average) / (float(count) + 1)
