"""IEMOCAP in its published layout, quirks included."""

from pathlib import Path

import pytest

from emofuse.corpora import check_media, load_corpus, read_corpus, summarise
from emofuse.errors import EmofuseError
from tests.corpora.layouts import CLIP_SECONDS, SOUND_SECONDS, apple_double, put

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\r\n\r\n"
OPINIONS = "C-E2:\tNeutral;\t()\r\nC-F1:\tNeutral;\t(curious)\r\nA-E3:\tval 3; act 2; dom  2;\t()\r\n\r\n"

# Dialogue → turns as its label file has them: one actor's, then the other's.
TURNS = {
    "Ses01F_impro01": [
        (0.00, 0.05, "F000", "neu", "[2.5000, 2.5000, 2.5000]"),
        (0.20, 0.28, "F001", "exc", "[4.5000, 4.0000, 3.0000]"),
        (0.04, 0.10, "M000", "fru", "[2.0000, 3.0000, 3.5000]"),
        (0.10, 0.20, "M001", "xxx", "[3.0000, 3.0000, 3.0000]"),
    ],
    "Ses01M_script01_1b": [
        (0.10, 0.20, "F000", "hap", "[4.0000, 3.0000, 3.0000]"),
        (0.00, 0.12, "M000", "ang", "[1.0000, 4.0000, 4.5000]"),
        (0.21, 0.24, "M001", "sur", "[3.5000, 4.0000, 3.0000]"),
    ],
    "Ses05F_impro03": [
        (0.00, 0.10, "F000", "sad", "[1.5000, 2.0000, 2.0000]"),
        (0.10, 0.20, "M000", "fea", "[2.0000, 2.0000, 2.0000]"),
    ],
}


