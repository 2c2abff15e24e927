"""CMU-MOSI, CMU-MOSEI and CH-SIMS in the raw layout that they share."""

from pathlib import Path

import pytest

from emofuse.corpora import load_corpus, read_corpus, summarise
from emofuse.errors import EmofuseError
from tests.corpora.layouts import apple_double, put

MOSI = """\
video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode
03bSnISJMiM,11,A LOT OF SAD PARTS,-2.4,,,,Negative,train
03bSnISJMiM,2,"THERE IS SAD, AND WORSE",-0.8,,,,Negative,train
03bSnISJMiM,1,IT STARTS,0.0,,,,Neutral,train
-x_7Q$w,4,I LOVED IT,3.0,,,,Positive,valid
-x_7Q$w,5,WELL,0.2,,,,Neutral,test
"""
SIMS = """\
video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode
video_0001,0001,我不想嫁给李茶,-0.6,-0.4,-0.8,-0.6,Negative,train
video_0001,0002,那就说出来,0.0,0.2,0.0,-0.2,Neutral,valid
aqgy4_0003,00013,太好了！,1.0,0.8,1.0,1.0,Positive,test
"""


@pytest.fixture
def mosi(tmp_path: Path) -> Path:
    put(tmp_path, "label.csv", MOSI.replace("\n", "\r\n"))
    for clip in ("03bSnISJMiM/11", "03bSnISJMiM/2", "03bSnISJMiM/1", "03bSnISJMiM/99", "-x_7Q$w/4"):
        put(tmp_path, f"Raw/{clip}.mp4")
        apple_double(tmp_path, f"Raw/{clip}.mp4")
    return tmp_path


def test_rows(mosi: Path) -> None:
    manifest = load_corpus("mosi", mosi).validate(labels=["negative", "neutral", "positive"])
    ids = ["03bSnISJMiM$_$11", "03bSnISJMiM$_$2", "03bSnISJMiM$_$1", "-x_7Q$w$_$4", "-x_7Q$w$_$5"]
    assert manifest.ids == ids
    row = manifest.utterance("03bSnISJMiM$_$2")
    assert (row.dialogue, row.turn, row.group, row.speaker) == ("03bSnISJMiM", 2, "03bSnISJMiM", None)
    assert (row.text, row.label, row.valence, row.split) == (
        "THERE IS SAD, AND WORSE",
        "negative",
        -0.8,
        "train",
    )
    assert row.video == mosi.resolve() / "Raw/03bSnISJMiM/2.mp4"
    assert manifest.frame["turn"].tolist() == [11, 2, 1, 4, 5]
    assert manifest.frame["split"].tolist() == ["train", "train", "train", "val", "test"]
    assert manifest.frame["label"].tolist() == ["negative", "negative", "neutral", "positive", "positive"]


def test_a_clip_that_is_missing_and_an_annotation_that_contradicts(mosi: Path) -> None:
    corpus = read_corpus("mosi", mosi)
    assert [(entry.id, entry.reason) for entry in corpus.set_aside] == [("-x_7Q$w$_$5", "missing-file")]
    assert corpus.notes == ("annotation contradicts the sign of the label in 1 row",)


