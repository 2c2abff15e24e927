"""Pictures that show the same: corpora collected by search engines hold many a picture several times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

SIDE = 16  # pixels that pictures are compared at
ALIKE = (
    0.985  # correlation above which two are taken for one; scaled, recoded and slightly cropped copies are
)
_ROWS = 512  # compared with all others at once


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A grey picture (H, W) → (256,) with mean 0 and length 1; zeros for one without contrast."""
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(small, np.float32).ravel()
    values -= values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length > SIDE else np.zeros_like(values)


def groups_of_same(thumbnails: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n, 256) thumbnails → (n,) a number that pictures share where a chain of like ones leads from one to the other.

    Pictures without contrast are like nothing.
    """
    count = len(thumbnails)
    first, second = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for begin in range(0, count, _ROWS):
        likeness = thumbnails[begin : begin + _ROWS] @ thumbnails[begin:].T
        rows, columns = np.nonzero(likeness > ALIKE)
        first.append(rows + begin)
        second.append(columns + begin)
    rows, columns = np.concatenate(first), np.concatenate(second)
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
