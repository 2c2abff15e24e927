"""Arrays and plain containers come out of a pickle; nothing in a hostile one is ever called."""

import builtins
import collections
import contextlib
import copyreg
import io
import os
import pickle
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from emofuse.data.safe_pickle import load_pickle
from emofuse.errors import EmofuseError


def dump(tmp_path: Path, value: object, protocol: int = 4) -> Path:
    path = tmp_path / "features.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


ARRAYS = {
    "float": np.linspace(0, 1, 7),
    "float32 matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "big-endian": np.arange(5, dtype=">i4"),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "transposed": np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    "scalar array": np.array(3),
    "empty": np.empty((0, 74), dtype=np.float32),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "text": np.array(["é😀", "", "long one"]),
    "bytes": np.array([b"a", b"bc"]),
    "no text": np.array(["", ""]),
    "ragged": np.array([[1, 2], "x", None, {"a": np.arange(2)}, np.ones((2, 2))], dtype=object),
    "object matrix": np.array([["a", 1], [None, 2.5]], dtype=object),
    "arrays without axes in an array": np.fromiter([np.array(1), np.array("x")], dtype=object),
    "dict in an array": np.array({"a": 1}, dtype=object),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(tmp_path: Path, kind: str, protocol: int) -> None:
    before = ARRAYS[kind]
    after = load_pickle(dump(tmp_path, before, protocol))
    assert type(after) is np.ndarray
    assert after.dtype == before.dtype
    assert after.shape == before.shape
    assert after.flags.writeable
    assert repr(after) == repr(before)
    if not before.dtype.hasobject:
        assert_array_equal(after, before)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_containers_and_scalars(tmp_path: Path, protocol: int) -> None:
    value = {
        "numbers": [1, -(2**70), 1.5, True, None, 1j],
        "texts": ("é", "", b"\xff\0", b"", bytearray(b"x")),
        "sets": [{1, "a"}, frozenset([(1, 2)])],
        ("key", 1): collections.OrderedDict(b=[1], a=(2,)),
        "default": collections.defaultdict(list, a=[1]),
        "nameless": collections.defaultdict(None, a=1),
        "scalars": [np.float32(1.5), np.int64(3), np.str_("é"), np.str_(""), np.bytes_(b""), np.bool_(True)],
        np.int64(4): np.dtype("<f4"),
    }
    after = load_pickle(dump(tmp_path, value, protocol))
    assert after == value
    assert list(map(type, after["scalars"])) == list(map(type, value["scalars"]))
    assert type(after["key", 1]) is collections.OrderedDict
    after["default"]["new"].append(1)


def test_shared_references_stay(tmp_path: Path) -> None:
    array = np.arange(3)
    value: dict[str, Any] = {"one": array, "two": array, "pair": (array, [array])}
    after = load_pickle(dump(tmp_path, value))
    assert after["one"] is after["two"] is after["pair"][0] is after["pair"][1][0]


def test_a_feature_file_as_published(shared_mosi: Path) -> None:
    features = load_pickle(shared_mosi)
    assert {name: len(part["id"]) for name, part in features.items()} == {"train": 1257, "valid": 190}
    plain = pickle.loads(shared_mosi.read_bytes())
    for name, part in features.items():
        assert part.keys() == plain[name].keys()
        for key, value in part.items():
            assert type(value) is type(plain[name][key])
            assert_array_equal(value, plain[name][key])


def python2_pickle() -> bytes:
    """Protocol 2 as Python 2 and NumPy 1 wrote it: byte strings everywhere, modules by their old names."""

    def short(data: bytes) -> bytes:
        return b"U" + bytes([len(data)]) + data

    data = struct.pack("<3f", 1.0, -2.0, 0.5)
    dtype = (
        b"cnumpy\ndtype\n"
        + short(b"f4")
        + b"K\0K\1\x87R(K\3"
        + short(b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85"
        + short(b"b")
        + b"tR(K\1K\3\x85"
        + dtype
        + b"\x89"
        + short(data)
        + b"tb"
    )
    names = b"c__builtin__\nset\n](" + short("Zoë".encode("latin1")) + b"e\x85R"
    return b"\x80\2}(" + short(b"x") + array + short(b"names") + names + b"u."


def test_python_2_pickle(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(python2_pickle())
    value = load_pickle(path)
    assert value["names"] == pickle.loads(python2_pickle(), encoding="latin1")["names"] == {"Zoë"}
    assert_array_equal(value["x"], np.array([1.0, -2.0, 0.5], np.float32))
    assert value["x"].dtype == np.float32
    value = load_pickle(path, encoding="bytes")
    assert value[b"names"] == {"Zoë".encode("latin1")}
    assert value[b"x"].tolist() == [1.0, -2.0, 0.5]


class Calls:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


MARK = "open('ran', 'w').close()"


def by_name(module: str, name: str, argument: str) -> bytes:
    """A call that no class here could make: the function is found by name as the pickle is read."""
    return (
        b"\x80\4"
        + b"".join(b"\x8c" + bytes([len(text)]) + text for text in (module.encode(), name.encode()))
        + b"\x93\x8c"
        + bytes([len(argument)])
        + argument.encode()
        + b"\x85R."
    )


HOSTILE: dict[str, bytes] = {
    "os.system": pickle.dumps(Calls(os.system, "touch ran"), 2),
    "posix.system": by_name("posix", "system", "touch ran"),
    "protocol 0": b"cos\nsystem\n(S'touch ran'\ntR.",
    "INST": b"(S'touch ran'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch ran'\no.",
    "NEWOBJ": b"\x80\2csubprocess\nPopen\n]X\5\0\0\0touchX\3\0\0\0rana\x85\x81.",
    "subprocess": pickle.dumps(Calls(subprocess.check_call, ["touch", "ran"])),
    "eval": pickle.dumps(Calls(builtins.eval, MARK)),
    "exec": pickle.dumps(Calls(builtins.exec, MARK)),
    "exec of Python 2": b'c__builtin__\nexec\n(S"' + MARK.encode() + b'"\ntR.',
    "open": pickle.dumps(Calls(builtins.open, "ran", "w")),
    "__import__": by_name("builtins", "__import__", "antigravity"),
    "getattr": by_name("builtins", "getattr", "os"),
    "dotted": by_name("numpy", "ndarray.tofile", "ran"),
    "dotted dunder": by_name("builtins", "dict.__class__", "x"),
    "object": by_name("builtins", "object.__subclasses__", "x"),
    "map": by_name("builtins", "map", "x"),
    "numpy.load": pickle.dumps(Calls(np.load, "ran", None, True)),
    "numpy.save": pickle.dumps(Calls(np.savetxt, "ran", [1])),
    "numpy memmap": pickle.dumps(Calls(np.memmap, "ran", "u1", "w+", 0, (1,))),
    "numpy testing": by_name("numpy.testing._private.utils", "runstring", MARK),
    "numpy f2py": by_name("numpy.f2py.diagnose", "run_command", "touch ran"),
    "pickle in a pickle": pickle.dumps(Calls(pickle.loads, pickle.dumps(Calls(os.system, "touch ran")))),
    "copyreg": by_name("copyreg", "_reconstructor", "x"),
    "copyreg extension": by_name("copyreg", "add_extension", "x"),
    "codec that transforms": pickle.dumps(Calls(__import__("_codecs").encode, "touch ran", "rot13")),
    "codec lookup": by_name("_codecs", "lookup", "rot13"),
    "codec decode": by_name("_codecs", "decode", "x"),
    "operator": by_name("operator", "attrgetter", "system"),
    "functools": by_name("functools", "partial", "x"),
    "types": by_name("types", "FunctionType", "x"),
    "inside an object array": pickle.dumps(np.array([Calls(os.system, "touch ran"), 1], dtype=object)),
    "inside containers": pickle.dumps({"train": [(1, {"x": Calls(os.system, "touch ran")})]}),
    "as a default factory": pickle.dumps(collections.defaultdict(os.getcwd)),
    "torch": by_name("torch.storage", "_load_from_bytes", "x"),
    "codeless class": pickle.dumps(io.StringIO("x")),
    "path": pickle.dumps(Path("x")),
    "persistent id": b"Pran\n.",
    "binary persistent id": b"\x80\2X\3\0\0\0ranQ.",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles_run_nothing(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "feätures.pkl"
    path.write_bytes(HOSTILE[case])
    loaded = set(sys.modules)
    with pytest.raises(EmofuseError) as caught:
        load_pickle(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert not (set(sys.modules) - loaded) & {"antigravity", "numpy.f2py.diagnose"}
    message = str(caught.value)
    assert message.startswith(f"{path}: not loaded: it ")
    assert "only arrays and plain containers are admitted" in message
    assert "\n" not in message


def test_the_gadgets_would_run_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for case in ("os.system", "protocol 0", "INST", "exec", "inside an object array", "pickle in a pickle"):
        pickle.loads(HOSTILE[case])
        assert (tmp_path / "ran").exists(), case
        (tmp_path / "ran").unlink()


def test_the_refused_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(HOSTILE["eval"])
    with pytest.raises(EmofuseError, match=r"it asks for 'builtins\.eval'"):
        load_pickle(tmp_path / "x.pkl")
    (tmp_path / "x.pkl").write_bytes(by_name("os\nsystem: fine", "x" * 200, "x"))
    with pytest.raises(EmofuseError) as caught:
        load_pickle(tmp_path / "x.pkl")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


class ForgedArray:
    """An array whose state was changed after NumPy wrote it."""

    def __init__(self, shape: Any, dtype: Any, data: Any) -> None:
        self.state = (1, shape, dtype, False, data)

    def __reduce__(self) -> tuple[Any, ...]:
        reconstruct, arguments, _ = np.arange(2).__reduce__()
        return reconstruct, arguments, self.state


class ForgedDtype:
    def __init__(self, code: str, state: tuple[Any, ...]) -> None:
        self.code, self.state = code, state

    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, (self.code, False, True), self.state


FORGED = {
    # Flags 0 say that a dtype of objects holds none, so that NumPy would take the bytes for pointers.
    "object pointers": ForgedArray((1,), ForgedDtype("O8", (3, "|", None, None, None, 8, 8, 0)), b"A" * 8),
    "object count": ForgedArray((3,), np.dtype(object), [1]),
    "too little data": ForgedArray((1000,), np.dtype("f8"), b"\0" * 8),
    "too much data": ForgedArray((1,), np.dtype("f8"), b"\0" * 16),
    "texts without size": ForgedArray((2**40,), np.dtype("U0"), b""),
    "negative shape": ForgedArray((-1,), np.dtype("f8"), b""),
    "huge shape": ForgedArray((2**40, 2**40), np.dtype("f8"), b""),
    "shape of texts": ForgedArray(("a" * 100, 2**33), np.dtype("f8"), b""),
    "no dtype": ForgedArray((1,), "f8", b"\0" * 8),
    "fields": np.zeros(2, dtype=[("a", "f4")]),
    "fields in the state": ForgedArray(
        (1,), ForgedDtype("V8", (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 16)), b"A" * 8
    ),
    "sub-array": ForgedArray(
        (1,), ForgedDtype("f4", (3, "<", (np.dtype("O"), (2,)), None, None, 16, 8, 0)), b"A" * 16
    ),
    "no such characters": ForgedArray((1,), np.dtype("<U1"), b"\xff\xff\xff\x7f"),
    "masked array": np.ma.array([1, 2]),
    "record array": np.rec.array([(1, 2.0)]),
    "matrix class as scalar type": [np.float32],
    "type as a value": {"a": list},
    "function as a value": {"a": np.dtype},
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("case", FORGED)
def test_forged_arrays_are_refused(tmp_path: Path, case: str, protocol: int) -> None:
    with pytest.raises(EmofuseError, match="not loaded: it") as caught:
        load_pickle(dump(tmp_path, FORGED[case], protocol))
    assert "\n" not in str(caught.value)


SET_ATTRIBUTE = {
    "dtype": b"cnumpy\ndtype\nN}X\4\0\0\0callN",
    "reconstruct": b"cnumpy.core.multiarray\n_reconstruct\nN}X\4\0\0\0callN",
    "list": b"cbuiltins\nlist\nN}X\4\0\0\0kindN",
    "default factory": b"ccollections\ndefaultdict\n)RN}X\x0f\0\0\0default_factorycnumpy\ndtype\n",
    "OrderedDict": b"ccollections\nOrderedDict\n)RN}X\4\0\0\0keysN",
}


@pytest.mark.parametrize("case", SET_ATTRIBUTE)
def test_a_pickle_cannot_set_attributes(tmp_path: Path, case: str) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\2" + SET_ATTRIBUTE[case] + b"s\x86b.")
    with pytest.raises(EmofuseError, match="it sets attributes of a"):
        load_pickle(path)
    assert load_pickle(dump(tmp_path, np.arange(3))).tolist() == [0, 1, 2]


def test_the_registry_of_extensions_is_not_consulted(tmp_path: Path) -> None:
    copyreg.add_extension("os", "getcwd", 77)
    try:
        pickle.loads(b"\x80\2\x82\x4d.")  # from now on it is in a cache that asks no unpickler
        (tmp_path / "x.pkl").write_bytes(b"\x80\2\x82\x4d)R.")
        with pytest.raises(EmofuseError, match="registry of extensions"):
            load_pickle(tmp_path / "x.pkl")
    finally:
        copyreg.remove_extension("os", "getcwd", 77)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\2Kar\xff\xff\xff\xff.",  # memo number
        b"\x80\5\x96\0\0\0\0\x40\0\0\0.",  # bytearray of 256 GiB
        b"\x80\4\x8e\0\0\0\0\x40\0\0\0.",  # bytes
        b"\x80\4\x95\0\0\0\0\x40\0\0\0K\1.",  # frame
    ],
)
def test_large_numbers_take_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pkl").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(EmofuseError):
        load_pickle(tmp_path / "x.pkl")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_damaged_files_are_told_in_one_line(tmp_path: Path) -> None:
    value = {
        "a": np.arange(5.0),
        "b": [np.array(["x", None], object)],
        "c": collections.defaultdict(list, a=[1]),
    }
    random = np.random.default_rng(0)
    outcomes = collections.Counter()
    for round_ in range(500):
        content = bytearray(pickle.dumps(value, protocol=(0, 2, 4, 5)[round_ % 4]))
        content[random.integers(len(content))] = random.integers(256)
        (tmp_path / "x.pkl").write_bytes(content)
        try:
            load_pickle(tmp_path / "x.pkl")
            outcomes["loaded"] += 1
        except EmofuseError as error:
            outcomes["told in lines: " + str(len(str(error).splitlines()))] += 1
    assert outcomes.keys() == {"loaded", "told in lines: 1"}


def test_arguments_that_take_any_memory_are_refused(tmp_path: Path) -> None:
    for name in (b"bytes", b"bytearray", b"list", b"set"):
        (tmp_path / "x.pkl").write_bytes(b"\x80\2c__builtin__\n" + name + b"\n\x8a\x06\0\0\0\0\0\x10\x85R.")
        with pytest.raises(EmofuseError):
            load_pickle(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"", "is not a pickle, or is damaged"),
        (b"id,text\na,b\n", "not loaded"),
        (b"PK\3\4" + bytes(50), "it is a zip archive"),
        (pickle.dumps({"a": np.arange(1000)})[:500], "is not a pickle, or is damaged"),
        (b"\x80\4\x8e" + b"\xff" * 7 + b"\x7f" + b"x", "is not a pickle, or is damaged"),
        (pickle.dumps(None)[:-1], "is not a pickle"),
        (b"\x80\x63.", "is not a pickle"),
        (b"cnumpy.core.multiarray\n_reconstruct\n)R.", "array without data"),
        (b"\x80\2]" + b"]" * 5000 + b"a" * 5000 + b".", "nests containers more than 32 levels"),
    ],
)
def test_files_that_are_no_pickle(tmp_path: Path, content: bytes, phrase: str) -> None:
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(EmofuseError, match=phrase) as caught:
        load_pickle(tmp_path / "x.pkl")
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"gone\.pkl: cannot be read \(it is missing\)"):
        load_pickle(tmp_path / "gone.pkl")
    with pytest.raises(EmofuseError, match="cannot be read"):
        load_pickle(tmp_path)
