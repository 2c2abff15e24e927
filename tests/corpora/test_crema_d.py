"""CREMA-D in its published layout, quirks included."""

from pathlib import Path

import pytest

from emofuse.corpora import check_media, load_corpus, read_corpus, summarise
from emofuse.corpora.crema_d import BROKEN, EMOTIONS, SENTENCES
from emofuse.errors import EmofuseError
from tests.corpora.layouts import CLIP_SECONDS, apple_double, put

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 68000\n"
PEOPLE = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'
VOTES = (
    '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"\n'
    '"1","1001_DFA_ANG_XX","A","51.3","A","80","A","72.1"\n'
    '"2","1001_IEO_HAP_HI","N","41.9","H","79","N:H","60:50"\n'
    '"3","1040_ITH_SAD_X","N","65.5","S","34","D","43"\n'
)
TAKES = ("1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1040_ITH_SAD_X")


@pytest.fixture
def crema_d(tmp_path: Path) -> Path:
    put(tmp_path, "VideoDemographics.csv", PEOPLE)
    put(tmp_path, "processedResults/summaryTable.csv", VOTES)
    for take in (*TAKES, *BROKEN):
        put(tmp_path, f"AudioWAV/{take}.wav")
        put(tmp_path, f"AudioMP3/{take}.mp3", b"no matter")
        apple_double(tmp_path, f"AudioWAV/{take}.wav")
        put(tmp_path, f"VideoFlash/{take}.flv")
    put(tmp_path, "AudioWAV/notes.wav")
    return tmp_path


def test_rows(crema_d: Path) -> None:
    corpus = read_corpus("crema-d", crema_d)
    manifest = corpus.manifest.validate(labels=list(EMOTIONS.values()))
    assert manifest.ids == list(TAKES)
    row = manifest.utterance("1001_IEO_HAP_HI")
    assert (row.speaker, row.text, row.label) == ("1001", "It's eleven o'clock", "happiness")
    assert row.video == crema_d.resolve() / "VideoFlash/1001_IEO_HAP_HI.flv"
    assert row.audio == crema_d.resolve() / "AudioWAV/1001_IEO_HAP_HI.wav"
    assert (row.start, row.split, row.dialogue) == (None, None, "1001_IEO_HAP_HI")
    extra = manifest.frame[["level", "sex", "age"]].to_numpy().tolist()
    assert extra == [[None, "male", "51"], ["high", "male", "51"], [None, None, None]]
    assert len(SENTENCES) == 12


def test_broken_takes(crema_d: Path) -> None:
    corpus = read_corpus("crema-d", crema_d)
    assert corpus.left_out == {
        "of every emotion at once": ("1064_IEO_DIS_MD",),
        "without length": ("1064_TIE_SAD_XX",),
        "next to empty": ("1076_MTI_NEU_XX", "1076_MTI_SAD_XX"),
        "a name that is no take's": ("notes",),
    }
    assert corpus.set_aside == ()


def test_votes_of_the_raters(crema_d: Path) -> None:
    corpus = read_corpus("crema-d", crema_d, labels="perceived")
    assert corpus.manifest.frame["label"].tolist() == ["anger", "disgust"]
    assert corpus.manifest.frame["acted"].tolist() == ["anger", "sadness"]
    assert corpus.left_out["no emotion that most raters agree on"] == ("1001_IEO_HAP_HI",)
    (crema_d / "processedResults/summaryTable.csv").unlink()
    with pytest.raises(EmofuseError, match=r"summaryTable\.csv: is missing"):
        load_corpus("crema-d", crema_d, labels="perceived")


def test_a_clone_without_lfs(crema_d: Path) -> None:
    put(crema_d, "AudioWAV/1001_DFA_ANG_XX.wav", POINTER)
    for folder, suffix in (("AudioWAV", "wav"), ("VideoFlash", "flv")):
        put(crema_d, f"{folder}/1040_ITH_SAD_X.{suffix}", POINTER)
    corpus = read_corpus("crema-d", crema_d)
    assert [(entry.id, entry.modality, entry.reason) for entry in corpus.set_aside] == [
        ("1001_DFA_ANG_XX", "audio", "not-downloaded"),
        ("1040_ITH_SAD_X", "audio", "not-downloaded"),
        ("1040_ITH_SAD_X", "video", "not-downloaded"),
    ]
    assert "git lfs pull" in corpus.set_aside[0].message
    assert corpus.left_out["no recording"] == ("1040_ITH_SAD_X",)
    assert corpus.manifest.validate().utterance("1001_DFA_ANG_XX").audio is None


def test_sound_alone(crema_d: Path) -> None:
    for path in (crema_d / "VideoFlash").iterdir():
        path.unlink()
    (crema_d / "VideoDemographics.csv").unlink()
    corpus = read_corpus("crema-d", crema_d)
    assert corpus.notes == ("there is no VideoFlash",)
    assert corpus.manifest.validate().frame["video"].isna().all()


def test_media(crema_d: Path) -> None:
    put(crema_d, "AudioWAV/1040_ITH_SAD_X.wav", b"")
    checked = check_media(read_corpus("crema-d", crema_d))
    (entry,) = checked.corpus.set_aside
    assert (entry.id, entry.modality, entry.reason) == ("1040_ITH_SAD_X", "audio", "empty-file")
    assert checked.seconds == pytest.approx(3 * CLIP_SECONDS, rel=0.3)
    lines = summarise(checked.corpus, checked.seconds).lines()
    assert "published (Cao et al. 2014): all 3, 7439 fewer than 7442" in lines
    assert "set aside, audio empty-file: 1 utterance (1040_ITH_SAD_X)" in lines


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="has no takes in AudioWAV or VideoFlash"):
        load_corpus("crema-d", tmp_path)
    put(tmp_path, "AudioWAV/other.wav")
    with pytest.raises(EmofuseError, match="holds nothing of CREMA-D"):
        load_corpus("crema-d", tmp_path)
    put(tmp_path, "VideoDemographics.csv", "Actor,Age\n1001,5\n")
    with pytest.raises(EmofuseError, match=r"VideoDemographics\.csv: has no column ActorID, Sex"):
        load_corpus("crema-d", tmp_path)
    with pytest.raises(EmofuseError, match="labels=voted is none of acted, perceived"):
        load_corpus("crema-d", tmp_path, labels="voted")
