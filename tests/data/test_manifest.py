"""Reading, typing, selecting, writing."""

import json
import pickle
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emofuse.data.manifest import COLUMNS, Manifest, ManifestError, Utterance
from emofuse.errors import EmofuseError

SAMPLE = (
    "id,dialogue,turn,speaker,text,video,start,end,label,valence,split\n"
    '007,d0,0,Zoë,"Well, ""no""\nreally",clips/é.mp4,0.5,2,joy,1.5,train\n'
    "008,d0,1,Ana, NA ,,,,anger,,dev\n"
)


def read(tmp_path: Path, text: str, name: str = "m.csv") -> Manifest:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    return Manifest.read(path)


def test_csv_is_typed_and_absent_is_none(tmp_path: Path) -> None:
    manifest = read(tmp_path, SAMPLE)
    first, second = manifest.rows()
    assert first == Utterance(
        id="007",
        dialogue="d0",
        turn=0,
        speaker="Zoë",
        text='Well, "no"\nreally',
        video=tmp_path.resolve() / "clips" / "é.mp4",
        audio=None,
        start=0.5,
        end=2.0,
        label="joy",
        valence=1.5,
        split="train",
        group=None,
    )
    assert second.text == " NA "
    assert (second.video, second.start, second.valence, second.split) == (None, None, None, "val")
    assert list(manifest.frame.columns) == list(COLUMNS)
    assert str(manifest.frame["turn"].dtype) == "Int64"
    assert manifest.frame[["start", "end", "valence"]].dtypes.unique().tolist() == [np.dtype("float64")]
    assert manifest.frame["audio"].dtype == object
    assert manifest.frame["audio"].tolist() == [None, None]
    assert type(first.turn) is int


@pytest.mark.parametrize(
    "word", ["NA", "null", "None", "nan", "N/A", " ", "-", "0", "1e5", "TRUE", "a\rb", "a\u2028b", "\x85"]
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_words_that_look_like_nothing_stay_words(tmp_path: Path, word: str, suffix: str) -> None:
    frame = pd.DataFrame({"id": ["a"], "text": [word], "speaker": [word]})
    Manifest.from_frame(frame, tmp_path).write(tmp_path / f"m{suffix}")
    utterance = Manifest.read(tmp_path / f"m{suffix}").utterance("a")
    assert (utterance.text, utterance.speaker) == (word, word)


def test_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + SAMPLE).ids == ["007", "008"]
    assert read(tmp_path, '\ufeff{"id": "x"}\n', "m.jsonl").ids == ["x"]


def test_dialogue_and_turn_are_filled_where_absent(tmp_path: Path) -> None:
    manifest = read(tmp_path, "id,dialogue,text\na,,x\nb,d,x\nc,d,x\nd,,x\n")
    assert manifest.frame["dialogue"].tolist() == [
        "a",
        "d",
        "d",
        "d",
    ]  # the last row is named like the dialogue
    manifest = read(tmp_path, "id,text\na,x\nb,y\n")
    assert [(row.dialogue, row.turn) for row in manifest.rows()] == [("a", 0), ("b", 0)]
    manifest = read(tmp_path, "id,dialogue,text\na,d,x\nb,e,x\nc,d,x\n")
    assert [row.turn for row in manifest.rows()] == [0, 0, 1]


def test_further_columns_are_kept_as_text(tmp_path: Path) -> None:
    manifest = read(tmp_path, "id,text,episode\na,x,007\n")
    manifest.write(tmp_path / "n.parquet")
    again = Manifest.read(tmp_path / "n.parquet")
    assert again.frame["episode"].tolist() == ["007"]
    assert again.fingerprint() == read(tmp_path, "id,text\na,x\n").fingerprint()


def test_numbers_of_jsonl_and_parquet_become_ids(tmp_path: Path) -> None:
    lines = [{"id": 7, "text": "x", "turn": 3, "more": {"a": [1]}}, {"id": "007", "text": 5, "turn": 4.0}]
    manifest = read(tmp_path, "\n".join(map(json.dumps, lines)), "m.jsonl")
    assert manifest.ids == ["7", "007"]
    assert manifest.frame["turn"].tolist() == [3, 4]
    assert manifest.frame["more"].tolist() == ['{"a": [1]}', None]
    table = pa.table({"id": pa.array([2**60 + 1, 2]), "dialogue": pa.array([None, 4]), "text": ["a", "b"]})
    pq.write_table(table, tmp_path / "m.parquet")
    manifest = Manifest.read(tmp_path / "m.parquet")
    assert manifest.ids == [str(2**60 + 1), "2"]
    assert manifest.frame["dialogue"].tolist() == [str(2**60 + 1), "4"]


