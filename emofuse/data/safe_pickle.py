"""Read pickles that may be hostile: arrays and plain containers are made, and nothing else is called.

Published feature files are pickles, and a pickle may name any function to be run while it is loaded. Here
every name it gives is looked up in a short list, and even what is on the list is replaced by a stand-in:
NumPy's own reconstruction trusts the state it is given (a dtype with forged flags turns bytes into object
pointers), so arrays are rebuilt from checked dtype, shape and size instead.
"""

from __future__ import annotations

import mmap
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emofuse.data.array_unpickler import ArrayUnpickler
from emofuse.data.pickle_bounds import Allowance, BoundsError, most_content, most_operations
from emofuse.data.pickle_stand_ins import PendingArray, PendingDtype, RefusedError, Stand
from emofuse.data.pickle_unfolding import check_unfolded
from emofuse.data.stored_files import check_regular
from emofuse.errors import EmofuseError

_ATOMS = (type(None), bool, int, float, complex, str, bytes, bytearray)
ZIP_MAGIC = b"PK\3\4"


def load_pickle(path: Path | str, *, encoding: str = "latin1") -> Any:
    """Load a pickle of NumPy arrays and scalars, numbers, texts, bytes, dicts, lists, tuples and sets.

    ``OrderedDict`` and a ``defaultdict`` of a plain type are admitted too; object arrays are, when what
    they hold is. Pickles of every protocol, of Python 2 and of NumPy 1 and 2 are read.

    Args:
        path: the file.
        encoding: how the byte strings of a Python 2 pickle become text; ``"bytes"`` leaves them bytes.

    Raises:
        EmofuseError: the file cannot be read, is no pickle, would take more memory or time than its size can stand for, or
            asks for anything else; nothing that it asks for has been run.
    """
    path = Path(path)
    check_regular(path, "name a file of features")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[:4] == ZIP_MAGIC:
                raise RefusedError("is a zip archive (.npz or .pt?)")
            limit = most_content(len(content))
            operations = most_operations(len(content))
            value = ArrayUnpickler(content, Allowance(limit), operations, encoding=encoding).load()
            check_unfolded(value, limit)
            return _finish(value, {})
    except BoundsError as beyond:
        raise EmofuseError(
            f"{path}: not loaded: it {beyond}; have it saved again as arrays and plain containers"
        ) from None
    except RefusedError as refused:
        raise EmofuseError(
            f"{path}: not loaded: it {refused}, and only arrays and plain containers are admitted; "
            "have it saved again as these"
        ) from None
    except OSError as error:
        raise EmofuseError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # bytes that are no pickle make the unpickler raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise EmofuseError(f"{path}: is not a pickle, or is damaged ({reason}); fetch it again") from None


def _finish(value: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    """Put arrays in the place of pending ones, and make sure that nothing else is there.

    Args:
        value: what the unpickler made.
        done: id of a container → itself (so that the id stays taken) and what it became.
    """
    kind = type(value)
    if kind in _ATOMS or isinstance(value, np.generic):
        return value
    if kind is PendingDtype:
        return value.dtype
    if id(value) in done:
        return done[id(value)][1]
    finish = _FINISHERS.get(kind)
    if finish is None:
        raise RefusedError(f"holds a {'function or type' if isinstance(value, Stand) else kind.__name__}")
    return finish(value, done)


def _finish_array(value: PendingArray, done: dict[int, tuple[Any, Any]]) -> Any:
    if not hasattr(value, "flat"):
        raise RefusedError("has an array without data")
    # Views in every case: what is finished below shows in them.
    array = value.flat.reshape(value.shape, order=value.order)
    array = array if value.axes is None else array.transpose(value.axes)
    done[id(value)] = (value, array)
    if array.dtype.hasobject:
        for position, item in enumerate(value.flat):
            value.flat[position] = _finish(item, done)
    return array


def _finish_dict(value: dict[Any, Any], done: dict[int, tuple[Any, Any]]) -> Any:
    done[id(value)] = (value, value)
    for key in list(value):
        _finish(key, done)
        value[key] = _finish(value[key], done)
    return value


def _finish_list(value: list[Any], done: dict[int, tuple[Any, Any]]) -> Any:
    done[id(value)] = (value, value)
    value[:] = [_finish(item, done) for item in value]
    return value


def _finish_tuple(value: tuple[Any, ...], done: dict[int, tuple[Any, Any]]) -> Any:
    result = tuple(_finish(item, done) for item in value)
    done[id(value)] = (value, result)
    return result


def _finish_set(value: set[Any] | frozenset[Any], done: dict[int, tuple[Any, Any]]) -> Any:
    done[id(value)] = (value, value)
    for item in value:
        _finish(item, done)
    return value


_FINISHERS: dict[type, Callable[[Any, dict[int, tuple[Any, Any]]], Any]] = {
    PendingArray: _finish_array,
    dict: _finish_dict,
    OrderedDict: _finish_dict,
    defaultdict: _finish_dict,
    list: _finish_list,
    tuple: _finish_tuple,
    set: _finish_set,
    frozenset: _finish_set,
}
