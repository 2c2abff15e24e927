"""The unpickler under `safe_pickle`: it knows the admitted names alone, and counts what it makes."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from emofuse.data.pickle_bounds import Allowance, BoundsError, check_key
from emofuse.data.pickle_stand_ins import PendingArray, PendingDtype, RefusedError, admitted_names

# What Python takes for each of these, of which a pickle can ask with one byte or a few.
_LIST_BYTES = 64
_DICT_BYTES = 72
_SET_BYTES = 224
_CALL_BYTES = 256

# The unpickler in Python, not the one in C: that one makes an array as long as the largest memo number it
# meets, so that five damaged bytes take all memory there is.
_PythonUnpickler: Any = pickle._Unpickler


class _CountedDispatch(dict[int, Any]):
    """Operation code → method; every look-up is counted."""

    def __init__(self, methods: Mapping[int, Any], most: int) -> None:
        super().__init__(methods)
        self._left = most

    def __getitem__(self, code: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise BoundsError("has more operations than arrays need")
        return super().__getitem__(code)


class ArrayUnpickler(_PythonUnpickler):
    """An unpickler that knows the admitted names alone, and gives state to pending arrays alone.

    Args:
        file: what it reads from.
        allowance: of memory.
        most_operations: that the pickle may have, see `most_operations` of `pickle_bounds`.
        encoding: how the byte strings of a Python 2 pickle become text.
    """

    def __init__(
        self, file: Any, allowance: Allowance, most_operations: int, *, encoding: str = "latin1"
    ) -> None:
        super().__init__(file, encoding=encoding)
        self.dispatch = _CountedDispatch(self._methods, most_operations)
        self._allowance = allowance
        self._admitted = admitted_names(lambda *args: allowance.spend(_CALL_BYTES, args))

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name."""
        try:
            return self._admitted[module, name]
        except KeyError:
            wanted = f"{module}.{name}"[:100]
            raise RefusedError(f"asks for {wanted!r}") from None

    def persistent_load(self, pid: object) -> NoReturn:
        """Refuse references to things outside the file."""
        raise RefusedError("refers to objects outside the file")

    def _load_build(self) -> None:
        # Elsewhere this sets attributes, of functions and classes too.
        target = self.stack[-2]
        if not isinstance(target, (PendingArray, PendingDtype)):
            raise RefusedError(f"sets attributes of a {type(target).__name__.lstrip('_')}")
        state = self.stack[-1]
        self._allowance.spend(_CALL_BYTES, state if isinstance(state, tuple) else ())
        super().load_build()

    def _load_empty_list(self) -> None:
        self._allowance.spend(_LIST_BYTES)
        super().load_empty_list()

    def _load_empty_dictionary(self) -> None:
        self._allowance.spend(_DICT_BYTES)
        super().load_empty_dictionary()

    def _load_empty_set(self) -> None:
        self._allowance.spend(_SET_BYTES)
        super().load_empty_set()

    def _load_setitem(self) -> None:
        check_key(self.stack[-2])
        super().load_setitem()

    def _load_setitems(self) -> None:
        self._check_keys(self.stack[::2])
        super().load_setitems()

    def _load_dict(self) -> None:
        self._allowance.spend(_DICT_BYTES)
        self._check_keys(self.stack[::2])
        super().load_dict()

    def _load_additems(self) -> None:
        self._check_keys(self.stack)
        super().load_additems()

    def _load_frozenset(self) -> None:
        self._allowance.spend(_SET_BYTES)
        self._check_keys(self.stack)
        super().load_frozenset()

    @staticmethod
    def _check_keys(keys: list[Any]) -> None:
        for key in keys:
            check_key(key)

    def _load_bytearray8(self) -> None:
        # The inherited one takes the memory first and sees afterwards whether the file is that long.
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    def _load_extension(self) -> NoReturn:
        raise RefusedError("refers to Python's registry of extensions")

    _methods: ClassVar = {
        **_PythonUnpickler.dispatch,
        pickle.BUILD[0]: _load_build,
        pickle.BYTEARRAY8[0]: _load_bytearray8,
        pickle.EMPTY_LIST[0]: _load_empty_list,
        pickle.EMPTY_DICT[0]: _load_empty_dictionary,
        pickle.EMPTY_SET[0]: _load_empty_set,
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.DICT[0]: _load_dict,
        pickle.ADDITEMS[0]: _load_additems,
        pickle.FROZENSET[0]: _load_frozenset,
        **dict.fromkeys((pickle.EXT1[0], pickle.EXT2[0], pickle.EXT4[0]), _load_extension),
    }
