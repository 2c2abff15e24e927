"""Sequences of a speech model at the rate that is asked for."""

from __future__ import annotations

import numpy as np

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.spec import EncoderSpec
from emofuse.errors import EmofuseError


def frames_per_step(spec: EncoderSpec, hop: int) -> float:
    """How many of the model's frames, one every ``hop`` samples, a step of the rate asked for takes.

    Raises:
        EmofuseError: a rate is asked for without a sequence, or above the model's own.
    """
    if spec.rate is None:
        return 1.0
    if spec.pooling != "tokens":
        raise EmofuseError(f"encoder {spec.name}: rate is that of a sequence; it goes with pooling tokens")
    own = RATE / hop
    if spec.rate > own:
        raise EmofuseError(
            f"encoder {spec.name}: gives {own:g} steps per second, not as many as the rate {spec.rate:g}"
        )
    return own / spec.rate


def slowed(frames: np.ndarray, per_step: float) -> np.ndarray:
    """(T', d): the mean over the frames (T, d) that begin in each step."""
    if per_step == 1.0:
        return frames
    step_of = (np.arange(len(frames)) / per_step + 1e-9).astype(np.int64)
    first = np.flatnonzero(np.diff(step_of, prepend=-1))
    sums = np.add.reduceat(frames.astype(np.float64), first, axis=0)
    return (sums / np.diff(first, append=len(frames))[:, None]).astype(np.float32)
