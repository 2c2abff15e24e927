"""Video without a download: how a picture looks on a grid, and how that moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.encoders.grid_statistics import CELLS, DIM, ORIENTATIONS, SIZE, describe_pictures
from emofuse.encoders.spec import FRAME_STATISTICS, EncoderSpec
from emofuse.encoders.video import VideoEncoder


class _Grid:
    """:func:`describe_pictures` as a describer."""

    kind = name = FRAME_STATISTICS
    revision = "1"
    size = (SIZE, SIZE)
    dim = DIM
    settings: dict[str, str | int | float] = {"cells": CELLS, "orientations": ORIENTATIONS}  # noqa: RUF012

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return describe_pictures(pictures)


class FrameStatistics(VideoEncoder):
    """Gradients, brightness and colour on a 6×6 grid per picture: a vector (1404,), or a sequence (T, 468).

    The vector holds each number's mean, standard deviation over time and mean change from one picture to the
    next. Nothing is fitted or trained: this shows where edges run and what moves, not who or what is seen. It
    works where faces keep their place in the picture; with ``faces``, wherever they are.

    Args:
        spec: pooling, frames or rate, faces, min_face.
        device: where faces are detected.
    """

    def __init__(self, spec: EncoderSpec, device: torch.device | str = "cpu") -> None:
        super().__init__(_Grid(), spec, device, spread=True)
        self._made_of = (spec, device)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._made_of
