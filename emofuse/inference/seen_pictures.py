"""What the pictures look like that a system reads itself, as familiarity looks at them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from emofuse.nn.described_pictures import describe_frames

# Where it stands among the features of predictions and in a run's familiarity.
SEEN_PICTURES = "frames"


def looks_of(frames: Tensor) -> np.ndarray:
    """The mean over an utterance's pictures of their gradients, brightness and colours on a grid.

    A system's own features of pictures hold what tells its classes apart, and little of what tells a photograph from a
    drawing; so these are looked at in their place to know what is unlike the training data.

    Args:
        frames: (B, F, 3, H, W) uint8.

    Returns:
        (B, 468) float32.
    """
    mean: np.ndarray = describe_frames(frames).mean(dim=1).cpu().numpy()
    return mean
