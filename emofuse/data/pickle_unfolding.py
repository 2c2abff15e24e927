"""How large the content of a pickle is with every reference written out.

A pickle may name one container in many places: ten lists, each of ten times the one before, are ten billion elements
once somebody writes them out, as `numpy.asarray` does. An honest file of arrays is never far above its size on the
disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from emofuse.data.pickle_bounds import PER_BYTE, PER_ELEMENT, BoundsError, flat_size
from emofuse.data.pickle_stand_ins import PendingArray

_DEEPEST = 32  # as many axes as arrays of NumPy had until version 2


def check_unfolded(value: Any, limit: int) -> None:
    """See that a value is no larger than this with every reference in it written out.

    Args:
        value: what an unpickler made, its arrays still pending.
        limit: see :func:`~emofuse.data.pickle_bounds.most_content`.

    Raises:
        BoundsError: it is larger, contains itself, or nests too deeply.
    """
    try:
        _Scales(limit).weigh(value)
    except RecursionError:
        raise BoundsError(f"nests containers more than {_DEEPEST} levels deep") from None


class _Scales:
    """Weighs every container once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.known: dict[int, tuple[int, int]] = {}  # id → (size, levels)
        self.entered: set[int] = set()

    def weigh(self, value: Any) -> tuple[int, int]:
        """(size, levels) of a value."""
        parts = _parts(value)
        if parts is None:
            return PER_ELEMENT + _size(value), 0
        if id(value) in self.known:
            return self.known[id(value)]
        if id(value) in self.entered:
            raise BoundsError("holds a container that contains itself")
        self.entered.add(id(value))
        size, levels = PER_ELEMENT, 0
        for part in parts:
            part_size, part_levels = self.weigh(part)
            size += part_size
            levels = max(levels, part_levels)
        if size > self.limit:
            raise BoundsError("names the same parts again and again, and unfolds to far more than it is long")
        if levels >= _DEEPEST:
            raise BoundsError(f"nests containers more than {_DEEPEST} levels deep")
        self.known[id(value)] = size, levels + 1
        return size, levels + 1


def _parts(value: Any) -> Iterable[Any] | None:
    """What a container refers to; None for what is none."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    flat = getattr(value, "flat", None) if type(value) is PendingArray else None
    return flat.tolist() if flat is not None and flat.dtype.hasobject else None


def _size(value: Any) -> int:
    if type(value) is PendingArray:
        return PER_BYTE * value.flat.nbytes if hasattr(value, "flat") else 0
    return flat_size(value)