def session_of(root: Path, dialogue: str) -> Path:
    return root / f"Session{int(dialogue[3:5])}"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Labels and words, with what else lies in these folders."""
    root = tmp_path / "IEMOCAP_full_release"
    for dialogue, turns in TURNS.items():
        labels, words = HEADER, ""
        for start, end, name, emotion, dimensions in turns:
            id = f"{dialogue}_{name}"
            labels += f"[{start:.4f} - {end:.4f}]\t{id}\t{emotion}\t{dimensions}\r\n{OPINIONS}"
            words += f"{id} [{start:08.4f}-{end:08.4f}]: Caf\xe9, it\x92s {name}.\r\n"
        words += f"{dialogue}_FXX0 [001.0000-002.0000]: [BREATHING]\r\nM: [LAUGHTER]\r\n"
        dialog = session_of(root, dialogue) / "dialog"
        put(dialog, f"EmoEvaluation/{dialogue}.txt", labels, "latin-1")
        put(dialog, f"transcriptions/{dialogue}.txt", words, "latin-1")
        put(dialog, f"EmoEvaluation/Categorical/{dialogue}_e2_cat.txt", f"{dialogue}_F000 :Anger; ()\n")
        put(dialog, f"EmoEvaluation/Self-evaluation/{dialogue}_f1.anvil", "<annotation/>")
        put(dialog, "EmoEvaluation/README.txt", "[1.0 - 2.0]\tno label file\n")
        apple_double(dialog, f"EmoEvaluation/{dialogue}.txt")
        apple_double(dialog, f"transcriptions/{dialogue}.txt")
    return root


@pytest.fixture
def films(texts: Path) -> Path:
    for dialogue in TURNS:
        put(session_of(texts, dialogue), f"dialog/avi/DivX/{dialogue}.avi")
        apple_double(session_of(texts, dialogue), f"dialog/avi/DivX/{dialogue}.avi")
    return texts


def add_sentences(root: Path) -> None:
    for dialogue, turns in TURNS.items():
        for _, _, name, _, _ in turns:
            put(session_of(root, dialogue), f"sentences/wav/{dialogue}/{dialogue}_{name}.wav")


def test_rows(films: Path) -> None:
    put(session_of(films, "Ses01F"), "dialog/wav/Ses01F_impro01.wav")
    manifest = load_corpus("iemocap", films).validate()
    assert manifest.ids == [
        "Ses01F_impro01_F000",
        "Ses01F_impro01_M000",
        "Ses01F_impro01_F001",
        "Ses01M_script01_1b_M000",
        "Ses01M_script01_1b_F000",
        "Ses05F_impro03_F000",
    ]
    row = manifest.utterance("Ses01F_impro01_F001")
    assert (row.dialogue, row.turn, row.speaker, row.group) == ("Ses01F_impro01", 3, "Ses01F", "Session1")
    assert (row.text, row.label, row.valence) == ("Café, it’s F001.", "excited", 1.5)
    assert (row.start, row.end, row.split) == (0.2, 0.28, "train")
    assert row.video == films.resolve() / "Session1/dialog/avi/DivX/Ses01F_impro01.avi"
    assert row.audio == films.resolve() / "Session1/dialog/wav/Ses01F_impro01.wav"
    assert manifest.frame["turn"].tolist() == [0, 1, 3, 0, 1, 0]
    assert manifest.frame["speaker"].tolist() == ["Ses01F", "Ses01M", "Ses01F", "Ses01M", "Ses01F", "Ses05F"]
    assert manifest.frame["split"].tolist() == ["train"] * 5 + ["test"]
    assert manifest.utterance("Ses05F_impro03_F000").audio is None
    assert manifest.frame["activation"][0] == "2.5000"


def test_the_speaker_with_the_markers_is_on_the_left(films: Path) -> None:
    crops = {row.id: row.crop for row in load_corpus("iemocap", films).rows()}
    assert crops == {
        "Ses01F_impro01_F000": "left",
        "Ses01F_impro01_F001": "left",
        "Ses01F_impro01_M000": "right",
        "Ses01M_script01_1b_M000": "left",
        "Ses01M_script01_1b_F000": "right",
        "Ses05F_impro03_F000": "left",
    }
    assert any("markers is taken to sit on the left" in note for note in read_corpus("iemocap", films).notes)


def test_classes(texts: Path) -> None:
    six = load_corpus("iemocap", texts).frame["label"].tolist()
    assert six == ["neutral", "frustration", "excited", "anger", "happiness", "sadness"]
    four = load_corpus("iemocap", texts, classes="four").frame["label"].tolist()
    assert four == ["neutral", "happiness", "anger", "happiness", "sadness"]
    corpus = read_corpus("iemocap", texts)
    assert corpus.left_out == {
        "labelled xxx, none of the classes": ("Ses01F_impro01_M001",),
        "labelled sur, none of the classes": ("Ses01M_script01_1b_M001",),
        "labelled fea, none of the classes": ("Ses05F_impro03_M000",),
    }
    kept = read_corpus("iemocap", texts, classes="four", others="keep")
    assert kept.left_out == {}
    assert kept.manifest.validate().frame["label"].tolist() == [
        "neutral",
        None,
        None,
        "happiness",
        "anger",
        "happiness",
        None,
        "sadness",
        None,
    ]


def test_texts_alone(texts: Path) -> None:
    corpus = read_corpus("iemocap", texts.parent, parts="none")  # the folder above is understood too
    manifest = corpus.manifest.validate()
    assert manifest.frame[["video", "audio", "start", "split"]].isna().all(axis=None)
    assert corpus.set_aside == ()
    assert corpus.notes == (
        "there is neither sound nor picture, so this is a corpus of texts",
        "2 turns begin before the one before has ended",
    )


def test_sentences_without_films(texts: Path) -> None:
    add_sentences(texts)
    (texts / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav").unlink()
    corpus = read_corpus("iemocap", texts)
    assert [(entry.id, entry.modality, entry.reason) for entry in corpus.set_aside] == [
        ("Ses01F_impro01_M000", "audio", "missing-file")
    ]
    row = corpus.manifest.utterance("Ses01F_impro01_F000")
    assert row.audio == texts.resolve() / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert (row.start, row.end, row.crop) == (None, None, None)
    checked = check_media(corpus)
    assert checked.corpus.manifest.validate()
    assert checked.seconds == pytest.approx(5 * SOUND_SECONDS)


def test_a_film_that_is_missing(films: Path) -> None:
    add_sentences(films)
    (films / "Session1/dialog/avi/DivX/Ses01M_script01_1b.avi").unlink()
    corpus = read_corpus("iemocap", films)
    missing = [(entry.id, entry.modality) for entry in corpus.set_aside]
    assert missing == [("Ses01M_script01_1b_M000", "video"), ("Ses01M_script01_1b_F000", "video")]
    row = corpus.manifest.validate().utterance("Ses01M_script01_1b_F000")
    assert row.video is None
    assert row.audio is not None
    assert row.start is None


def test_turns_beyond_the_end_of_a_film(films: Path) -> None:
    late = TURNS["Ses05F_impro03"][0]
    file = films / "Session5/dialog/EmoEvaluation/Ses05F_impro03.txt"
    file.write_text(file.read_text().replace(f"[{late[0]:.4f} - {late[1]:.4f}]", "[9.5000 - 9.9000]"))
    checked = check_media(read_corpus("iemocap", films))
    (entry,) = checked.corpus.set_aside
    assert (entry.id, entry.reason) == ("Ses05F_impro03_F000", "bad-segment")
    row = checked.corpus.manifest.validate().utterance(entry.id)
    assert (row.video, row.crop, row.text) == (None, None, "Café, it’s F000.")
    assert checked.seconds < 2 * CLIP_SECONDS


def test_what_cannot_be_read(texts: Path) -> None:
    file = texts / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    lines = "[1.0 - 2.0]\tSes01F_impro01_F009\tneu\n[3.0 - 4.0]\tSes02F_impro09_F000\tneu\t[3.0, 3.0, 3.0]\n"
    file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n") + lines.encode())
    (texts / "Session5/dialog/transcriptions/Ses05F_impro03.txt").unlink()
    corpus = read_corpus("iemocap", texts)
    number = (HEADER + len(TURNS["Ses01F_impro01"]) * ("x\n" + OPINIONS)).count("\n")
    assert corpus.left_out["a label that cannot be read"] == (
        f"Ses01F_impro01.txt line {number + 1}",
        f"Ses01F_impro01.txt line {number + 2}",
    )
    assert corpus.left_out["no words, sound or picture"] == ("Ses05F_impro03_F000",)
    assert len(corpus.manifest.validate()) == 5


def test_distance_from_the_literature(texts: Path) -> None:
    lines = summarise(read_corpus("iemocap", texts)).lines()
    source = "published (label files of the release; 7433 in the literature): "
    assert source + "all 6, 7374 fewer than 7380" in lines
    assert source + "dialogues 3, 148 fewer than 151" in lines
    four = [str(each) for each in summarise(read_corpus("iemocap", texts, classes="four")).differences]
    assert "all 5, 5526 fewer than 5531" in four
    everything = read_corpus("iemocap", texts, others="keep").published
    assert everything is not None
    assert everything.utterances == {"all": 10039}


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="has no labels in Session1/dialog/EmoEvaluation"):
        load_corpus("iemocap", tmp_path)
    for option in ({"classes": "5"}, {"others": "x"}, {"parts": "official"}):
        with pytest.raises(EmofuseError, match="is none of"):
            load_corpus("iemocap", tmp_path, **option)
