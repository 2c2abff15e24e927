"""Stand-ins for the functions and classes that a pickle names. They make arrays and nothing else."""

from __future__ import annotations

import math
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from emofuse.data.pickle_bounds import check_key

_FACTORIES = {kind.__name__: kind for kind in (bool, bytes, dict, float, int, list, set, str, tuple)}
_DTYPE = re.compile(r"[?biufcSUO]\d*")
_LAST_CODE_POINT = 0x10FFFF
_MOST_EMPTY_ROWS = 1 << 20


class RefusedError(Exception):
    """The pickle asks for something that is not admitted; the message goes on from "it"."""


class Stand:
    """What a pickle gets in place of a function or class: it can be called, and no more."""

    __slots__ = ("call", "spend")

    def __init__(self, call: Callable[..., Any], spend: Callable[..., None]) -> None:
        self.call, self.spend = call, spend

    def __call__(self, *args: Any) -> Any:
        """Do what the name stands for, as far as it is admitted."""
        self.spend(*args)
        return self.call(*args)


class PendingDtype:
    """A dtype while its pickle is read."""

    __slots__ = ("dtype",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, code: str | bytes, *_: object) -> None:
        code = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise RefusedError(f"has an array of type {code!r:.60}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *parts = state
        if any(part is not None for part in parts[:3]):
            raise RefusedError("has an array with fields")
        sign: Any = order.decode("ascii") if isinstance(order, bytes) else order
        self.dtype = self.dtype.newbyteorder(sign)


class PendingArray:
    """An array while its pickle is read: its elements in a row, and how they lie."""

    __slots__ = ("axes", "flat", "order", "shape")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, axes: tuple[int, ...] | None = None) -> None:
        self.axes = axes

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.shape, dtype, is_fortran, data = state[-4:]  # the oldest states have no version in front
        self.order: Literal["C", "F"] = "F" if is_fortran else "C"
        self.flat = _elements(data, dtype, self.shape)


def _elements(data: Any, pending: Any, shape: Any) -> NDArray[Any]:
    is_shape = isinstance(shape, tuple) and all(type(length) is int and length >= 0 for length in shape)
    if not isinstance(pending, PendingDtype) or not is_shape:
        raise RefusedError("has an array that NumPy did not write")
    dtype, count = pending.dtype, math.prod(shape)
    if not count and max(shape) > _MOST_EMPTY_ROWS:
        raise RefusedError("has an array of nothing with any number of rows")
    if dtype.hasobject:
        if not isinstance(data, list) or len(data) != count:
            raise RefusedError("has an object array without its objects")
        return np.fromiter(data, dtype=object, count=count)
    raw = data.encode("latin1") if isinstance(data, str) else data  # Python 2 kept bytes as str
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != count * dtype.itemsize or (count and not raw):
        raise RefusedError("has an array whose size is not that of its data")
    flat = np.frombuffer(raw, dtype).copy() if raw else np.zeros(count, dtype)
    if dtype.kind == "U" and raw:
        code_points = flat.view(np.dtype("u4").newbyteorder(dtype.byteorder))
        if code_points.max() > _LAST_CODE_POINT:
            raise RefusedError("has a text array with characters that do not exist")
    return flat


def _reconstruct(*_: object) -> PendingArray:
    return PendingArray()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> PendingArray:
    if order not in ("C", "F", "K") or (order == "K") != isinstance(axes, tuple):
        raise RefusedError("has an array that NumPy did not write")
    pending = PendingArray(axes)
    pending.__setstate__((shape, dtype, order == "F", data))
    return pending


def _scalar(dtype: Any, data: Any = None) -> Any:
    if isinstance(dtype, PendingDtype) and dtype.dtype.hasobject:
        raise RefusedError("has a scalar of objects")
    if isinstance(dtype, PendingDtype) and not data:
        return dtype.dtype.type()  # an empty text has no size, which no array has
    return _elements(data, dtype, ())[0]


def _encode(text: Any, encoding: Any) -> bytes:
    # How protocol 2 writes bytes; other codecs of that function decompress or transform.
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"encodes with {encoding!r:.60}")
    return text.encode("latin1")


def _container(kind: type) -> Callable[..., Any]:
    # Only what their own pickling writes: other arguments call methods of these, or take any memory.
    admitted = (str, bytes) if kind in (bool, float, int, str) else (list, tuple, str, bytes)

    def make(*args: Any) -> Any:
        if len(args) > 1 or not all(type(arg) in admitted for arg in args):
            raise RefusedError(f"makes a {kind.__name__} in an unusual way")
        if args and kind in (set, frozenset, dict, OrderedDict):
            _check_keys(args[0], are_pairs=kind in (dict, OrderedDict))
        return kind(*args)

    return make


def _check_keys(items: Any, *, are_pairs: bool) -> None:
    for item in items:
        if are_pairs and not (type(item) in (list, tuple) and len(item) == 2):
            raise RefusedError("makes a dict in an unusual way")
        check_key(item[0] if are_pairs else item)


def _bytearray(data: Any = b"", encoding: Any = None) -> bytearray:
    return bytearray(_encode(data, encoding) if encoding is not None else bytes(memoryview(data)))


def _complex(real: Any, imaginary: Any) -> complex:
    return complex(float(real), float(imaginary))


def _defaultdict(factory: Any = None) -> defaultdict[Any, Any]:
    if factory is None:
        return defaultdict()
    if not isinstance(factory, _Factory):
        raise RefusedError("has a defaultdict of something else than a plain type")
    return defaultdict(factory.kind)


class _Factory(Stand):
    """A plain type, as the factory of a defaultdict or called as protocols 0 to 2 do."""

    __slots__ = ("kind",)

    def __init__(self, kind: type, spend: Callable[..., None]) -> None:
        super().__init__(_container(kind), spend)
        self.kind = kind


def admitted_names(spend: Callable[..., None]) -> dict[tuple[str, str], Any]:
    """(module, name) → what a pickle is handed when it asks for that.

    Args:
        spend: is given the arguments of every call before it is made, and may raise.
    """

    def stand(call: Callable[..., Any]) -> Stand:
        return Stand(call, spend)

    multiarray = {"_reconstruct": stand(_reconstruct), "scalar": stand(_scalar)}
    builtins: dict[str, Any] = {name: _Factory(kind, spend) for name, kind in _FACTORIES.items()}
    builtins |= {
        "frozenset": stand(_container(frozenset)),
        "bytearray": stand(_bytearray),
        "complex": stand(_complex),
    }
    modules = {
        "builtins": builtins,
        "__builtin__": builtins,
        "collections": {
            "OrderedDict": stand(_container(OrderedDict)),
            "defaultdict": stand(_defaultdict),
        },
        "_codecs": {"encode": stand(_encode)},
        "numpy": {"ndarray": stand(_refuse_call), "dtype": stand(PendingDtype)},
        "numpy.core.multiarray": multiarray,
        "numpy._core.multiarray": multiarray,
        "numpy.core.numeric": {"_frombuffer": stand(_frombuffer)},
        "numpy._core.numeric": {"_frombuffer": stand(_frombuffer)},
    }
    return {(module, name): entry for module, names in modules.items() for name, entry in names.items()}


def _refuse_call(*_: object) -> NoReturn:
    raise RefusedError("calls numpy.ndarray")
