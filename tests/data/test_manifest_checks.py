"""Every kind of bad row is found, with the number its author would count."""

from pathlib import Path

import pytest

from emofuse.data.manifest import Manifest, ManifestError, Problem
from emofuse.errors import EmofuseError

HEADER = "id,dialogue,turn,speaker,text,video,audio,start,end,label,valence,split,group"
GOOD = {"id": "a", "dialogue": "d", "turn": "0", "text": "hello", "label": "joy", "split": "train"}

# What is changed in the second of three good rows → what must be said about it.
ONE_BAD_ROW = {
    "no id": ({"id": ""}, "has no id"),
    "blank id": ({"id": " "}, "has no id"),
    "id repeated": ({"id": "r0"}, "has the same id as row 1"),
    "id with a space": ({"id": "x "}, "id begins or ends with a space"),
    "id with a tab": ({"id": "x\ty"}, "id holds a control character"),
    "id with a NUL": ({"id": "x\0y"}, "id holds a control character"),
    "label with an escape sequence": ({"label": "jo\x1b[31my"}, "label holds a control character"),
    "label with a space": ({"label": " joy"}, "label begins or ends with a space"),
    "speaker with a space": ({"speaker": "Ana\t"}, "speaker begins or ends with a space"),
    "no turn": ({"turn": ""}, "has no turn while others of its dialogue have one"),
    "turn not whole": ({"turn": "1.5"}, "turn '1.5' is not a whole number"),
    "turn not a number": ({"turn": "first"}, "turn 'first' is not a whole number"),
    "turn too large": ({"turn": "1e300"}, "turn '1e300' is not a whole number"),
    "turn repeated": ({"turn": "0"}, "has the same dialogue and turn as row 1"),
    "start not a number": ({"start": "00:12"}, "start '00:12' is not a number of seconds"),
    "start is nan": ({"start": "nan"}, "start 'nan' is not a number"),
    "decimal comma": ({"end": '"1,5"'}, "end '1,5' is not a number"),
    "underscore": ({"end": "1_0"}, "end '1_0' is not a number"),
    "start after end": ({"start": "2.5", "end": "1.25"}, "start 2.5 is not before end 1.25"),
    "start is end": ({"start": "2", "end": "2"}, "start 2 is not before end 2"),
    "start negative": ({"start": "-1", "end": "2"}, "start is negative"),
    "start alone negative": ({"start": "-1"}, "start is negative"),
    "end alone negative": ({"end": "-1"}, "end is negative"),
    "end alone zero": ({"end": "0"}, "end is 0"),
    "valence not a number": ({"valence": "good"}, "valence 'good' is not a number"),
    "valence is nan": ({"valence": "NaN"}, "valence 'NaN' is not a number"),
    "valence is infinite": ({"valence": "inf"}, "valence 'inf' is not a number"),
    "valence overflows": ({"valence": "1e999"}, "valence is infinite"),
    "unknown label": ({"label": "joyy"}, "label 'joyy' is not one of anger, joy; perhaps 'joy'"),
    "label cut short": ({"label": "ang"}, "perhaps 'anger'"),
    "label of another case": ({"label": "JOY"}, "perhaps 'joy'"),
    "no target": ({"label": ""}, "has neither label nor valence"),
    "unknown split": ({"split": "fold1"}, "split 'fold1' is not one of train, val, test"),
    "nothing to see or hear": ({"text": ""}, "has no text, no video and no audio"),
    "blank text": ({"text": '"  "'}, "has no text, no video and no audio"),
    "absolute path": ({"video": "/etc/passwd"}, "video '/etc/passwd' is absolute"),
    "drive": ({"video": r"C:\clips\a.mp4"}, "is absolute"),
    "address": ({"video": "https://example.org/a.mp4"}, "is absolute"),
    "parent": ({"audio": "../a.wav"}, "audio '../a.wav' has '..'"),
    "parent in the middle": ({"audio": "clips/../../a.wav"}, "has '..'"),
    "parent with backslashes": ({"audio": r"..\a.wav"}, "has '..'"),
    "NUL": ({"audio": "a\0.wav"}, "holds a NUL character"),
    "missing file": ({"video": "gone.mp4"}, "video 'gone.mp4' does not exist"),
    "name too long": ({"video": "x" * 300 + ".mp4"}, "does not exist"),
    "folder": ({"video": "clips"}, "is a folder"),
    "the folder itself": ({"video": "."}, "is a folder"),
    "backslash": ({"video": r"clips\é.mp4"}, "there when the path is written with / instead"),
    "decomposed name": ({"video": "clips/e\u0301.mp4"}, "written in Unicode form NFC"),
}


