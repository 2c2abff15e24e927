"""Encodings, separators and leftovers of other people's files."""

from pathlib import Path

import pandas as pd
import pytest

from emofuse.corpora.table_files import C1_REMAINS, mend_c1, read_table_file
from emofuse.errors import EmofuseError


def put(tmp_path: Path, name: str, content: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("name", "content", "encoding", "note"),
    [
        ("t.csv", 'a,b\nçé,"x, ’y"\n', "utf-8", None),
        ("t.csv", 'a,b\nçé,"x, ’y"\n', "utf-8-sig", None),
        ("t.csv", 'a,b\nçé,"x, ’y"\n', "cp1252", "t.csv is not UTF-8 and was read as Windows-1252"),
        ("t.csv", "a;b\nçé;x, ’y\n", "utf-8", "t.csv is separated by semicolons"),
        ("t.csv", "a\tb\nçé\tx, ’y\n", "utf-8", "t.csv is separated by tabs"),
        ("t.csv", "a|b\nçé|x, ’y\n", "utf-8", "t.csv is separated by vertical bars"),
        ("t.csv", "sep=;\r\na;b\r\nçé;x, ’y\r\n", "utf-8-sig", "t.csv is separated by semicolons"),
        ("t.tsv", "a\tb\nçé\tx, ’y\n", "utf-8", None),
        ("t.tsv", 'a,b\nçé,"x, ’y"\n', "utf-8", "t.tsv is separated by commas"),
        ("t.tsv", 'a\tb\n"çé"\t"x, ’y"\n', "utf-8", None),
        ("t.TSV", "a\tb\r\nçé\tx, ’y\r\n", "utf-8", None),
        ("t.jsonl", '{"a": "çé", "b": "x, ’y"}\n', "utf-8", None),
        (
            "t.jsonl",
            '{"a": "çé", "b": "x, ’y"}\n',
            "cp1252",
            "t.jsonl is not UTF-8 and was read as Windows-1252",
        ),
    ],
)
def test_kinds_of_files(tmp_path: Path, name: str, content: str, encoding: str, note: str | None) -> None:
    table = read_table_file(put(tmp_path, name, content, encoding))
    assert table.raw.frame.to_dict("list") == {"a": ["çé"], "b": ["x, ’y"]}
    assert table.notes == (() if note is None else (note,))


def test_tab_separated_texts_with_quotes_of_their_own(tmp_path: Path) -> None:
    table = read_table_file(put(tmp_path, "t.tsv", 'a\tb\n"No," she said\t1\n"Oh\t2\n'))
    assert table.raw.frame["a"].tolist() == ['"No," she said', '"Oh']
    assert table.notes == ("t.tsv: its quotes were read as part of the text",)


def test_columns_without_a_name(tmp_path: Path) -> None:
    table = read_table_file(put(tmp_path, "t.csv", ",a,\n0,x,\n1,y,\n"))
    assert table.raw.frame.to_dict("list") == {"column 1": ["0", "1"], "a": ["x", "y"]}


@pytest.mark.parametrize(
    ("name", "content", "phrase"),
    [
        ("t.xls", b"PK", "is no table by its suffix; save it as .csv, .tsv, .jsonl, .parquet, .xlsx"),
        ("t.xlsx", b"PK", "is no Excel file"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n\x81,\x8d\n", "is no text in UTF-8 or Windows-1252"),
        ("t.csv", "a,é\nb,c\n".encode("utf-16"), "is no text in UTF-8 or Windows-1252"),
        ("t.csv", b"a,a\n1,2\n", "header has a more than once"),
        ("t.csv", b'a,b\n1,"2\n', "not well-formed CSV"),
        ("t.tsv", b"a\ta\n", "header has a more than once"),
        ("t.parquet", b"x", "cannot be read as Parquet"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, name: str, content: bytes, phrase: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EmofuseError) as caught:
        read_table_file(tmp_path / name)
    assert phrase in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_c1_character_becomes_that_of_windows_1252() -> None:
    undefined = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
    assert set(C1_REMAINS) == set(range(0x80, 0xA0)) - undefined
    for code, character in C1_REMAINS.items():
        assert character.encode("cp1252") == bytes([code])


def test_mend_c1() -> None:
    cells = pd.Series(
        ["don\x92t", "\x93Oh\x94 \x97 no\x85", "\x81", "plain ’ é", None, 5, ["\x92"]], dtype=object
    )
    mended, touched = mend_c1(cells)
    assert mended.tolist() == ["don’t", "“Oh” — no…", "\x81", "plain ’ é", None, 5, ["\x92"]]
    assert touched.tolist()[:2] == [True, True]
    assert touched.tolist()[3:] == [False] * 4
    assert cells[0] == "don\x92t"
