"""Folders with tables of usual names need no map."""

from pathlib import Path

import pandas as pd
import pytest

from emofuse.corpora import load_corpus, read_corpus
from emofuse.corpora.table_guess import guess_mapping, guess_splits
from emofuse.errors import EmofuseError
from tests.corpora.layouts import put


def guess(cells: dict[str, list[str | None]]) -> dict[str, str]:
    return dict(guess_mapping(pd.DataFrame(cells), "t.csv")[0].columns)


def test_usual_names() -> None:
    meld = [
        "Sr No.",
        "Utterance",
        "Speaker",
        "Emotion",
        "Dialogue_ID",
        "Utterance_ID",
        "StartTime",
        "EndTime",
    ]
    assert guess({name: ["1"] for name in meld}) == {
        "dialogue": "Dialogue_ID",
        "turn": "Utterance_ID",
        "speaker": "Speaker",
        "text": "Utterance",
        "label": "Emotion",
    }
    assert guess({"ID": ["a"], "transcript": ["x"], "Utterance_ID": ["3"]}) == {
        "id": "ID",
        "text": "transcript",
    }


@pytest.mark.parametrize("name", ["file", "Path", "file_name"])
def test_files_by_suffix(name: str) -> None:
    assert guess({name: ["a.MP4", None, "b.webm"], "start time": ["0", "1", "2"]}) == {
        "video": name,
        "start": "start time",
    }
    assert guess({name: ["a.wav", "b.flac", None]}) == {"audio": name}
    assert guess({name: ["a.wav", "b.mp4", None], "text": ["x", "y", "z"]}) == {"text": "text"}


def test_split_is_one_only_with_values_of_one() -> None:
    assert guess({"text": ["x", "y"], "mode": ["train", None]}) == {"text": "text", "split": "mode"}
    assert guess({"text": ["x", "y"], "mode": ["fast", "slow"]}) == {"text": "text"}


def test_nothing_known() -> None:
    with pytest.raises(EmofuseError, match=r"t\.csv: none of its columns \(said, felt\) is known"):
        guess({"said": ["x"], "felt": ["joy"]})


def test_parts_by_the_names_of_files() -> None:
    def named(*names: str) -> dict[str, list[str]] | None:
        found = guess_splits([Path(name) for name in names])
        return found and {split: [path.name for path in paths] for split, paths in found.items()}

    assert named("Train.csv", "dev_sent_emo.csv", "test-2.tsv") == {
        "train": ["Train.csv"],
        "val": ["dev_sent_emo.csv"],
        "test": ["test-2.tsv"],
    }
    assert named("train_a.csv", "train_b.csv") == {"train": ["train_a.csv", "train_b.csv"]}
    assert named("train.csv", "trainer.csv") is None
    assert named("train.csv", "_.csv") is None


def test_a_folder(tmp_path: Path) -> None:
    put(tmp_path, "train.csv", "Sentence,Emotion,path\nhello,joy,clips/a.mp4\n")
    put(tmp_path, "validation.csv", "Sentence,Emotion,path\nno,anger,clips/b.mp4\n")
    put(tmp_path, "._train.csv", "x")
    put(tmp_path, "clips/a.mp4")
    put(tmp_path, "clips/b.mp4")
    corpus = read_corpus("tables", tmp_path)
    manifest = corpus.manifest.validate()
    assert corpus.notes == (
        "columns recognised by their names: text=Sentence,label=Emotion,video=path; say otherwise with map=",
    )
    assert manifest.frame["split"].tolist() == ["train", "val"]
    assert manifest.ids == ["train_row1", "val_row1"]
    manifest.write(tmp_path / "manifest.csv")
    put(tmp_path, "quarantine.csv", "id,modality\n")
    assert load_corpus("tables", tmp_path).ids == manifest.ids
    assert load_corpus("tables", tmp_path, map="text=Emotion").frame["text"].tolist() == ["joy", "anger"]