def lay_out(tmp_path: Path, *changes: dict[str, str]) -> Path:
    (tmp_path / "clips").mkdir(exist_ok=True)
    (tmp_path / "clips" / "é.mp4").touch()
    lines = [HEADER]
    for number, change in enumerate(changes):
        row = {**GOOD, "id": f"r{number}", "turn": str(number), **change}
        lines.append(",".join(row.get(column, "") for column in HEADER.split(",")))
    path = tmp_path / "m.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_good_rows_have_no_problem(tmp_path: Path) -> None:
    changes = [
        {"video": "clips/é.mp4", "start": "0", "end": "1.5"},
        {"text": "", "audio": "clips/é.mp4", "start": "3"},
        {"end": "3", "text": '" spaced "'},
        {"label": "", "valence": "-3"},
        {"label": "", "split": "test"},
        {"label": "", "split": ""},
        {"split": "DEV"},
        {"turn": "-1"},
    ]
    manifest = Manifest.read(lay_out(tmp_path, *changes))
    assert manifest.problems(labels=["anger", "joy"]) == []
    assert manifest.validate() is manifest


@pytest.mark.parametrize("case", ONE_BAD_ROW)
def test_a_bad_row_is_named(tmp_path: Path, case: str) -> None:
    change, phrase = ONE_BAD_ROW[case]
    problems = Manifest.read(lay_out(tmp_path, {}, change, {})).problems(labels=["anger", "joy"])
    assert any(phrase in problem.what for problem in problems), problems
    assert {problem.row for problem in problems} == {2}
    assert {problem.id for problem in problems} == {change.get("id", "r1") or None}


def test_all_bad_rows_are_listed_at_once(tmp_path: Path) -> None:
    changes = [change for change, _ in ONE_BAD_ROW.values()]
    manifest = Manifest.read(lay_out(tmp_path, {}, *changes))
    with pytest.raises(ManifestError) as caught:
        manifest.validate(labels=["anger", "joy"])
    rows = {problem.row for problem in caught.value.problems}
    # The row that repeats a turn is no repetition here, where the numbers differ.
    assert rows >= set(range(2, len(changes) + 2)) - {2 + list(ONE_BAD_ROW).index("turn repeated")}
    assert [p.row for p in caught.value.problems] == sorted(p.row or 0 for p in caught.value.problems)
    assert isinstance(caught.value, EmofuseError)


def test_the_message_is_capped_but_the_list_is_not(tmp_path: Path) -> None:
    manifest = Manifest.read(lay_out(tmp_path, *[{"label": ""}] * 120))
    with pytest.raises(ManifestError) as caught:
        manifest.validate()
    lines = str(caught.value).splitlines()
    assert "120 problems" in lines[0]
    assert lines[1] == "  120 rows: has neither label nor valence, though it is in the training split"
    first = ", ".join(f"row {number} (id 'r{number - 1}')" for number in range(1, 6))
    assert lines[2:] == [f"    {first} and 115 more"]
    assert len(caught.value.problems) == 120


def test_a_cause_is_told_once_though_its_rows_differ(tmp_path: Path) -> None:
    changes = [{"video": f"gone{number}.mp4", "valence": f"x{number}"} for number in range(5)]
    path = lay_out(tmp_path, *changes, {"split": "fold"}, {"start": "3", "end": "2"})
    with pytest.raises(ManifestError) as caught:
        Manifest.read(path).validate()
    assert str(caught.value).splitlines()[1:] == [
        "  5 rows: valence is not a number",
        *(f"    row {n + 1} (id 'r{n}'): valence 'x{n}' is not a number" for n in range(3)),
        "    and 2 more",
        f"  5 rows: video does not exist in {tmp_path.resolve()}",
        *(
            f"    row {n + 1} (id 'r{n}'): video 'gone{n}.mp4' does not exist in {tmp_path.resolve()}"
            for n in range(3)
        ),
        "    and 2 more",
        "  row 6 (id 'r5'): split 'fold' is not one of train, val, test (or dev, valid, validation for val)",
        "  row 7 (id 'r6'): start 3 is not before end 2",
    ]


def test_causes_are_printed_up_to_a_readable_number() -> None:
    problems = [Problem(n, None, f"cause {n // 2}") for n in range(130)]
    lines = str(ManifestError.listing("m", problems)).splitlines()
    assert lines[1:3] == ["  2 rows: cause 0", "    row 0, row 1"]
    assert lines[-1] == "  and 30 more"
    assert len(lines) == 102


def test_without_looking_at_files_paths_are_still_checked(tmp_path: Path) -> None:
    path = lay_out(tmp_path, {"video": "gone.mp4"}, {"video": "../gone.mp4"})
    assert [problem.row for problem in Manifest.read(path).problems(check_files=False)] == [2]


def test_a_manifest_without_rows(tmp_path: Path) -> None:
    problems = Manifest.read(lay_out(tmp_path)).problems()
    assert [(problem.row, problem.what[:11]) for problem in problems] == [(None, "has no rows")]
    with pytest.raises(ManifestError, match="has no rows"):
        Manifest.read(lay_out(tmp_path)).validate()


def test_row_numbers_count_blank_lines_and_texts_of_several_lines_as_one(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('id,text\na,"one\ntwo"\n\nb,\n')
    assert [(problem.row, problem.id) for problem in Manifest.read(tmp_path / "m.csv").problems()] == [
        (3, "b")
    ]


def test_one_clip_of_many_rows_is_reported_for_each(tmp_path: Path) -> None:
    manifest = Manifest.read(lay_out(tmp_path, *[{"video": "film.mp4"}] * 3))
    assert [problem.row for problem in manifest.problems()] == [1, 2, 3]
