"""Tables whose cells are separated by something else than commas."""

from pathlib import Path

import pytest

from emofuse.data.manifest import Manifest
from emofuse.data.separators import find_separator, parse_separated
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.label_map_files import read_label_map
from emofuse.evaluation.protocols.split_files import read_split_file

SEPARATED = {
    "semicolons": "id;text;label\na;x, y;joy\n",
    "tabs": "id\ttext\tlabel\na\tx, y\tjoy\n",
    "bars": "id|text|label\na|x, y|joy\n",
    "stated semicolon": "sep=;\r\nid;text;label\r\na;x, y;joy\r\n",
    "stated bar, quoted": '"sep=|"\nid|text|label\na|x, y|joy\n',
    "stated tab": "SEP=\t\nid\ttext\tlabel\na\tx, y\tjoy\n",
    "stated comma": 'sep=,\nid,text,label\na,"x, y",joy\n',
    "stated otherwise": "sep=#\nid#text#label\na#x, y#joy\n",
}


@pytest.mark.parametrize("case", SEPARATED)
def test_manifests_and_tables(tmp_path: Path, case: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(SEPARATED[case], encoding="utf-8-sig", newline="")
    row = Manifest.read(path).validate().utterance("a")
    assert (row.text, row.label) == ("x, y", "joy")
    raw, notes = parse_separated(SEPARATED[case], path)
    assert raw.frame.to_dict("list") == {"id": ["a"], "text": ["x, y"], "label": ["joy"]}
    assert raw.rows.tolist() == [1]
    assert bool(notes) == ("comma" not in case)


def test_splits_and_label_maps(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("sep=;\nid;split\na;train\nb;dev\n")
    assert read_split_file(tmp_path / "s.csv")[:2] == (["a"], ["b"])
    (tmp_path / "l.csv").write_text("label\tcounts_as\njoy\thappiness\nawe\t\n")
    assert read_label_map(str(tmp_path / "l.csv")).data == {"joy": "happiness", "awe": None}
    (tmp_path / "l.csv").write_text("label,counts_as\n" + "a" * 140_000 + ",b\n")
    with pytest.raises(EmofuseError, match=r"l\.csv: is not CSV \(field larger"):
        read_label_map(str(tmp_path / "l.csv"))


@pytest.mark.parametrize(
    ("text", "expected", "separator"),
    [
        ("id,text;or;what\n", ("id",), ","),  # the expected name decides
        ("id;a,b,c,d\n", ("id",), ";"),
        ("a,b\tc\n", (), ","),  # as many of each: the usual one
        ('"a|b|c|d",e\n', (), ","),  # quoted
        ("\n,,,\n;\na;b;c,d\n", (), ";"),  # the first line with content
        ("," * 100_000, (), ","),
        ("", ("id",), ","),
    ],
)
def test_the_header_decides(text: str, expected: tuple[str, ...], separator: str) -> None:
    assert find_separator(text, expected=expected) == (text, separator)


def test_a_tab_decides_where_tabs_are_usual() -> None:
    text = "id\tsaid, sung, or cried\n"
    assert find_separator(text, usual="\t") == (text, "\t")


def test_messages_count_the_line_that_states_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('sep=;\nid;text\na;"x" y\n')
    with pytest.raises(EmofuseError, match=r"m\.csv line 3: not well-formed CSV"):
        Manifest.read(path)
    path.write_text("sep=;\nid;text\na;x\nb\n")
    assert [problem.row for problem in Manifest.read(path).problems()] == [2]


@pytest.mark.parametrize("separator", ["\t", "|"])
def test_quotes_of_the_text_where_programs_do_not_quote(tmp_path: Path, separator: str) -> None:
    text = f'a{separator}b\n"No," she said{separator}1\n"Oh{separator}2\n'
    raw, notes = parse_separated(text, tmp_path / "t.csv")
    assert raw.frame["a"].tolist() == ['"No," she said', '"Oh']
    assert notes[1:] == ("t.csv: its quotes were read as part of the text",)
