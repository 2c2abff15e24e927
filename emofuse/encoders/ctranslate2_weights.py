"""Weights in the file format of CTranslate2 (``model.bin``, versions 4 to 6), as arrays.

Packages carry models in it. Read so, a model runs in torch, layer by layer and with gradients, and CTranslate2 itself is
not needed.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from types import MappingProxyType

import numpy as np

from emofuse.errors import EmofuseError

_VERSIONS = range(4, 7)
_TYPES = MappingProxyType({0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16})


def read_ctranslate2(file: Path) -> dict[str, np.ndarray]:
    """The variables of a model by name, as they are stored.

    Args:
        file: ``model.bin``.

    Raises:
        EmofuseError: the file is not of this format, is cut off, or holds a type of numbers that is not known here.
    """
    try:
        content = memoryview(file.read_bytes())
        return _Reader(content).variables()
    except OSError as error:
        raise EmofuseError(f"{file}: cannot be read ({error.strerror})") from None
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise EmofuseError(
            f"{file}: no weights of CTranslate2 ({error}); install its package again"
        ) from None


class _Reader:
    """A place in the file; every number is little-endian."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._place = content, 0

    def variables(self) -> dict[str, np.ndarray]:
        version = self._number("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}")
        self._text()  # the kind of model
        self._number("I")  # and its revision
        return dict(self._variable() for _ in range(self._number("I")))

    def _variable(self) -> tuple[str, np.ndarray]:
        name = self._text()
        shape = [self._number("I") for _ in range(self._number("B"))]
        number, size = self._number("B"), self._number("I")
        if number not in _TYPES:
            raise ValueError(f"{name}: numbers of type {number}")
        kind = np.dtype(_TYPES[number])
        if math.prod(shape) * kind.itemsize != size or size > len(self._content) - self._place:
            raise ValueError(f"{name}: {size} bytes do not fit its shape or the file")
        values = np.frombuffer(self._content, kind, math.prod(shape), self._place).reshape(shape)
        self._place += size
        return name, values

    def _number(self, kind: str) -> int:
        (value,) = struct.unpack_from(f"<{kind}", self._content, self._place)
        self._place += struct.calcsize(kind)
        return int(value)

    def _text(self) -> str:
        length = self._number("H")
        text = bytes(self._content[self._place : self._place + length]).rstrip(b"\0").decode()
        self._place += length
        return text
