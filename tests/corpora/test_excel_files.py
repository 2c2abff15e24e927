"""Excel files as tables."""

import datetime
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from emofuse.corpora import TableMapping, excel_files, load_corpus, manifest_from_tables
from emofuse.corpora.excel_files import read_excel
from emofuse.errors import EmofuseError
from emofuse.features.importers import import_features

openpyxl = pytest.importorskip("openpyxl")


def book(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    """An Excel file with these rows on these sheets."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_cells_of_every_type(tmp_path: Path) -> None:
    rows = [
        [],
        ["id", None, "said", "from", "n", "late"],
        [7, None, "NA", datetime.time(0, 16, 16, 59000), 0, datetime.timedelta(hours=30, seconds=1.5)],
        [None] * 6,
        ["b", None, " é ", None, 2.5],
        ["c", None, "x", None, 1, None, "too much"],
    ]
    raw, notes = read_excel(book(tmp_path / "t.xlsx", empty=[], first=rows, notes=[["read me"]]))
    assert notes == ("t.xlsx: the sheet 'first' was read; not read: notes",)
    assert raw.frame.to_dict("list") == {
        "id": [7, "b"],
        "said": ["NA", " é "],
        "from": ["00:16:16.059000", None],
        "n": [0, 2.5],
        "late": ["30:00:01.500", None],
    }
    assert raw.rows.tolist() == [1, 3]
    assert raw.blank == (2,)
    assert raw.broken[0][0] == 4


def test_a_corpus_and_features(tmp_path: Path) -> None:
    path = book(
        tmp_path / "t.xlsx",
        a=[["Utterance", "Emotion", "text_0", "id"], ["hello", "joy", 1.5, 3], ["no", "anger", 2, 4.0]],
    )
    (tmp_path / "~$t.xlsx").write_bytes(b"what Excel leaves beside an open file")
    manifest = load_corpus("tables", tmp_path).validate()
    assert manifest.ids == ["3", "4"]
    assert manifest.frame["text"].tolist() == ["hello", "no"]
    mapping = TableMapping({"text": "Utterance", "turn": "id"})
    assert manifest_from_tables([path], mapping)[0].frame["turn"].tolist() == [3, 4]
    assert import_features(path, "csv", tmp_path / "features").manifest.ids == ["3", "4"]


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "t.xlsx", a=[["text"], ["x"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        EmofuseError, match=r"t\.xlsx: Excel files need openpyxl: `pip install emofuse\[excel\]`"
    ):
        read_excel(path)


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"", "is no Excel file"),
        (b"PK", "is no Excel file"),
        (b"\xd0\xcf\x11\xe0", "is no Excel file"),  # .xls
        (None, "there is no such file"),
        ({"other.xml": b"<a/>"}, "cannot be read as an Excel file"),
    ],
)
def test_what_is_no_excel_file(tmp_path: Path, content: Any, phrase: str) -> None:
    path = tmp_path / "t.xlsx"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    with pytest.raises(EmofuseError) as caught:
        read_excel(path)
    assert phrase in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_would_unfold_to_more_than_memory_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EmofuseError, match="is empty"):
        read_excel(book(tmp_path / "t.xlsx", a=[], b=[]))
    path = book(tmp_path / "t.xlsx", a=[["text"], *[["x"]] * 40])
    sheet = _with_sheet(path, lambda xml: xml.replace(b"A1:A41", b"A1:XFD1048576"))
    assert len(read_excel(sheet)[0].frame) == 40  # a stated size is not believed
    wide = _with_sheet(path, lambda xml: xml.replace(b'r="A', b'r="XFD'))  # one cell makes a row of 16,384
    monkeypatch.setattr(excel_files, "_MOST_CELLS", 100_000)
    with pytest.raises(EmofuseError, match=r"row 7: holds more cells than can be read"):
        read_excel(wide)
    emptied = _with_sheet(wide, lambda xml: re.sub(rb"<v>.*?</v>", b"", xml).replace(b't="s"', b""))
    with pytest.raises(EmofuseError, match=r"row 7: holds more cells than can be read"):
        read_excel(emptied)
    monkeypatch.setattr(excel_files, "_UNPACKED_BYTES", 1000)
    with pytest.raises(EmofuseError, match="unfolds to more than"):
        read_excel(path)


def _with_sheet(path: Path, change: Any) -> Path:
    """A copy of an Excel file whose sheets are changed."""
    changed = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if "worksheets/" in name else data)
    return changed
