"""Boxes (x1, y1, x2, y2) in pictures: which of them mean the same face, and windows cut out of pictures."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Boxes = NDArray[np.float32]


def keep_best(
    boxes: Boxes,
    scores: NDArray[np.float32],
    picture_of: NDArray[np.int64],
    overlap: float,
    over: Literal["union", "smaller"] = "union",
) -> NDArray[np.int64]:
    """Non-maximum suppression within each picture: of boxes that overlap, the one with the best score.

    Args:
        boxes: (N, 4).
        scores: (N,).
        picture_of: (N,), the picture that each box is in.
        overlap: share of the union, or of the smaller box, above which two boxes mean the same.
        over: which of the two.

    Returns:
        Places of the boxes that stay, best first within their picture, pictures in order.
    """
    order = np.lexsort((-scores, picture_of))
    pictures = np.split(order, np.flatnonzero(np.diff(picture_of[order])) + 1)
    return np.concatenate([places[_suppressed(boxes[places], overlap, over)] for places in pictures])


def _suppressed(boxes: Boxes, overlap: float, over: str) -> NDArray[np.bool_]:
    """(N,) whether a box, in order of score, stays."""
    area = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    stays = np.ones(len(boxes), bool)
    for best in range(len(boxes)):
        if not stays[best]:
            continue
        corner = np.maximum(boxes[best, :2], boxes[best + 1 :, :2])
        sides = np.maximum(np.minimum(boxes[best, 2:], boxes[best + 1 :, 2:]) - corner, 0)
        common = sides.prod(axis=1)
        smaller = np.minimum(area[best], area[best + 1 :])
        reference = area[best] + area[best + 1 :] - common if over == "union" else smaller
        stays[best + 1 :] &= common <= overlap * np.maximum(reference, 1e-6)
    return stays


def squared(boxes: Boxes, scale: float = 1.0) -> Boxes:
    """Squares around the centres of (N, 4) boxes, as large as their longer side times ``scale``."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) * (scale / 2)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def windows(pictures: Tensor, boxes: Boxes, picture_of: NDArray[np.int64], side: int) -> Tensor:
    """Boxes cut out of pictures and brought to ``side``×``side`` by bilinear sampling; zeros beyond the edges.

    Args:
        pictures: (n, 3, H, W).
        boxes: (N, 4), in order of their pictures.
        picture_of: (N,), ascending.
        side: in pixels.

    Returns:
        (N, 3, side, side).
    """
    height, width = pictures.shape[2:]
    steps = torch.linspace(0, 1, side, device=pictures.device)
    corners = torch.from_numpy(boxes).to(pictures.device)
    # The first pixel of a window is the one at x1, the last the one before x2; −1 and 1 are the picture's
    # first and last pixel.
    across = (corners[:, 0:1] + steps * (corners[:, 2:3] - corners[:, 0:1] - 1)) * (2 / max(width - 1, 1)) - 1
    down = (corners[:, 1:2] + steps * (corners[:, 3:4] - corners[:, 1:2] - 1)) * (2 / max(height - 1, 1)) - 1
    grid = torch.stack(
        [across[:, None, :].expand(-1, side, -1), down[:, :, None].expand(-1, -1, side)], dim=-1
    )
    cut = []
    for picture in np.unique(picture_of):
        # All windows of a picture as one tall one, so that the picture is not copied for each.
        places = np.flatnonzero(picture_of == picture)
        tall = grid[places[0] : places[-1] + 1].reshape(1, -1, side, 2)
        sampled = F.grid_sample(pictures[picture : picture + 1], tall, align_corners=True)
        cut.append(sampled[0].unflatten(1, (len(places), side)).transpose(0, 1))
    return torch.cat(cut) if cut else pictures.new_zeros((0, 3, side, side))
