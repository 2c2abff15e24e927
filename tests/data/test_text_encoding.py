"""Text that is UTF-8 almost throughout, or not at all."""

from pathlib import Path

import pytest

from emofuse.data.text_encoding import decode_text
from emofuse.errors import EmofuseError

FILE = Path("t.csv")
STRAY = "café, naïve\nça\n".encode() + b"don\x92t\n" + "über\n".encode()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_stray_byte_is_mended_and_the_rest_stays(mark: bytes) -> None:
    text, notes = decode_text(mark + STRAY, FILE)
    assert text == "café, naïve\nça\ndon’t\nüber\n"
    assert notes == ("t.csv: 1 byte that is not UTF-8 (line 3) read as Windows-1252",)


def test_many_strays_name_their_first_lines() -> None:
    data = "é漢字\n".encode() * 10 + b"\x93a\x94\n" * 7
    text, notes = decode_text(data, FILE)
    assert text == "é漢字\n" * 10 + "“a”\n" * 7
    where = "lines 11, 12, 13, 14, 15 and 2 more"
    assert notes == (f"t.csv: 14 bytes that are not UTF-8 ({where}) read as Windows-1252",)


@pytest.mark.parametrize(
    ("data", "fallback", "text"),
    [
        (b"caf\xe9 \x93\xc9t\xe9\x94 \xc2\xbb", "cp1252", "café “Été” Â»"),  # the last two happen to be UTF-8
        ("那是一只猫, 联通".encode("gbk"), "gb18030", "那是一只猫, 联通"),
    ],
)
def test_a_file_in_another_encoding_is_read_in_it_throughout(data: bytes, fallback: str, text: str) -> None:
    decoded, notes = decode_text(data, FILE, fallback)  # type: ignore[arg-type]
    assert decoded == text
    assert notes == (
        f"t.csv is not UTF-8 and was read as {'Windows-1252' if fallback == 'cp1252' else 'GB 18030'}",
    )


def test_a_stray_word_of_gbk() -> None:
    data = "那是一只猫,高兴\n".encode() * 3 + "高,x\n".encode("gbk")
    text, notes = decode_text(data, FILE, "gb18030")
    assert text == "那是一只猫,高兴\n" * 3 + "高,x\n"
    assert "(line 4) read as GB 18030" in notes[0]


@pytest.mark.parametrize(
    ("data", "phrase"),
    [
        ("é\né\n".encode() + b"\x81\n", "t.csv line 3: byte 0x81 is no text in UTF-8 or Windows-1252"),
        (b"\x81\x8d", "t.csv: is no text in UTF-8 or Windows-1252"),
        (b"\xff\xfea\0", "t.csv: is no text in UTF-8 or Windows-1252"),
    ],
)
def test_what_is_text_in_neither(data: bytes, phrase: str) -> None:
    with pytest.raises(EmofuseError) as caught:
        decode_text(data, FILE)
    assert str(caught.value).startswith(phrase)
