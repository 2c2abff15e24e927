"""MELD in its published layout, quirks included."""

from pathlib import Path

import pytest

from emofuse.corpora import check_media, load_corpus, read_corpus, summarise
from emofuse.corpora.meld import EMOTIONS, MAIN_CHARACTERS
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from tests.corpora.layouts import CLIP_SECONDS, apple_double, put

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\r\n"
)
TRAIN = (
    '1,I led our company\x92s transition,Chandler,neutral,neutral,0,0,8,21,"00:16:16,059","00:16:21,731"\r\n'
    '2,"You\x92ve had your hands full, \x93sir\x94.",The Interviewer,neutral,neutral,0,1,8,21,"00:16:21,940","00:16:23,442"\r\n'
    '3,No\x85 No!,Rachel\x92s dad,anger,negative,1,0,8,21,"00:17:21,940","00:17:22,000"\r\n'
    '4,  Oh!,Phoebe ,joy,positive,125,3,1,2,"0:01:02,5","0:01:03,0"\r\n'
)
DEV = (
    '1,Oh my God!,Phoebe,surprise,negative,0,0,4,7,"00:20:57,256","00:21:00,049"\r\n'
    '2,What?!,Mona,sadness,negative,110,7,4,7,"00:20:57,256","00:21:00,049"\r\n'
)
TEST = (
    '1,Why do all you\x92re coffee mugs have numbers?,Mark,surprise,positive,0,0,3,19,"00:14:38,127","00:14:40,378"\r\n'
    '2,Ew.,Monica,disgust,negative,0,1,3,19,"00:14:38,127","00:14:40,378"\r\n'
    '3,Help!,Ross,fear,negative,3,0,3,19,"00:14:38,127","00:14:40,378"\r\n'
)
FOLDERS = {"train": "train_splits", "val": "dev_splits_complete", "test": "output_repeated_splits_test"}


def transcripts(root: Path, encoding: str) -> Path:
    # The official CSV has control characters in UTF-8; copies of it have the bytes of Windows-1252.
    for name, rows in (("train", TRAIN), ("dev", DEV), ("test", TEST)):
        put(root, f"{name}_sent_emo.csv", HEADER + rows, encoding)
    return root


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    """All clips of the rows above, as the archive has them."""
    root = transcripts(tmp_path / "MELD.Raw", "utf-8")
    for name in ("dia0_utt0", "dia0_utt1", "dia1_utt0"):
        put(root, f"train_splits/{name}.mp4")
        apple_double(root, f"train_splits/{name}.mp4")
    put(root, "train_splits/dia125_utt3.mp4", b"\0" * 5000)
    put(root, "dev_splits_complete/dia0_utt0.mp4")
    put(root, "dev_splits_complete/dia66_utt9.mp4")
    put(root, "output_repeated_splits_test/dia0_utt0.mp4")
    put(root, "output_repeated_splits_test/final_videos_testdia0_utt0.mp4")
    put(root, "output_repeated_splits_test/final_videos_testdia0_utt1.mp4")
    put(root, "output_repeated_splits_test/dia3_utt0.mp4")
    return root


def test_rows(meld: Path) -> None:
    manifest = load_corpus("meld", meld).validate(labels=EMOTIONS)
    assert manifest.ids == [
        "train_dia0_utt0",
        "train_dia0_utt1",
        "train_dia1_utt0",
        "train_dia125_utt3",
        "val_dia0_utt0",
        "val_dia110_utt7",
        "test_dia0_utt0",
        "test_dia0_utt1",
        "test_dia3_utt0",
    ]
    row = manifest.utterance("train_dia0_utt1")
    assert row.text == "You’ve had your hands full, “sir”."
    assert (row.dialogue, row.turn, row.speaker, row.split) == ("train_0", 1, "The Interviewer", "train")
    assert (row.label, row.valence, row.group) == ("neutral", 0.0, "s08e21")
    assert row.video == meld.resolve() / "train_splits/dia0_utt1.mp4"
    assert row.start is None
    assert row.end is None
    third = manifest.utterance("train_dia1_utt0")
    assert (third.speaker, third.text, third.valence) == ("Rachel’s dad", "No… No!", -1.0)
    fourth = manifest.utterance("train_dia125_utt3")
    assert (fourth.speaker, fourth.text, fourth.label, fourth.valence) == ("Phoebe", "  Oh!", "joy", 1.0)


