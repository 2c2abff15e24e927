"""What a picture looks like without any training: gradients, brightness and colour on a grid of cells."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SIZE = 96  # pixels, height and width
CELLS = 6
ORIENTATIONS = 9
CHANNELS = ORIENTATIONS + 4
DIM = CELLS * CELLS * CHANNELS
_FAINT = 0.02  # gradient per pixel, of 1 from black to white, below which a cell counts as flat
_LUMA = (0.299, 0.587, 0.114)
_BLOCK = 64  # pictures described at once: some 50 MB


def describe_pictures(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As `grid_statistics`, block by block.

    Args:
        pictures: (n, 96, 96, 3) RGB.

    Returns:
        (n, 468) float32.
    """
    blocks = [
        grid_statistics(torch.from_numpy(np.ascontiguousarray(block)).permute(0, 3, 1, 2)).numpy()
        for block in (pictures[begin : begin + _BLOCK] for begin in range(0, len(pictures), _BLOCK))
    ]
    return np.concatenate([np.zeros((0, DIM), np.float32), *blocks])


def grid_statistics(pictures: Tensor) -> Tensor:
    """Histograms of oriented gradients (Dalal & Triggs 2005), brightness and colour of 6×6 cells of 16 pixels.

    A cell's histogram has 9 orientations of edges (0–180°, a gradient shared between its two nearest), each
    divided by the strength of all gradients in the cell and its neighbours, so that lighting matters little.
    Then come the cell's mean brightness and its spread, and its mean colour as red − green and blue − green,
    each from 0 or −1 to 1.

    Args:
        pictures: (n, 3, 96, 96) RGB from 0 to 255.

    Returns:
        (n, 468) float32: cell by cell from the top left, row by row, 13 numbers each.
    """
    red, green, blue = (pictures.float() / 255.0).unbind(dim=1)
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    mean = _over_cells(luma)
    spread = (_over_cells(luma**2) - mean**2).clamp(min=0.0).sqrt()
    flat = [mean, spread, _over_cells(red - green), _over_cells(blue - green)]
    return torch.stack([*_orientations(luma), *flat], dim=-1).flatten(1)


def _orientations(luma: Tensor) -> list[Tensor]:
    """Of each orientation (n, 6, 6), normalised."""
    down, across = _gradient(luma.transpose(1, 2)).transpose(1, 2), _gradient(luma)
    strength = (down.square() + across.square()).sqrt()
    place = torch.remainder(torch.atan2(down, across), math.pi) / math.pi * ORIENTATIONS
    lower = place.floor()
    share, lower = place - lower, torch.remainder(lower, ORIENTATIONS)
    following = torch.remainder(lower + 1, ORIENTATIONS)
    histograms = [
        _over_cells(strength * ((lower == bin_) * (1 - share) + (following == bin_) * share))
        for bin_ in range(ORIENTATIONS)
    ]
    energy = torch.stack([h.square() for h in histograms]).sum(dim=0)
    # The mean of a cell and its neighbours; at the border the cells there count twice.
    around = F.avg_pool2d(F.pad(energy.unsqueeze(1), (1, 1, 1, 1), mode="replicate"), 3, stride=1)[:, 0]
    scale = (around + _FAINT**2).sqrt()
    return [h / scale for h in histograms]


def _gradient(values: Tensor) -> Tensor:
    """Along the last axis: half the difference of both neighbours, at either end that to the one neighbour."""
    inside = (values[..., 2:] - values[..., :-2]) / 2
    return torch.cat(
        [values[..., 1:2] - values[..., :1], inside, values[..., -1:] - values[..., -2:-1]], dim=-1
    )


def _over_cells(values: Tensor) -> Tensor:
    """Mean of (n, 96, 96) over each cell: (n, 6, 6)."""
    side = SIZE // CELLS
    return values.unflatten(-1, (CELLS, side)).unflatten(1, (CELLS, side)).mean(dim=(2, 4))