@pytest.mark.parametrize(
    ("name", "counts"),
    [("mosi", (1284, 229, 686)), ("mosei", (16326, 1871, 4659)), ("ch-sims", (1368, 456, 457))],
)
def test_published_counts(mosi: Path, name: str, counts: tuple[int, int, int]) -> None:
    differences = [str(each) for each in summarise(read_corpus(name, mosi)).differences]
    found = (3, 1, 1)
    for split, number, published in zip(("train", "val", "test"), found, counts, strict=True):
        assert f"{split} {number}, {published - number} fewer than {published}" in differences


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_chinese(tmp_path: Path, encoding: str) -> None:
    put(tmp_path, "label.csv", SIMS, encoding)
    for clip in ("video_0001/0001", "video_0001/0002", "aqgy4_0003/00013"):
        put(tmp_path, f"Raw/{clip}.mp4")
    corpus = read_corpus("ch-sims", tmp_path)
    manifest = corpus.manifest.validate()
    assert manifest.frame["text"].tolist() == ["我不想嫁给李茶", "那就说出来", "太好了！"]
    assert manifest.ids == ["video_0001$_$0001", "video_0001$_$0002", "aqgy4_0003$_$00013"]
    assert [row.video and row.video.name for row in manifest.rows()] == ["0001.mp4", "0002.mp4", "00013.mp4"]
    assert manifest.frame["valence_audio"].tolist() == ["-0.8", "0", "1"]
    assert manifest.frame["valence_text"].tolist() == ["-0.4", "0.2", "0.8"]
    read_as = ("label.csv is not UTF-8 and was read as GB 18030",)
    assert corpus.notes == (read_as if encoding == "gbk" else ())


def test_numbers_whose_zeros_a_spreadsheet_has_eaten(tmp_path: Path) -> None:
    put(tmp_path, "label.csv", SIMS.replace("0001,0001", "0001,1").replace("0001,0002", "0001,2"))
    put(tmp_path, "Raw/video_0001/0001.mp4")
    manifest = load_corpus("ch-sims", tmp_path).validate()
    assert manifest.utterance("video_0001$_$1").video == tmp_path.resolve() / "Raw/video_0001/0001.mp4"


def test_a_corpus_of_texts(tmp_path: Path) -> None:
    put(tmp_path, "label.csv", MOSI)
    corpus = read_corpus("mosi", tmp_path)
    corpus.manifest.validate()
    assert corpus.set_aside == ()
    assert "there are no clips in Raw, so this is a corpus of texts" in corpus.notes


def test_odd_rows(tmp_path: Path) -> None:
    rows = (
        "a,1,first,9,,,,Positive,train\n"
        "a,1,again,1,,,,Positive,train\n"
        "a,2,unscored,,,,,,train\n"
        "b,one,unnumbered,-1,,,,Negative,train\n"
        "b,2,numbered,-1,,,,Negative,train\n"
        "../..,1,outside,1,,,,Positive,train\n"
        "c,1,,1,,,,Positive,train\n"
        ",1,nameless,1,,,,Positive,train\n"
        "cut,off\n"
    )
    put(tmp_path, "label.csv", MOSI.splitlines(keepends=True)[0] + rows)
    corpus = read_corpus("mosi", tmp_path)
    assert corpus.left_out == {
        "an earlier row repeated": ("a$_$1",),
        "no sentiment": ("a$_$2",),
        "no words and no clip": ("c$_$1",),
        "no video_id or clip_id": ("row 8",),
    }
    manifest = corpus.manifest.validate()
    assert manifest.frame[["dialogue", "turn"]].to_numpy().tolist() == [
        ["a", 1],
        ["b", 0],
        ["b", 1],
        ["../..", 1],
    ]
    assert "1 sentiment beyond the scale of -3..3" in corpus.notes
    assert any(note.startswith("row 9 has 2 cells") for note in corpus.notes)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"has no label\.csv; name the folder of CMU-MOSEI"):
        load_corpus("mosei", tmp_path)
    put(tmp_path, "label.csv", "video_id,clip_id,text\na,1,x\n")
    with pytest.raises(EmofuseError, match=r"has no column label, mode, only video_id, clip_id, text"):
        load_corpus("mosi", tmp_path)
    put(tmp_path, "label.csv", MOSI.replace("-0.8", "bad"))
    with pytest.raises(EmofuseError, match=r"label\.csv row 2: label 'bad' is not a number"):
        load_corpus("mosi", tmp_path)
    put(tmp_path, "label.csv", MOSI.splitlines()[0] + "\n")
    with pytest.raises(EmofuseError, match="holds nothing of CMU-MOSI"):
        load_corpus("mosi", tmp_path)