def test_windows_bytes_read_the_same(meld: Path, tmp_path: Path) -> None:
    bytes_of_windows = tmp_path / "windows"
    for name, rows in (("train", TRAIN), ("dev", DEV), ("test", TEST)):
        content = (HEADER + rows).encode("latin-1")
        put(bytes_of_windows, f"{name}/{name}_sent_emo.csv", content)  # as others unpack it
    texts = load_corpus("meld", bytes_of_windows).frame["text"].tolist()
    assert texts == load_corpus("meld", meld).frame["text"].tolist()
    notes = read_corpus("meld", bytes_of_windows).notes
    assert "train_sent_emo.csv is not UTF-8 and was read as Windows-1252" in notes


def test_the_two_clips_that_cannot_be_used(meld: Path) -> None:
    corpus = read_corpus("meld", meld)
    entries = {entry.id: (entry.modality, entry.reason) for entry in corpus.set_aside}
    assert entries == {
        "train_dia125_utt3": ("video", "not-media"),
        "val_dia110_utt7": ("video", "missing-file"),
    }
    for id in entries:
        row = corpus.manifest.utterance(id)
        assert row.video is None
        assert row.text
    put(meld, "train_splits/dia125_utt3.mp4")
    put(meld, "dev_splits_complete/dia110_utt7.mp4")
    mended = read_corpus("meld", meld)
    assert mended.set_aside == ()
    assert all(row.video for row in mended.manifest.rows())


def test_clips_twice_and_without_a_row(meld: Path) -> None:
    corpus = read_corpus("meld", meld)
    videos = dict(zip(corpus.manifest.ids, corpus.manifest.frame["video"], strict=True))
    assert videos["test_dia0_utt0"] == "output_repeated_splits_test/dia0_utt0.mp4"
    assert videos["test_dia0_utt1"] == "output_repeated_splits_test/final_videos_testdia0_utt1.mp4"
    assert "val: 1 clip without a transcript, or twice there: dia66_utt9" in corpus.notes
    assert "test: 1 clip without a transcript, or twice there: final_videos_testdia0_utt0" in corpus.notes
    assert not any("._" in note for note in corpus.notes)


def test_folders_of_the_parts(meld: Path, tmp_path: Path) -> None:
    other = tmp_path / "parts"
    for split, folder in FOLDERS.items():
        name = {"val": "dev"}.get(split, split)
        (other / name).mkdir(parents=True)
        (meld / folder).rename(other / name / folder)
        (meld / f"{name}_sent_emo.csv").rename(other / f"{name}_sent_emo.csv")
    manifest = load_corpus("meld", other).validate()
    assert manifest.frame["video"].notna().sum() == 7
    assert manifest.frame["video"][0] == "train/train_splits/dia0_utt0.mp4"


def test_transcripts_alone_and_a_missing_part(tmp_path: Path) -> None:
    root = transcripts(tmp_path, "utf-8")
    (root / "test_sent_emo.csv").unlink()
    corpus = read_corpus("meld", root)
    corpus.manifest.validate()
    assert corpus.set_aside == ()
    assert corpus.manifest.frame["split"].value_counts().to_dict() == {"train": 4, "val": 2}
    assert "there is no test_sent_emo.csv, so no test part" in corpus.notes
    assert "train: there are no clips (train_splits), so texts alone" in corpus.notes