def test_parquet_dictionaries_and_a_folder_named_like_a_partition(tmp_path: Path) -> None:
    folder = tmp_path / "split=train"
    folder.mkdir()
    labels = pa.array(["joy", "joy"]).dictionary_encode()
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["x", "y"], "label": labels}), folder / "m.parquet")
    manifest = Manifest.read(folder / "m.parquet")
    assert manifest.labels == ["joy"]
    assert manifest.utterance("a").split is None


def test_from_frame_takes_numbers_and_leaves_the_frame_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "group": [3.0, np.nan], "text": ["a", None]}, index=[5, 5])
    before = frame.copy()
    manifest = Manifest.from_frame(frame, tmp_path)
    assert manifest.ids == ["1", "2"]
    assert manifest.frame["group"].tolist() == ["3", None]
    assert manifest.frame["text"].tolist() == ["a", None]
    pd.testing.assert_frame_equal(frame, before)
    with pytest.raises(ManifestError, match="no column 'id'"):
        Manifest.from_frame(frame.drop(columns="id"), tmp_path)


def test_select_keeps_the_order_asked_for_and_the_row_numbers(tmp_path: Path) -> None:
    manifest = read(tmp_path, "id,text,turn\na,x,\nb,y,one\n\nc,,\n")
    chosen = manifest.select(["c", "b"])
    assert chosen.ids == ["c", "b"]
    assert [(problem.row, problem.id) for problem in chosen.problems()] == [(2, "b"), (4, "c")]
    assert "turn 'one' is not a whole number" in str(chosen.problems()[0])
    assert manifest.select([]).ids == []
    with pytest.raises(EmofuseError, match="no utterance 'z'"):
        manifest.select(["a", "z"])
    with pytest.raises(EmofuseError, match="'a' is selected twice"):
        manifest.select(["a", "a"])


def test_utterance_of_an_unknown_id(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"m\.csv: has no utterance 'nobody'"):
        read(tmp_path, SAMPLE).utterance("nobody")


def test_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        Manifest.from_frame(read(tmp_path, SAMPLE).frame, folder).write(folder / "m.jsonl")
    original = read(tmp_path, SAMPLE)
    prints = {Manifest.read(folder / "m.jsonl").fingerprint() for folder in (here, there)}
    assert prints == {original.fingerprint()}
    changed = {
        read(tmp_path, SAMPLE.replace(old, new)).fingerprint()
        for old, new in [("joy", "fear"), ("0.5", "0.25"), (" NA ", "NA"), ("007", "07"), ("é.mp4", "e.mp4")]
    }
    assert len(changed | prints) == 6
    assert original.select(["008", "007"]).fingerprint() not in prints


def test_fingerprint_knows_one_zero(tmp_path: Path) -> None:
    signed = [Manifest.from_frame(pd.DataFrame({"id": ["a"], "valence": [v]}), tmp_path) for v in (0.0, -0.0)]
    assert signed[0].fingerprint() == signed[1].fingerprint()


def test_fingerprint_keeps_cells_apart(tmp_path: Path) -> None:
    one = Manifest.from_frame(
        pd.DataFrame({"id": ["a", "b"], "text": ["x", None], "label": [None, "y"]}), tmp_path
    )
    two = Manifest.from_frame(
        pd.DataFrame({"id": ["a", "b"], "text": ["x", "y"], "label": [None, None]}), tmp_path
    )
    three = Manifest.from_frame(pd.DataFrame({"id": ["a", "b"], "text": ["x", "null"]}), tmp_path)
    assert len({one.fingerprint(), two.fingerprint(), three.fingerprint()}) == 3


