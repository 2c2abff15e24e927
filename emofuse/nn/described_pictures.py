"""What the pictures look like that a system reads itself, whatever it makes of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.encoders.grid_statistics import SIZE, grid_statistics


def describe_frames(frames: Tensor) -> Tensor:
    """Gradients, brightness and colours of each picture on a grid; see `emofuse.encoders.grid_statistics`.

    Args:
        frames: (B, F, 3, H, W) uint8.

    Returns:
        (B, F, 468) float32.
    """
    pixels = frames.flatten(0, 1).float()
    if pixels.shape[2:] != (SIZE, SIZE):
        rows, columns = (_resizing(side, pixels) for side in pixels.shape[2:])
        pixels = (rows @ pixels @ columns.T).round().clamp(0.0, 255.0)
    return grid_statistics(pixels).unflatten(0, tuple(frames.shape[:2]))


def mean_spread_change(frames: Tensor) -> Tensor:
    """Over the pictures of each utterance: mean, standard deviation, and mean absolute change from one to the next.

    Args:
        frames: (B, F, 3, H, W) uint8.

    Returns:
        (B, 1404) float32, as the encoder ``frame-statistics`` makes of the same pictures.
    """
    each = describe_frames(frames).double()
    mean = each.mean(dim=1)
    spread = (each.square().mean(dim=1) - mean.square()).clamp(min=0.0).sqrt()
    count = each.shape[1]
    before = (torch.arange(count, device=each.device) - 1).clamp(min=0)
    change = (each - each[:, before]).abs().sum(dim=1) / torch.sym_max(1, count - 1)
    return torch.cat([mean, spread, change], dim=-1).float()


def _resizing(side: int, like: Tensor) -> Tensor:
    """(96, side) weights of bilinear resizing with antialiasing, which programs that are exported know as a product."""
    identity = torch.eye(side, device=like.device)[None, None]
    return F.interpolate(identity, (SIZE, side), mode="bilinear", antialias=True)[0, 0]