@pytest.mark.parametrize("speakers", ["all", "grouped", "main"])
def test_speaker_sets(meld: Path, speakers: str) -> None:
    corpus = read_corpus("meld", meld, speakers=speakers)
    names = corpus.manifest.frame["speaker"].tolist()
    others = {"all": {"The Interviewer", "Rachel’s dad", "Mona", "Mark"}, "grouped": {"other"}, "main": set()}
    assert set(names) - set(MAIN_CHARACTERS) == others[speakers]
    assert len(names) == (5 if speakers == "main" else 9)
    assert sum(map(len, corpus.left_out.values())) == 9 - len(names)


def test_sentiment_as_target(meld: Path) -> None:
    manifest = load_corpus("meld", meld, target="sentiment")
    assert manifest.labels == ["negative", "neutral", "positive"]
    signs = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
    assert manifest.frame["label"].map(signs).tolist() == manifest.frame["valence"].tolist()


def test_wrongly_cut_clips_are_named(meld: Path) -> None:
    # Subtitles that end before they begin stand in for clips that are half a minute too long.
    short = HEADER + TRAIN.replace("00:16:21,731", "00:15:46,400").replace("00:16:23,442", "00:15:52,000")
    put(meld, "train_sent_emo.csv", short)
    corpus = read_corpus("meld", meld)
    assert corpus.expected_seconds["train_dia0_utt0"] == pytest.approx(-29.659)
    assert corpus.expected_seconds["train_dia0_utt1"] == pytest.approx(-29.94)
    checked = check_media(corpus)
    (note,) = [note for note in checked.corpus.notes if "cut wrongly" in note]
    assert note.endswith(": train_dia0_utt0, train_dia0_utt1")
    assert checked.seconds == pytest.approx(7 * CLIP_SECONDS, rel=0.2)


def test_repeated_and_broken_rows(tmp_path: Path) -> None:
    put(tmp_path, "train_sent_emo.csv", HEADER + TRAIN + TRAIN.splitlines(keepends=True)[0] + "5,cut off\r\n")
    corpus = read_corpus("meld", tmp_path)
    assert corpus.left_out == {"an earlier row repeated": ("train_dia0_utt0",)}
    assert any(note.startswith("train_sent_emo.csv row 6 has 2 cells") for note in corpus.notes)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"has none of train_sent_emo\.csv"):
        load_corpus("meld", tmp_path)
    put(tmp_path, "train_sent_emo.csv", "a,b\n1,2\n")
    with pytest.raises(EmofuseError, match=r"has no column Utterance, .*, only a, b; is it MELD's"):
        load_corpus("meld", tmp_path)
    with pytest.raises(EmofuseError, match="speakers=six is none of all, grouped, main"):
        load_corpus("meld", tmp_path, speakers="six")
    with pytest.raises(EmofuseError, match="perhaps 'emotion'"):
        load_corpus("meld", tmp_path, target="emotions")


def test_the_real_transcripts(shared_meld: Path, tmp_path: Path) -> None:
    corpus = read_corpus("meld", shared_meld)
    manifest = corpus.manifest.validate(labels=EMOTIONS)
    summary = summarise(corpus)
    assert {split: sum(labels.values()) for split, labels in summary.labels.items()} == {
        "train": 9989,
        "val": 1109,
    }
    assert summary.labels["train"] == {
        "anger": 1109,
        "disgust": 271,
        "fear": 268,
        "joy": 1743,
        "neutral": 4710,
        "sadness": 683,
        "surprise": 1205,
    }
    assert summary.dialogues == 1152  # 1039 numbers, one of which has no rows, and 114
    assert "train 9989, as published" in map(str, summary.differences)
    assert "test 0, 2610 fewer than 2610" in map(str, summary.differences)
    assert not manifest.frame["text"].str.contains("[\x80-\x9f]").any()
    manifest.write(tmp_path / "meld.parquet")
    assert Manifest.read(tmp_path / "meld.parquet").fingerprint() == manifest.fingerprint()
