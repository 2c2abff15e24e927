"""Anybody's tables become manifests."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.corpora import TableSummary, manifest_from_tables, parse_map
from emofuse.corpora.tables import seconds
from emofuse.data.manifest import Manifest, ManifestError
from emofuse.errors import EmofuseError

MELD_MAP = "text=Utterance,label=Emotion,speaker=Speaker,dialogue=Dialogue_ID,turn=Utterance_ID,start=StartTime,end=EndTime"
MAP = parse_map("text=said,label=felt,dialogue=talk,turn=n")
HEADER = "said,felt,talk,n\n"


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def test_meld_as_published(shared_meld: Path, tmp_path: Path) -> None:
    files = {"train": shared_meld / "train_sent_emo.csv", "val": shared_meld / "dev_sent_emo.csv"}
    manifest, summary = manifest_from_tables(files, parse_map(MELD_MAP))
    manifest.validate(labels=["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"])
    assert summary.splits == {"train": 9989, "val": 1109}
    assert summary.labels["train"]["neutral"] == 4710
    assert summary.labels["val"] == {
        "anger": 153,
        "disgust": 22,
        "fear": 40,
        "joy": 163,
        "neutral": 470,
        "sadness": 111,
        "surprise": 150,
    }
    assert (summary.rows_read, summary.rows_kept, summary.dropped) == (11098, 11098, {})
    assert len(set(manifest.ids)) == 11098
    # Both files have a dialogue 0; train has 1038 dialogues and dev 114.
    assert summary.dialogues == 1038 + 114
    first = manifest.utterance("train_0_0")
    assert (
        first.text == "also I was the point person on my company’s transition from the KL-5 to GR-6 system."
    )
    assert (first.speaker, first.turn, first.start, first.end) == ("Chandler", 0, 976.059, 981.731)
    assert manifest.utterance("val_0_0").text == "Oh my God, he’s lost it. He’s totally lost it."
    assert not manifest.frame["text"].str.contains("[\x80-\x9f]").any()
    manifest.write(tmp_path / "meld.csv")
    assert Manifest.read(tmp_path / "meld.csv").fingerprint() == manifest.fingerprint()


def test_meld_with_its_windows_1252_remains(shared_meld: Path, tmp_path: Path) -> None:
    """Other copies of MELD hold \\x92 for the apostrophe; both give the same manifest."""
    text = (shared_meld / "dev_sent_emo.csv").read_text(encoding="utf-8")
    codes = {"‘": 0x91, "’": 0x92, "“": 0x93, "”": 0x94, "…": 0x85, "—": 0x97}
    path = put(
        tmp_path, "dev_sent_emo.csv", text.translate({ord(sign): code for sign, code in codes.items()})
    )
    assert "\x92" in path.read_text(encoding="utf-8")
    mended, summary = manifest_from_tables({"dev": path}, parse_map(MELD_MAP))
    plain, _ = manifest_from_tables({"dev": shared_meld / "dev_sent_emo.csv"}, parse_map(MELD_MAP))
    assert mended.fingerprint() == plain.fingerprint()
    touched = sum(any(sign in line for sign in codes) for line in text.splitlines())
    assert f"characters of Windows-1252 were mended in {touched} rows" in summary.notes


def test_dialogues_of_the_same_number_in_two_files(tmp_path: Path) -> None:
    one = put(tmp_path, "one.csv", HEADER + "a,joy,0,0\nb,joy,0,1\n")
    two = put(tmp_path, "two.csv", HEADER + "c,joy,0,0\n")
    per_split, _ = manifest_from_tables({"train": one, "dev": two}, MAP)
    assert per_split.ids == ["train_0_0", "train_0_1", "val_0_0"]
    assert per_split.frame["dialogue"].tolist() == ["train_0", "train_0", "val_0"]
    per_file, _ = manifest_from_tables([one, two], MAP)
    assert per_file.ids == ["one_0_0", "one_0_1", "two_0_0"]
    single, _ = manifest_from_tables([one], MAP)
    assert single.ids == ["0_0", "0_1"]
    both, _ = manifest_from_tables({"train": [one, two]}, MAP)
    assert both.ids == per_file.ids
    assert set(both.frame["split"]) == {"train"}
    shared, _ = manifest_from_tables({"train": one, "val": two}, MAP, dialogue_scope="all")
    assert shared.frame["dialogue"].tolist() == ["0", "0", "0"]
    with pytest.raises(
        ManifestError, match=r"two\.csv row 1 \(id '0_0'\): has the same id as one\.csv row 1"
    ):
        shared.validate()


def test_dialogues_by_a_mapped_split(tmp_path: Path) -> None:
    path = put(tmp_path, "all.csv", "said,talk,n,part\na,0,0,train\nb,0,0,Valid\nc,0,0,\n")
    mapping = parse_map("text=said,dialogue=talk,turn=n,split=part")
    manifest, summary = manifest_from_tables([path], mapping, dialogue_scope="split")
    assert manifest.ids == ["train_0_0", "val_0_0", "0_0"]
    assert summary.splits == {"train": 1, "val": 1, "(none)": 1}
    with pytest.raises(EmofuseError, match="both by file and by a mapped column"):
        manifest_from_tables({"train": path}, mapping)


def test_files_of_the_same_name(tmp_path: Path) -> None:
    files = [put(tmp_path, f"s{n}/data.csv", HEADER + "a,joy,0,0\n,joy,0,1\n") for n in (1, 2)]
    manifest, summary = manifest_from_tables(files, MAP)
    assert manifest.ids == ["data_0_0", "data-2_0_0"]
    assert summary.dropped == {"no text, video or audio": ("s1/data.csv row 2", "s2/data.csv row 2")}
    assert manifest.root == tmp_path.resolve()


def test_ids_without_a_dialogue(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "said,talk\na,\nb,x\nc,x\n")
    assert manifest_from_tables([path], parse_map("text=said"))[0].ids == ["t_row1", "t_row2", "t_row3"]
    manifest, _ = manifest_from_tables({"test": path}, parse_map("text=said,dialogue=talk"))
    assert manifest.ids == ["test_row1", "test_x_0", "test_x_1"]
    assert manifest.frame["dialogue"].tolist() == ["test_row1", "test_x", "test_x"]
    assert manifest.frame["turn"].tolist() == [0, 0, 1]


def test_ids_that_are_mapped_stay(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "name,said,talk\n 007 ,a,x\n,b,x\n")
    manifest, _ = manifest_from_tables({"train": path}, parse_map("id=name,text=said,dialogue=talk"))
    assert manifest.ids == ["007", None]
    assert "row 2: has no id; give every row one of its own" in map(str, manifest.problems())


def test_rows_left_out_are_counted_with_their_reasons(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "t.csv",
        HEADER + "a,joy,0,0\n\na,joy,0,0\n ,joy,0,1\nNA,,0,2\nb,joy,0,3,4,5\n,,,\nc,fear,1,0\n",
    )
    manifest, summary = manifest_from_tables({"train": path}, MAP)
    assert manifest.frame["text"].tolist() == ["a", "NA", "c"]
    assert summary.dropped == {
        "blank": ("t.csv row 2", "t.csv row 7"),
        "not as wide as the header": ("t.csv row 6",),
        "an earlier row repeated": ("t.csv row 3",),
        "no text, video or audio": ("t.csv row 4",),
    }
    assert (summary.rows_read, summary.rows_kept) == (8, 3)
    assert summary.labels == {"train": {"(none)": 1, "fear": 1, "joy": 1}}
    # What is wrong is told by the row of the file, those left out counted.
    assert [(problem.row, problem.id) for problem in manifest.problems()] == [(5, "train_0_2"), (6, None)]


def test_a_sentence_said_twice_is_no_repetition(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "said,felt\nYes.,joy\nYes.,joy\n")
    assert len(manifest_from_tables([path], parse_map("text=said,label=felt"))[0]) == 2


def test_texts_keep_their_spaces_and_names_lose_them(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "said,felt,talk,n\n  a  , joy ,\t0 , 1\n")
    row = next(manifest_from_tables([path], MAP)[0].rows())
    assert (row.text, row.label, row.dialogue, row.turn) == ("  a  ", "joy", "0", 1)


def test_media_paths_are_seen_from_the_table(tmp_path: Path) -> None:
    for name in ("a.mp4", "b é.mp4"):
        put(tmp_path, f"corpus/clips/{name}", "x")
    lines = ["clip,sound,n", "clips/a.mp4,,0", "./clips/b é.mp4,clips/a.mp4,1"]
    table = "\n".join([*lines, f"{tmp_path}/corpus/clips/a.mp4,,2", ",,3"])
    path = put(tmp_path, "corpus/t.csv", table)
    mapping = parse_map("video=clip,audio=sound")
    manifest, summary = manifest_from_tables([path], mapping)
    assert manifest.frame["video"].tolist() == ["clips/a.mp4", "clips/b é.mp4", "clips/a.mp4"]
    manifest.validate()
    assert (summary.without_text, len(summary.dropped["no text, video or audio"])) == (3, 1)
    above, _ = manifest_from_tables([path], mapping, tmp_path)
    assert above.frame["audio"].tolist() == [None, "corpus/clips/a.mp4", None]
    above.validate().write(tmp_path / "m.csv")
    outside, _ = manifest_from_tables([path], mapping, tmp_path / "elsewhere")
    assert {problem.what.split(";")[0] for problem in outside.problems()} >= {
        "video '../corpus/clips/a.mp4' has '..'"
    }


def test_media_that_are_no_paths(tmp_path: Path) -> None:
    path = put(tmp_path, "t.jsonl", '{"clip": 5}\n{"clip": ["a"]}\n{"clip": "http://x.org/a.mp4"}\n')
    manifest, _ = manifest_from_tables([path], parse_map("video=clip"))
    told = [problem.what for problem in manifest.problems()]
    assert told[0].startswith("video '5' does not exist")
    assert told[1] == "video \"['a']\" is not a text"
    assert told[-1].startswith("video 'http://x.org/a.mp4' is absolute")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("00:16:16,059", 976.059),
        ("0:16:16.059", 976.059),
        ("16:16,5", 976.5),
        ("1:02", 62.0),
        (" 75:03 ", 4503.0),
        ("100:00:00,001", 360000.001),
        ("12.5", "12.5"),
        ("12,5", "12,5"),
        ("1:75:00", "1:75:00"),
        ("1:75", "1:75"),
        ("a:b", "a:b"),
        ("1:2:3:4", "1:2:3:4"),
        (3, 3),
        (None, None),
    ],
)
def test_timestamps(cell: object, value: object) -> None:
    result = seconds(pd.Series([cell, None, "00:00:01"], dtype=object)).tolist()
    assert result[0] == value
    assert result[1:] == [None, 1.0]


def test_times_that_cannot_be_read_are_problems(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "said,from,to\na,00:00:01,later\nb,2,00:00:01.5\n")
    manifest, _ = manifest_from_tables([path], parse_map("text=said,start=from,end=to"))
    assert [(problem.row, problem.what) for problem in manifest.problems()] == [
        (1, "end 'later' is not a number of seconds"),
        (2, "start 2 is not before end 1.5"),
    ]


def test_other_types_of_cells(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"talk": [1, 1, 2], "n": [0, 1, 0], "said": ["a", None, "c"], "v": [0.5, np.nan, -3]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    mapping = parse_map("text=said,dialogue=talk,turn=n,valence=v")
    manifest, summary = manifest_from_tables([tmp_path / "t.parquet"], mapping)
    assert manifest.ids == ["1_0", "2_0"]
    assert manifest.frame["valence"].tolist() == [0.5, -3.0]
    assert summary.dropped == {"no text, video or audio": ("t.parquet row 2",)}
    lines = '{"talk": 1, "n": 0, "said": "a"}\n\n{"talk": 1, "n": 1.0, "said": {"x": 1}}\n'
    manifest, summary = manifest_from_tables(
        [put(tmp_path, "t.jsonl", lines)], parse_map("text=said,dialogue=talk,turn=n")
    )
    assert manifest.ids == ["1_0", "1_1"]
    assert [problem.row for problem in manifest.problems()] == [3, 3]
    assert summary.dropped == {"blank": ("t.jsonl row 2",)}


def test_a_dialogue_that_several_columns_name(tmp_path: Path) -> None:
    """As in EmoryNLP, where scenes are numbered anew in every episode, and episodes in every season."""
    rows = [
        "1,1,1,0,Hi,a,x",
        "1,1,1,1,Yes,a,x",
        "1,2,1,0,No,b,y",
        "2,1,1,0,Oh,,z",
        "2,,1,0,So,b,",
        ",,,0,Hm,,",
    ]
    path = put(
        tmp_path,
        "t.csv",
        "Season,Episode,Scene_ID,Utterance_ID,Utterance,C++,File\n" + "\n".join(rows) + "\n",
    )
    mapping = parse_map("text=Utterance+File,dialogue= Season + Episode+Scene_ID,turn=Utterance_ID,group=C++")
    manifest, _ = manifest_from_tables([path], mapping)
    assert manifest.frame["dialogue"].tolist() == ["1_1_1", "1_1_1", "1_2_1", "2_1_1", "2__1", "t_row6"]
    assert manifest.ids[:3] == ["1_1_1_0", "1_1_1_1", "1_2_1_0"]
    assert manifest.frame["text"].tolist() == ["Hi x", "Yes x", "No y", "Oh z", "So", "Hm"]
    assert manifest.frame["group"].tolist() == ["a", "a", "b", None, "b", None]


def test_joined_paths_and_numbers_of_other_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"folder": ["d", None], "file": ["a.wav", "b.wav"], "season": [1.0, 2.0], "scene": [3, 4]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    mapping = parse_map("audio=folder+file,dialogue=season+scene")
    manifest, _ = manifest_from_tables([tmp_path / "t.parquet"], mapping)
    assert manifest.frame["audio"].tolist() == ["d/a.wav", "b.wav"]
    assert manifest.frame["dialogue"].tolist() == ["1_3", "2_4"]


@pytest.mark.parametrize(
    ("mapping", "phrase"),
    [
        ("text=t,dialogue=a+c", "has no column 'c' (for dialogue); its columns are t, a, b"),
        ("text=t,dialogue=a++b", "has no column 'a++b' (for dialogue)"),
        ("text=t,turn=a+b", "map: turn is a number and cannot be joined of a and b"),
        (
            "text=t,dialogue=a+b",
            "dialogue of a and b: the rows ('1_2', '3') and ('1', '2_3') would both be '1_2_3'",
        ),
    ],
)
def test_columns_that_cannot_be_joined(tmp_path: Path, mapping: str, phrase: str) -> None:
    path = put(tmp_path, "t.csv", "t,a,b\nx,1_2,3\ny,1,2_3\n")
    with pytest.raises(EmofuseError) as caught:
        manifest_from_tables([path], parse_map(mapping))
    assert phrase in str(caught.value)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "Utterance,Emotion\na,joy\n")
    with pytest.raises(EmofuseError) as caught:
        manifest_from_tables([path], parse_map("text=utterence,label=Emotions,speaker=Who"))
    assert str(caught.value) == (
        f"{path}: has no column 'utterence' (for text; perhaps 'Utterance'), 'Emotions' (for label; perhaps "
        "'Emotion'), 'Who' (for speaker); its columns are Utterance, Emotion"
    )


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="no table is given"):
        manifest_from_tables([], MAP)
    with pytest.raises(EmofuseError, match=r"gone\.csv: there is no such file"):
        manifest_from_tables([tmp_path / "gone.csv"], MAP)
    with pytest.raises(EmofuseError, match="split: 'fold' is not one of"):
        manifest_from_tables({"fold": put(tmp_path, "t.csv", HEADER)}, MAP)


def test_a_table_without_rows(tmp_path: Path) -> None:
    manifest, summary = manifest_from_tables([put(tmp_path, "t.csv", HEADER)], MAP)
    assert (len(manifest), summary.rows_read) == (0, 0)
    assert "has no rows" in str(manifest.problems()[0])
    assert summary.lines()[:2] == ["t.csv: 0 rows", "0 of 0 rows kept: 0 dialogues, 0 speakers"]


def test_summary_as_text(tmp_path: Path) -> None:
    lots = HEADER + "a,joy,0,0\n" + ",joy,0,1\n" * 7
    one, two = (
        put(tmp_path, "one.csv", lots),
        put(tmp_path, "two.csv", (HEADER + "ç,anger,0,0\n").encode("cp1252")),
    )
    _, summary = manifest_from_tables({"train": one, "test": two}, MAP)
    assert isinstance(summary, TableSummary)
    assert summary.lines() == [
        "one.csv (train): 8 rows",
        "two.csv (test): 1 row",
        "2 of 9 rows kept: 2 dialogues, 0 speakers",
        "split  utterances  anger  joy",
        "train           1      0    1",
        "test            1      1    0",
        "left out, no text, video or audio: 7 rows (one.csv row 2, one.csv row 3, one.csv row 4, "
        "one.csv row 5, one.csv row 6 and 2 more)",
        "note: two.csv is not UTF-8 and was read as Windows-1252",
    ]
    assert Counter(summary.splits) == {"train": 1, "test": 1}
