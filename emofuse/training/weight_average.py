"""A moving average of the weights: judged on the validation part, and saved, in place of the last step's."""

from __future__ import annotations

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


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
