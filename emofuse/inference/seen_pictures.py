"""What the pictures look like that a system reads itself, whatever it makes of them."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from emofuse.encoders.grid_statistics import SIZE, describe_pictures

# Where it stands among the features of predictions and in a run's familiarity.
SEEN_PICTURES = "frames"


def describe_frames(frames: Tensor) -> np.ndarray:
    """The mean over an utterance's pictures of their gradients, brightness and colours on a grid.

    A system's own features of pictures hold what tells its classes apart, and little of what tells a photograph from a
    drawing; so these are looked at in their place to know what is unlike the training data.

    Args:
        frames: (B, F, 3, H, W) uint8.

    Returns:
        (B, 468) float32.
    """
    pixels = frames.cpu().flatten(0, 1)
    if pixels.shape[2:] != (SIZE, SIZE):
        pixels = F.interpolate(pixels.float(), (SIZE, SIZE), mode="bilinear", antialias=True).round().byte()
    described = describe_pictures(pixels.permute(0, 2, 3, 1).numpy())
    mean: np.ndarray = described.reshape(*frames.shape[:2], -1).mean(axis=1)
    return mean
