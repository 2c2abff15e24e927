"""Corpora by name."""

from pathlib import Path

import pytest

from emofuse.corpora import list_corpora, load_corpus
from emofuse.errors import EmofuseError


def test_list() -> None:
    assert {corpus.name: corpus.options for corpus in list_corpora()} == {
        "ch-sims": (),
        "crema-d": ("labels",),
        "emodb": (),
        "fer2013": ("into", "twins"),
        "iemocap": ("classes", "others", "parts"),
        "image-folder": ("labels", "speaker"),
        "meld": ("speakers", "target"),
        "mosei": (),
        "mosi": (),
        "prepared": (),
        "ravdess": ("channel",),
        "tables": ("map", "split", "dialogue_scope"),
    }
    names = [corpus.name for corpus in list_corpora()]
    assert names == sorted(names)


def test_prepared(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,text\na,x\n")
    assert load_corpus("prepared", tmp_path).ids == ["a"]
    assert load_corpus("prepared", str(tmp_path / "manifest.csv")).root == tmp_path.resolve()
    (tmp_path / "manifest.jsonl").write_text('{"id": "b"}\n')
    with pytest.raises(EmofuseError, match=r"has manifest\.csv and manifest\.jsonl"):
        load_corpus("prepared", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmofuseError, match="has no manifest"):
        load_corpus("prepared", tmp_path / "empty")


def test_tables(tmp_path: Path) -> None:
    for name in ("b.csv", "a.tsv"):
        (tmp_path / name).write_text("said\nhello\n")
    (tmp_path / "note.txt").write_text("no table")
    assert load_corpus("tables", tmp_path, map="text=said").ids == ["a_row1", "b_row1"]
    assert load_corpus("tables", tmp_path / "b.csv", map="text=said").ids == ["b_row1"]
    manifest = load_corpus("tables", tmp_path, map="text=said", split="train=b.csv,dev=a.tsv")
    assert manifest.frame["split"].tolist() == ["train", "val"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmofuseError, match="has no table"):
        load_corpus("tables", tmp_path / "empty", map="text=said")


def test_meld_by_name(shared_meld: Path) -> None:
    mapping = "text=Utterance,label=Emotion,dialogue=Dialogue_ID,turn=Utterance_ID"
    split = "train=train_sent_emo.csv,val=dev_sent_emo.csv"
    assert len(load_corpus("tables", shared_meld, map=mapping, split=split).validate()) == 11098


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="no corpus 'table'; perhaps 'tables'"):
        load_corpus("table", tmp_path)
    with pytest.raises(EmofuseError, match="no such folder"):
        load_corpus("prepared", tmp_path / "gone")
    with pytest.raises(
        EmofuseError, match=r"corpus tables: got an unexpected keyword argument 'maps'; its options are map"
    ):
        load_corpus("tables", tmp_path, maps="text=said")
    with pytest.raises(EmofuseError, match="unexpected keyword argument 'maps'; it has no options"):
        load_corpus("prepared", tmp_path, maps="x")