def test_write_makes_paths_relative_to_the_new_folder(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "clips").mkdir(parents=True)
    clip = tmp_path / "corpus" / "clips" / "a.mp4"
    clip.touch()
    frame = pd.DataFrame({"id": ["a", "b"], "video": ["clips/a.mp4", None], "text": [None, "x"]})
    manifest = Manifest.from_frame(frame, tmp_path / "corpus")
    manifest.write(tmp_path / "m.csv")
    above = Manifest.read(tmp_path / "m.csv")
    assert above.frame["video"].tolist() == ["corpus/clips/a.mp4", None]
    assert above.utterance("a").video == clip.resolve()
    above.write(tmp_path / "corpus" / "m.csv")
    back = Manifest.read(tmp_path / "corpus" / "m.csv").validate()
    assert back.fingerprint() == manifest.fingerprint()
    with pytest.raises(ManifestError, match=r"row 1 \(id 'a'\): video lies outside"):
        manifest.write(tmp_path / "elsewhere" / "m.csv")
    assert not (tmp_path / "elsewhere" / "m.csv").exists()


def test_write_makes_absolute_paths_relative_when_they_lie_inside(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    frame = pd.DataFrame({"id": ["a"], "video": [str(tmp_path / "a.mp4")]})
    manifest = Manifest.from_frame(frame, tmp_path)
    assert "is absolute" in str(manifest.problems()[0])
    manifest.write(tmp_path / "m.csv")
    assert Manifest.read(tmp_path / "m.csv").validate().frame["video"].tolist() == ["a.mp4"]


@pytest.mark.parametrize(
    ("column", "cell", "phrase"),
    [("turn", "two", "turn 'two'"), ("valence", float("inf"), "valence"), ("text", "\ud83d", "surrogate")],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_write_refuses_what_would_be_lost(
    tmp_path: Path, column: str, cell: object, phrase: str, suffix: str
) -> None:
    target = tmp_path / f"m{suffix}"
    target.write_text("before")
    manifest = Manifest.from_frame(pd.DataFrame({"id": ["a"], column: [cell]}, dtype=object), tmp_path)
    assert any(phrase in problem.what for problem in manifest.problems())
    assert len(manifest.fingerprint()) == 64
    with pytest.raises(ManifestError, match=phrase):
        manifest.write(target)
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read(tmp_path, SAMPLE)
    before = (tmp_path / "m.csv").read_bytes()

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", no_space)
    with pytest.raises(EmofuseError, match=r"m\.csv: cannot be written \(No space left"):
        manifest.write(tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_unknown_suffix(tmp_path: Path) -> None:
    manifest = read(tmp_path, SAMPLE)
    for place, action in ((tmp_path, manifest.write), (tmp_path / "there", Manifest.read)):
        (tmp_path / "there").mkdir(exist_ok=True)
        (tmp_path / "there" / "m.xlsx").touch()
        with pytest.raises(
            EmofuseError, match=r"m\.xlsx: no manifest by its suffix; save it as \.csv, \.jsonl"
        ):
            action(place / "m.xlsx")


def test_manifest_survives_a_worker_process(tmp_path: Path) -> None:
    manifest = read(tmp_path, SAMPLE)
    list(manifest.rows())
    copy = pickle.loads(pickle.dumps(manifest))
    assert list(copy.rows()) == list(manifest.rows())
    error = pickle.loads(pickle.dumps(ManifestError.listing("m", read(tmp_path, "id\na\n").problems())))
    assert len(error.problems) == 1


def test_a_hundred_thousand_rows_take_seconds(tmp_path: Path) -> None:
    n = 100_000
    frame = pd.DataFrame(
        {
            "id": [f"d{i // 10}_u{i % 10}" for i in range(n)],
            "dialogue": [f"d{i // 10}" for i in range(n)],
            "turn": np.arange(n) % 10,
            "speaker": [f"s{i % 7}" for i in range(n)],
            "text": [f'what, "{i}"?\n¿é?' for i in range(n)],
            "video": [f"clips/d{i // 10}.mp4" for i in range(n)],
            "start": np.arange(n) % 10 * 1.5,
            "end": np.arange(n) % 10 * 1.5 + 1.25,
            "label": ["joy", "anger"] * (n // 2),
            "split": "train",
        }
    )
    Manifest.from_frame(frame, tmp_path).write(tmp_path / "m.csv")
    started = time.perf_counter()
    manifest = Manifest.read(tmp_path / "m.csv").validate(check_files=False)
    last = manifest.utterance(f"d{n // 10 - 1}_u9")
    assert time.perf_counter() - started < 10  # about 1.5 s on a quiet core
    assert (last.start, last.turn, last.label) == (13.5, 9, "anger")
    started = time.perf_counter()
    for _ in range(1000):
        manifest.utterance("d5000_u5")
    assert time.perf_counter() - started < 1
