"""Files that are no manifest: one clear line for each."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emofuse.data.manifest import Manifest, ManifestError
from emofuse.errors import EmofuseError

UNREADABLE = {
    "empty": ("m.csv", b"", "is empty"),
    "byte order mark alone": ("m.csv", b"\xef\xbb\xbf\n", "is empty"),
    "separators alone": ("m.csv", b",,,\n", "is empty"),
    "empty jsonl": ("m.jsonl", b"\n\n", "is empty"),
    "binary": ("m.csv", bytes(range(256)) * 4, "is not UTF-8 text"),
    "windows-1252": ("m.csv", "id,text\na,ça\n".encode("cp1252"), "line 2: is not UTF-8"),
    "utf-16": ("m.csv", "id,text\na,b\n".encode("utf-16"), "UTF-16"),
    "no id": ("m.csv", b"name,text\na,b\n", "no column 'id', only name, text"),
    "other id": ("m.csv", b"ID,text\na,b\n", "rename 'ID'"),
    "many columns": ("m.csv", b",".join(b"c%d" % n for n in range(3000)), "c18, c19 and 2980 more"),
    "another table": ("m.tsv", b"id\ttext\na\tb\n", "or use `emofuse prepare csv`"),
    "id twice": ("m.csv", b"id,text,id\na,b,c\n", "header has id more than once"),
    "open quote": ("m.csv", b'id,text\na,"b\nc,d\n', "line 3: not well-formed CSV"),
    "text after quote": ("m.csv", b'id,text\na,"b" c\n', "line 2: not well-formed CSV"),
    "json list": ("m.jsonl", b'[{"id": "a"}]', "not JSON lines: row 1 is not a JSON object"),
    "not json": ("m.jsonl", b"id,text\na,b\n", "not JSON lines: row 1 is not JSON"),
    "deep json": ("m.jsonl", b"[" * 200_000, "not JSON lines: row 1 is not JSON"),
    "not parquet": ("m.parquet", b"id,text\na,b\n", "cannot be read as Parquet"),
    "empty parquet": ("m.parquet", b"", "cannot be read as Parquet"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_one_line_says_why(tmp_path: Path, case: str) -> None:
    name, content, phrase = UNREADABLE[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EmofuseError) as caught:
        Manifest.read(tmp_path / name)
    message = str(caught.value)
    assert phrase in message
    assert name in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
def test_missing_file_and_folder(tmp_path: Path, name: str) -> None:
    for gone in (name, "none.pkl", "none"):  # it is not there, so nobody asks what it would be
        with pytest.raises(EmofuseError, match=f"{gone}: there is no such file"):
            Manifest.read(tmp_path / gone)
    (tmp_path / name).mkdir()
    with pytest.raises(EmofuseError, match=f"{name}: (is a folder|cannot be read)"):
        Manifest.read(tmp_path / name)


def test_texts_that_parquet_holds_as_bytes(tmp_path: Path) -> None:
    ids = pa.array([b"a", "é".encode(), b"c"], pa.binary())
    pq.write_table(pa.table({"id": ids, "text": [b"one", None, b"three"]}), tmp_path / "m.parquet")
    manifest = Manifest.read(tmp_path / "m.parquet")
    assert manifest.ids == ["a", "é", "c"]
    assert manifest.frame["text"].tolist() == ["one", None, "three"]
    pq.write_table(pa.table({"id": [b"a", b"\xff\xfe"], "text": ["x", "y"]}), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=r"row 2: id \"b'\\\\xff\\\\xfe'\" is not a text"):
        Manifest.read(tmp_path / "m.parquet").validate()


def test_truncated_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [str(i) for i in range(1000)]}), tmp_path / "m.parquet")
    whole = (tmp_path / "m.parquet").read_bytes()
    (tmp_path / "m.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EmofuseError, match="cannot be read as Parquet"):
        Manifest.read(tmp_path / "m.parquet")
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, ["id", "id"]), tmp_path / "m.parquet")
    with pytest.raises(EmofuseError, match="has the column 'id' twice"):
        Manifest.read(tmp_path / "m.parquet")


def test_rows_that_cannot_be_taken_apart_are_listed_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,text,turn\na,x,0\nb,too,many,cells\nc\n\nd,y,half\n,,,,\ne,z,1,,\n")
    manifest = Manifest.read(tmp_path / "m.csv")
    assert manifest.ids == ["a", "d", "e"]
    assert [(problem.row, problem.id) for problem in manifest.problems()] == [(2, None), (3, None), (5, "d")]
    assert "has 4 cells where the header has 3" in manifest.problems()[0].what
    with pytest.raises(ManifestError, match="has 4 cells"):
        manifest.write(tmp_path / "n.csv")


def test_lines_that_are_not_json_are_listed_with_the_others(tmp_path: Path) -> None:
    lines = ['{"id": "a", "text": "x"}', '{"id": "b", "valence": NaN}', "", "{", '{"id": "c", "text": ["x"]}']
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    problems = Manifest.read(tmp_path / "m.jsonl").problems()
    assert [problem.row for problem in problems] == [2, 4, 5, 5]
    assert "NaN is not a number of JSON" in problems[0].what
    assert "text \"['x']\" is not a text" in problems[2].what


def test_json_that_nobody_writes_by_hand_is_told_in_plain_words(tmp_path: Path) -> None:
    lines = ['{"id": "a", "text": "x"}', '{"id": ' + "9" * 5000 + "}", "[" * 100_000]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    assert [problem.what for problem in Manifest.read(tmp_path / "m.jsonl").problems()] == [
        "is not JSON (it holds a number of 5,000 digits; at most 4,300 are read)",
        "is not JSON (it nests too deeply)",
    ]


def test_half_characters_of_json_are_listed(tmp_path: Path) -> None:
    lines = [
        r'{"id": "a", "text": "\ud83d\ude00"}',
        r'{"id": "b", "text": "\ud83d"}',
        r'{"id": "c", "\uDE00": 1}',
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    manifest = Manifest.read(tmp_path / "m.jsonl")
    assert manifest.utterance("a").text == "😀"
    assert [(problem.row, "half a character" in problem.what) for problem in manifest.problems()] == [
        (2, True),
        (3, True),
    ]


def test_every_row_broken(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,text\na\nb\n")
    assert [problem.row for problem in Manifest.read(tmp_path / "m.csv").problems()] == [1, 2]


@pytest.mark.parametrize("quote", ['"', ""])
def test_a_cell_may_be_of_any_length(tmp_path: Path, quote: str) -> None:
    text = "word " * 40_000  # the csv module takes 131,072 characters by default
    (tmp_path / "m.csv").write_text(f"id,text\na,{quote}{text}{quote}\nb,x\n")
    limit = csv.field_size_limit()
    manifest = Manifest.read(tmp_path / "m.csv").validate()
    assert [row.text for row in manifest.rows()] == [text, "x"]
    assert csv.field_size_limit() == limit


def test_a_quote_that_is_never_closed_is_told_by_its_row(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('id,text\na,x\nb,"' + "word\n" * 40_000)
    with pytest.raises(
        EmofuseError, match=r"unexpected end of data in the row that begins in line 3\); close every"
    ):
        Manifest.read(tmp_path / "m.csv")
