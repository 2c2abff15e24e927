"""A pickle of a few hundred bytes that stands for gigabytes, or for hours, is refused before it costs either."""

import io
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest

from emofuse.data import pickle_bounds
from emofuse.data.array_unpickler import ArrayUnpickler
from emofuse.data.pickle_bounds import Allowance, BoundsError, most_operations
from emofuse.data.safe_pickle import load_pickle
from emofuse.errors import EmofuseError
from emofuse.features.importers import import_features

ONE = b"K\1"
OBJECT_ARRAY = pickletools.optimize(pickle.dumps(np.array([7] * 10, dtype=object), 2))[2:-1]


def text(content: str) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content.encode()


def unfolding(kind: str, *, levels: int = 9, width: int = 10, leaf: bytes = ONE) -> tuple[bytes, bytes]:
    """Code that fills the memo with containers of containers, and code for the last of them."""
    code = leaf + b"q\0000"
    for level in range(levels):
        inner = b"h" + bytes([level])
        code += {
            "list": b"](" + inner * width + b"e",
            "tuple": b"(" + inner * width + b"t",
            "dict": b"}(" + b"".join(b"K" + bytes([key]) + inner for key in range(width)) + b"u",
            "object array": OBJECT_ARRAY.replace(b"K\7", inner),
        }[kind]
        code += b"q" + bytes([level + 1]) + b"0"
    return code, b"h" + bytes([levels])


def call(name: bytes, argument: bytes) -> bytes:
    return b"c" + name + b"\n" + argument + b"\x85R"


def bombs() -> dict[str, tuple[bytes, str]]:
    """Name → the code of a pickle, and what the message says."""
    unfold, contains, keys = "unfolds to far more than it is long", "contains itself", "has keys other than"
    more = "makes more objects than its size can stand for"
    found = {kind: (b"".join(unfolding(kind)), unfold) for kind in ("list", "tuple", "dict", "object array")}
    array = pickletools.optimize(pickle.dumps(np.ones(500_000, "f4"), 4))[2:-1]
    found |= {
        "one text many times": (b"".join(unfolding("list", levels=3, leaf=text("x" * 100_000))), unfold),
        "one array many times": (array + b"q\1(" + b"h\1" * 2000 + b"l", unfold),
        "itself, a list": (b"]q\1h\1a", contains),
        "itself, a dict": (b"}q\1K\1h\1s", contains),
        "itself, through a tuple": (b"]q\1h\1\x85a", contains),
        "itself, an object array": (
            OBJECT_ARRAY.replace(b"](", b"]q\1(").replace(b"K\7", b"h\1", 1),
            contains,
        ),
        "deep": (b"K\1" + b"\x85" * 40, "nests containers more than 32 levels deep"),
        "very deep": (b"K\1" + b"\x85" * 5_000, "nests containers more than 32 levels deep"),
        "copies of a list": (b"(" + ONE * 50_000 + b"lq\1" + call(b"builtins\nlist", b"h\1") * 500, more),
        "an array built anew": (array[:-1] + b"q\1b" + b"h\1b" * 200, more),
        "text of a list": (
            b"".join(unfolding("list")) + b"q\1" + call(b"builtins\nstr", b"h\1"),
            "unusual way",
        ),
        "a number as long as a file": (
            b"}\x8b" + struct.pack("<i", 50_000) + b"\1" * 50_000 + b"K\1s",
            keys,
        ),
    }
    code, tuples = unfolding("tuple", levels=40, width=2)
    for name, use in {
        "item": b"}" + tuples + b"K\1s",
        "items": b"}(" + tuples + b"K\1u",
        "dict": b"(" + tuples + b"K\1d",
        "member": b"\x8f(" + tuples + b"\x90",
        "frozenset": b"(" + tuples + b"\x91",
        "set()": call(b"builtins\nset", b"(" + tuples + b"l"),
        "OrderedDict()": call(b"collections\nOrderedDict", b"((" + tuples + b"K\1ll"),
    }.items():
        found[f"tuples as a key, {name}"] = (code + use, keys)
    return found


BOMBS = bombs()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", BOMBS)
def test_bombs_are_refused(tmp_path: Path, case: str) -> None:
    code, phrase = BOMBS[case]
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\4" + code + b".")
    with pytest.raises(EmofuseError, match=phrase) as caught:
        load_pickle(path)
    assert str(caught.value).startswith(f"{path}: not loaded: it ")
    assert "\n" not in str(caught.value)


def test_empty_containers_are_counted() -> None:
    for code in (b"]", b"}", b"\x8f", b"(d", b"(\x91"):
        unpickler = ArrayUnpickler(io.BytesIO(b"\x80\4(" + code * 100 + b"t."), Allowance(5000), 1000)
        with pytest.raises(BoundsError, match="makes more objects"):
            unpickler.load()


def test_more_operations_than_arrays_need_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert most_operations(40 << 20) < 7_000_000, "seconds, not minutes"
    monkeypatch.setattr(pickle_bounds, "_FREE_OPERATIONS", 1000)
    path = tmp_path / "x.pkl"
    for code in (b"N0", b"(0", b")", b"]", b"\x94"):
        path.write_bytes(b"\x80\4]" + code * 5000 + b".")
        with pytest.raises(
            EmofuseError, match="not loaded: it has more operations than arrays need"
        ) as caught:
            load_pickle(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(pickle.dumps([0.5] * 50_000))
    assert len(load_pickle(path)) == 50_000, "numbers in a list are an operation each"


def test_what_honest_files_share_is_loaded(tmp_path: Path) -> None:
    missing = np.zeros(300, np.float32)
    value = {f"clip{i}": missing if i % 2 else np.full(300, i, np.float32) for i in range(2000)}
    value["rows"] = [["same", None, True]] * 20_000
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(value))
    after = load_pickle(path)
    assert after["clip1"] is after["clip1999"]
    assert len(after["rows"]) == 20_000


def test_a_small_file_that_names_one_list_often_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\4" + b"".join(unfolding("list", levels=5)) + b".")
    assert np.asarray(load_pickle(path)).shape == (10,) * 5


@pytest.mark.parametrize("field", ["id", "raw_text", "text", "annotations", "classification_labels"])
def test_lists_and_long_texts_where_a_name_or_number_should_stand(tmp_path: Path, field: str) -> None:
    part = {
        "id": ["a", "b"],
        "raw_text": ["a", "b"],
        "text": np.ones((2, 3)),
        "annotations": ["Positive", "Neutral"],
        "classification_labels": [1, 0],
    }
    for place, wrong in enumerate(([[["x"]] * 9] * 2, ["x", ["y" * 1000, *["z"] * 1000]], [{}, {}])):
        path = tmp_path / f"{place}.pkl"
        path.write_bytes(pickle.dumps({"train": part | {field: wrong}}))
        labels = ["x", "y"] if field == "classification_labels" else None
        with pytest.raises(EmofuseError) as caught:
            import_features(path, "mmsa", tmp_path / "features", labels=labels)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


def test_a_dialogue_that_is_named_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    each = {"d": [1, 2]}
    path.write_bytes(pickle.dumps((each, each, each, each, ["d"] * 3, [])))
    with pytest.raises(EmofuseError, match="dialogue 'd' is 3 times in the parts"):
        import_features(path, "conv-emotion", tmp_path / "features")
