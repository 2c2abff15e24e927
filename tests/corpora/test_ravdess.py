"""RAVDESS in its published layouts, quirks included."""

from pathlib import Path

import pytest

from emofuse.corpora import load_corpus, read_corpus, summarise
from emofuse.errors import EmofuseError
from tests.corpora.layouts import apple_double, put

SPEECH, SONG = "01-06-01-02-01-12", "02-03-02-01-02-07"


@pytest.fixture
def ravdess(tmp_path: Path) -> Path:
    put(tmp_path, f"Video_Speech_Actor_12/Actor_12/01-{SPEECH}.mp4")
    put(tmp_path, f"Video_Speech_Actor_12/Actor_12/02-{SPEECH}.mp4")
    put(tmp_path, f"Audio_Speech_Actors_01-24/Actor_12/03-{SPEECH}.wav")
    put(tmp_path, f"audio_speech_actors_01-24/Actor_12/03-{SPEECH}.wav")
    apple_double(tmp_path, f"Video_Speech_Actor_12/Actor_12/01-{SPEECH}.mp4")
    put(tmp_path, "Video_Speech_Actor_01/Actor_01/02-01-01-01-01-01-01.mp4")
    put(tmp_path, "Video_Speech_Actor_02/Actor_02/01-01-08-02-02-02-02.mp4")
    put(tmp_path, "Actor_24/03-01-07-02-02-02-24.wav")
    (tmp_path / "Actor_24/03-01-07-02-02-02-24.wav").rename(tmp_path / "Actor_24/03-01-07-02-02-02-24.flac")
    put(tmp_path, f"Video_Song_Actor_07/Actor_07/01-{SONG}.mp4")
    put(tmp_path, "Actor_24/03-01-09-02-02-02-24.wav")  # there is no ninth emotion
    put(tmp_path, "Actor_24/03-01-07-02-02-02-25.wav")  # nor a 25th actor
    put(tmp_path, "Actor_24/01-01-07-02-02-02-24.txt", "notes")
    return tmp_path


def test_a_take_is_one_row(ravdess: Path) -> None:
    corpus = read_corpus("ravdess", ravdess)
    manifest = corpus.manifest.validate()
    assert manifest.ids == ["01-01-01-01-01-01", "01-08-02-02-02-02", SPEECH, "01-07-02-02-02-24"]
    row = manifest.utterance(SPEECH)
    assert row.video == ravdess.resolve() / f"Video_Speech_Actor_12/Actor_12/01-{SPEECH}.mp4"
    assert row.audio is not None
    assert row.audio.name == f"03-{SPEECH}.wav"
    assert (row.speaker, row.text, row.label) == ("Actor_12", "Dogs are sitting by the door", "fearful")
    assert corpus.notes == ("1 recording found a second time and ignored",)
    assert corpus.left_out == {"not speech": (SONG,)}


def test_what_serves_as_picture_and_sound(ravdess: Path) -> None:
    manifest = load_corpus("ravdess", ravdess)
    media = {
        row.id: (row.video and row.video.name[:2], row.audio and row.audio.name[:2])
        for row in manifest.rows()
    }
    assert media == {
        "01-01-01-01-01-01": ("02", None),  # a picture without sound is all there is
        "01-08-02-02-02-02": ("01", None),  # the sound is the film's own
        SPEECH: ("01", "03"),
        "01-07-02-02-02-24": (None, "03"),
    }
    (ravdess / f"Video_Speech_Actor_12/Actor_12/01-{SPEECH}.mp4").unlink()
    assert load_corpus("ravdess", ravdess).utterance(SPEECH).video.name == f"02-{SPEECH}.mp4"


def test_codes(ravdess: Path) -> None:
    frame = load_corpus("ravdess", ravdess, channel="both").frame.set_index("id")
    assert frame["sex"].to_dict() == {
        "01-01-01-01-01-01": "male",
        "01-08-02-02-02-02": "female",
        SONG: "male",
        SPEECH: "female",
        "01-07-02-02-02-24": "female",
    }
    assert frame.loc[SONG, ["label", "intensity", "channel", "text", "repetition"]].tolist() == [
        "happy",
        "strong",
        "song",
        "Kids are talking by the door",
        "02",
    ]
    assert frame["label"].tolist() == ["neutral", "surprised", "happy", "fearful", "disgust"]


@pytest.mark.parametrize(
    ("channel", "rows", "published"), [("speech", 4, 1440), ("song", 1, 1012), ("both", 5, 2452)]
)
def test_channels(ravdess: Path, channel: str, rows: int, published: int) -> None:
    summary = summarise(read_corpus("ravdess", ravdess, channel=channel))
    assert summary.utterances == rows
    assert str(summary.differences[0]) == f"all {rows}, {published - rows} fewer than {published}"


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="holds no recordings such as Actor_01"):
        load_corpus("ravdess", tmp_path)
    put(tmp_path, f"Actor_12/03-{SPEECH}.wav")
    with pytest.raises(EmofuseError, match=r"holds nothing of RAVDESS \(song\)"):
        load_corpus("ravdess", tmp_path, channel="song")
    with pytest.raises(EmofuseError, match="channel=singing is none of speech, song, both"):
        load_corpus("ravdess", tmp_path, channel="singing")
