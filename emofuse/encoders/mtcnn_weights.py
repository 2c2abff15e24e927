"""The weights of MTCNN that the package ``mtcnn`` carries, read without running anything of that package.

The files are LZ4-compressed pickles that joblib wrote. Both the package and its way of loading them bring
code along (TensorFlow here, any function that a pickle names there), so neither is used: the package is only
looked up on the disk, and an unpickler that knows arrays alone reads its files.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
import pickle
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from emofuse.data.pickle_stand_ins import PendingDtype, RefusedError
from emofuse.errors import EmofuseError

NETS = ("pnet", "rnet", "onet")
_MOST_BYTES = 64 << 20  # thirty times what the largest of the files holds
_INSTALL = "`pip install emofuse[faces]` (the package mtcnn, MIT licence; its TensorFlow is not needed)"


def mtcnn_folder() -> Path:
    """Where the installed package keeps its weights; it is not imported.

    Raises:
        EmofuseError: it is not installed.
    """
    found = importlib.util.find_spec("mtcnn")
    places = list(found.submodule_search_locations or []) if found else []
    if not places or importlib.util.find_spec("lz4") is None:
        raise EmofuseError(f"faces: the weights of the face detector are missing; {_INSTALL}")
    return Path(places[0]) / "assets" / "weights"


def load_mtcnn_weights(folder: Path) -> tuple[dict[str, list[NDArray[np.float32]]], str]:
    """Arrays of each net in the order of its layers, as Keras keeps them, and a digest of the files.

    Args:
        folder: with ``pnet.lz4``, ``rnet.lz4`` and ``onet.lz4``.

    Raises:
        EmofuseError: a file is missing, damaged, or holds anything but arrays.
    """
    digest = hashlib.sha256()
    arrays = {}
    for net in NETS:
        file = folder / f"{net}.lz4"
        try:
            content = file.read_bytes()
        except OSError as error:
            raise EmofuseError(
                f"{file}: cannot be read ({error.strerror}); install version 1 again: {_INSTALL}"
            ) from None
        digest.update(content)
        arrays[net] = _arrays_of(file, content)
    return arrays, digest.hexdigest()[:16]


def _arrays_of(file: Path, content: bytes) -> list[NDArray[np.float32]]:
    try:
        arrays = _JoblibUnpickler(io.BytesIO(_decompressed(content))).load()
        if type(arrays) is not list or not all(type(array) is np.ndarray for array in arrays):
            raise RefusedError("holds something other than a list of arrays")
        return [np.ascontiguousarray(array, np.float32) for array in arrays]
    except RefusedError as refused:
        raise EmofuseError(f"{file}: not loaded: it {refused}; {_INSTALL}") from None
    except Exception as error:  # bytes that are no pickle make the unpickler raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise EmofuseError(f"{file}: damaged ({reason}); install it again: {_INSTALL}") from None


def _decompressed(content: bytes) -> bytes:
    from lz4.frame import LZ4FrameDecompressor

    unpacker = LZ4FrameDecompressor()
    raw: bytes = unpacker.decompress(content, max_length=_MOST_BYTES)
    if not unpacker.eof:
        raise RefusedError("is cut off, or larger than a face detector can be")
    return raw


class _PendingArray:
    """joblib's description of an array whose bytes follow in the file."""

    dtype: PendingDtype
    shape: tuple[int, ...]
    order: str
    numpy_array_alignment_bytes: int | None = None


class _ArrayType:
    """In the place of ``numpy.ndarray``, which joblib's description names."""


_ADMITTED: dict[tuple[str, str], type] = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _PendingArray,
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): PendingDtype,
}
_PythonUnpickler: Any = pickle._Unpickler  # the one in C cannot read arrays in between


class _JoblibUnpickler(_PythonUnpickler):
    """Reads lists of numeric arrays, with joblib's way of laying an array's bytes behind its description."""

    def find_class(self, module: str, name: str) -> Any:
        """One of the three names that an array is described with."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise RefusedError(f"asks for {f'{module}.{name}'[:100]!r}") from None

    def persistent_load(self, pid: object) -> NoReturn:
        """Refuse references to things outside the file."""
        raise RefusedError("refers to objects outside the file")

    def load_build(self) -> None:
        target, state = self.stack[-2], self.stack[-1]
        if isinstance(target, PendingDtype):
            super().load_build()
        elif type(target) is _PendingArray and isinstance(state, dict):
            self.stack.pop()
            self.stack[-1] = self._read_array(state)
        else:
            raise RefusedError(f"sets attributes of a {type(target).__name__.lstrip('_')}")

    def _read_array(self, state: dict[str, Any]) -> NDArray[Any]:
        pending, shape = state.get("dtype"), state.get("shape")
        if not isinstance(pending, PendingDtype) or pending.dtype.kind not in "fiu":
            raise RefusedError("has an array that is not one of numbers")
        if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
            raise RefusedError("has an array that is not one of numbers")
        size = math.prod(shape) * pending.dtype.itemsize
        if size > _MOST_BYTES or state.get("order") not in ("C", "F"):
            raise RefusedError("has an array that joblib did not write")
        if state.get("numpy_array_alignment_bytes") is not None:
            self.read(self.read(1)[0])
        flat = np.frombuffer(self.read(size), pending.dtype)
        return flat.reshape(shape, order=state["order"]).copy()

    def load_extension(self) -> NoReturn:
        raise RefusedError("refers to Python's registry of extensions")

    dispatch: ClassVar = {
        **_PythonUnpickler.dispatch,
        pickle.BUILD[0]: load_build,
        **dict.fromkeys((pickle.EXT1[0], pickle.EXT2[0], pickle.EXT4[0]), load_extension),
    }
