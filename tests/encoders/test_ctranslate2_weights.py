import struct
from pathlib import Path

import numpy as np
import pytest

from emofuse.encoders.ctranslate2_weights import read_ctranslate2
from emofuse.encoders.whisper_network import from_ctranslate2
from emofuse.errors import EmofuseError

NUMBERS = {"a/weight": np.arange(6, dtype=np.float16).reshape(2, 3), "a/heads": np.array(4, np.int16)}


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def written(arrays: dict[str, np.ndarray], version: int = 6) -> bytes:
    content = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, values in arrays.items():
        shape = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        kind = {"float16": 4, "int16": 2}[values.dtype.name]
        content += text(name) + shape + struct.pack("<BI", kind, values.nbytes) + values.tobytes()
    return content


def test_variables_come_as_they_are_stored(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(written(NUMBERS) + b"aliases follow")
    found = read_ctranslate2(file)
    assert list(found) == list(NUMBERS)
    for name, values in NUMBERS.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "requires a buffer"),
        (written(NUMBERS, version=99), "version 99"),
        (written(NUMBERS)[:-1], "do not fit"),
        (written(NUMBERS)[:20], "requires a buffer"),
        (written(NUMBERS).replace(b"\x04\x0c\0\0\0", b"\x09\x0c\0\0\0"), "numbers of type 9"),
        (written(NUMBERS).replace(b"\x04\x0c\0\0\0", b"\x04\xff\xff\xff\xff"), "do not fit"),
    ],
    ids=["empty", "version", "cut", "head", "type", "size"],
)
def test_what_is_no_such_file_is_refused_in_a_line(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(content)
    with pytest.raises(EmofuseError, match=why) as found:
        read_ctranslate2(file)
    assert "\n" not in str(found.value)


def test_another_model_is_no_whisper(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(written(NUMBERS))
    with pytest.raises(EmofuseError, match="not the encoder of a Whisper"):
        from_ctranslate2(file)
