"""What a picture looks like without any training: gradients, brightness and colour on a grid of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 96  # pixels, height and width
CELLS = 6
ORIENTATIONS = 9
CHANNELS = ORIENTATIONS + 4
DIM = CELLS * CELLS * CHANNELS
_FAINT = 0.02  # gradient per pixel, of 1 from black to white, below which a cell counts as flat
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_BLOCK = 64  # pictures described at once: some 50 MB


def describe_pictures(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal & Triggs 2005), brightness and colour of 6×6 cells of 16 pixels.

    A cell's histogram has 9 orientations of edges (0–180°, a gradient shared between its two nearest), each
    divided by the strength of all gradients in the cell and its neighbours, so that lighting matters little.
    Then come the cell's mean brightness and its spread, and its mean colour as red − green and blue − green,
    each from 0 or −1 to 1.

    Args:
        pictures: (n, 96, 96, 3) RGB.

    Returns:
        (n, 468) float32: cell by cell from the top left, row by row, 13 numbers each.
    """
    blocks = [_describe(pictures[begin : begin + _BLOCK]) for begin in range(0, len(pictures), _BLOCK)]
    return np.concatenate([np.zeros((0, DIM), np.float32), *blocks])


def _describe(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    colour = pictures.astype(np.float32) / 255.0
    luma = colour @ _LUMA
    mean = _over_cells(luma)
    spread = np.sqrt(np.maximum(_over_cells(luma**2) - mean**2, 0.0))
    red, green, blue = (_over_cells(colour[..., channel]) for channel in range(3))
    flat = np.stack([mean, spread, red - green, blue - green], axis=-1)
    cells = np.concatenate([_orientations(luma), flat], axis=-1)
    return cells.reshape(len(pictures), DIM).astype(np.float32)


def _orientations(luma: NDArray[Any]) -> NDArray[Any]:
    """(n, 6, 6, 9) normalised histograms."""
    from scipy.ndimage import uniform_filter

    down, across = np.gradient(luma, axis=(1, 2))
    strength = np.hypot(down, across)
    place = (np.arctan2(down, across) % np.pi) / np.pi * ORIENTATIONS
    lower = np.floor(place)
    share = place - lower
    lower = lower.astype(np.int64) % ORIENTATIONS
    histograms = np.stack(
        [
            _over_cells(
                strength * ((lower == bin_) * (1 - share) + ((lower + 1) % ORIENTATIONS == bin_) * share)
            )
            for bin_ in range(ORIENTATIONS)
        ],
        axis=-1,
    )
    energy = (histograms**2).sum(axis=-1)
    around = uniform_filter(energy, size=(1, 3, 3), mode="nearest")
    return histograms / np.sqrt(around + _FAINT**2)[..., None]


def _over_cells(values: NDArray[Any]) -> NDArray[Any]:
    """Mean of (n, 96, 96) over each cell: (n, 6, 6)."""
    side = SIZE // CELLS
    return values.reshape(-1, CELLS, side, CELLS, side).mean(axis=(2, 4))
