"""Bounds on reading a pickle that may be hostile: memory for what it makes, time for its keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

# What is counted, as bytes: an element of a container becomes an object, and a byte of an array up to 8 where small
# integers become float64.
PER_ELEMENT = 64
PER_BYTE = 4
_FREE_ELEMENTS = 1 << 20
# A number of a list takes nine bytes, and so does what makes an array beside its content.
_BYTES_PER_OPERATION = 8
_FREE_OPERATIONS = 1 << 20
_LONGEST_KEY = 16
_KEY_BITS = 64


class BoundsError(Exception):
    """The pickle would become more than its file can stand for; the message goes on from "it"."""


def most_content(file_size: int) -> int:
    """What a file of so many bytes may become: an element for each, and a million more."""
    return PER_ELEMENT * (_FREE_ELEMENTS + file_size)


def most_operations(file_size: int) -> int:
    """How many operations a file of so many bytes may have: one for every eighth byte, and a million more."""
    return _FREE_OPERATIONS + file_size // _BYTES_PER_OPERATION


class Allowance:
    """What may be made while a pickle is read; copying one value again and again uses it up.

    Args:
        limit: in all, see :func:`most_content`.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit

    def spend(self, overhead: int, values: Iterable[Any] = ()) -> None:
        """Count an object that takes so many bytes, and the values that may be copied into it.

        Raises:
            BoundsError: nothing is left.
        """
        self._left -= overhead + sum(map(flat_size, values))
        if self._left < 0:
            raise BoundsError("makes more objects than its size can stand for")


def check_key(key: Any) -> None:
    """See that a key of a dict, or a member of a set, is hashed and compared in no time.

    Tuples do not remember their hash: that of thirty tuples, each of the one before twice, takes hours.

    Raises:
        BoundsError: it is not.
    """
    for part in _parts_of_key(key):
        kind = type(part)
        if kind is int:
            too_long = part.bit_length() > _KEY_BITS
        else:
            plain = kind in (str, bytes, bool, float, complex, type(None))
            too_long = not plain and not isinstance(part, np.generic)
        if too_long:
            raise BoundsError("has keys other than names, numbers and short tuples of these")


def _parts_of_key(key: Any) -> Iterator[Any]:
    if type(key) is not tuple:
        yield key
        return
    for part in key[: _LONGEST_KEY + 1]:
        if type(part) is tuple and len(part) <= _LONGEST_KEY:
            yield from part  # a tuple in here is refused
        else:
            yield part
    if len(key) > _LONGEST_KEY:
        yield key


def flat_size(value: Any) -> int:
    """What a value alone counts, without what it refers to; 0 for a number."""
    if isinstance(value, (str, bytes, bytearray)):
        return PER_BYTE * len(value)
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return PER_ELEMENT * len(value)
    return PER_BYTE * value.nbytes if isinstance(value, np.generic) else 0
