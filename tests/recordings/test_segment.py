import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_video, write_wav
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.recordings import recognisers, voice_activity
from emofuse.recordings import segment as segment_module
from emofuse.recordings.manifest import manifest_of
from emofuse.recordings.seen_speaking import SeenSpeaker
from emofuse.recordings.segment import segment_recording, segmented_utterances
from emofuse.recordings.settings import SegmentSettings, settings_of
from emofuse.recordings.spoken import NoUtteranceError
from tests.recordings.made import MadeRecording, make_recording
from tests.recordings.test_subtitle_streams import with_stream

needs_silero = pytest.mark.skipif(
    not voice_activity.is_installed(), reason="the extra segment is not installed"
)


def test_auto_takes_subtitles_beside_the_recording_and_knows_every_turn(film: MadeRecording) -> None:
    found = segment_recording(film.path)
    assert found.by == "subtitles"
    assert [(u.speaker, u.text) for u in found.spoken] == [(t.speaker.upper(), t.text) for t in film.turns]
    assert [u.start for u in found.spoken] == pytest.approx([t.start for t in film.turns], abs=1e-3)
    assert found.speakers == ("ANNA", "BEN")
    assert any("film.srt" in note for note in found.notes)


def test_auto_takes_subtitles_inside_the_recording(film: MadeRecording, tmp_path: Path) -> None:
    assert film.subtitles is not None
    inside = with_stream(film.path, film.subtitles, tmp_path / "inside.mkv")
    found = segment_recording(inside)
    assert found.by == "subtitles"
    assert len(found.spoken) == len(film.turns)


@needs_silero
def test_auto_without_subtitles_and_words_hears_voices_and_says_so(
    film: MadeRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = shutil.copy(film.path, tmp_path / "alone.mp4")
    monkeypatch.setattr(recognisers, "is_installed", lambda: False)
    found = segment_recording(alone, SegmentSettings(speakers=None))
    assert found.by == "vad"
    assert len(found.spoken) == len(film.turns)
    assert any("words are missing" in note for note in found.notes)
    assert all(u.text is None for u in found.spoken)


def test_auto_with_nothing_installed_says_what_to_install(
    film: MadeRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = shutil.copy(film.path, tmp_path / "alone.mp4")
    monkeypatch.setattr(voice_activity, "is_installed", lambda: False)
    with pytest.raises(EmofuseError, match=r"emofuse\[segment\]"):
        segment_recording(alone)


@needs_silero
def test_a_recording_without_speech_says_so(tmp_path: Path) -> None:
    write_wav(tmp_path / "hiss.wav", 0.01 * np.random.default_rng(0).standard_normal(48000))
    with pytest.raises(EmofuseError, match=r"hiss\.wav: nobody is heard to speak"):
        segment_recording(tmp_path / "hiss.wav", "vad")


def test_a_recording_without_sound_and_subtitles_says_so(tmp_path: Path) -> None:
    write_video(tmp_path / "mute.mp4", np.zeros((10, 32, 32, 3), np.uint8), 10)
    with pytest.raises(EmofuseError, match=r"mute\.mp4.*no sound and no subtitles"):
        segment_recording(tmp_path / "mute.mp4")
    with pytest.raises(EmofuseError, match="no subtitles of its name"):
        segment_recording(tmp_path / "mute.mp4", "subtitles")


def test_cues_behind_the_end_are_left_out_and_counted(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(32000))
    (tmp_path / "a.srt").write_text(
        "1\n00:00:01,000 --> 00:00:03,000\nA: Hi.\n\n2\n00:00:05,000 --> 00:00:06,000\nHo.\n", "utf-8"
    )
    found = segment_recording(tmp_path / "a.wav", SegmentSettings(speakers=None))
    assert [(u.start, u.end) for u in found.spoken] == [(1.0, pytest.approx(2.0))]
    assert any("end: 1 utterance" in note for note in found.notes)


def test_the_verb_writes_a_manifest_that_can_be_read_back(film: MadeRecording, tmp_path: Path) -> None:
    folder = shutil.copytree(film.path.parent, tmp_path / "folder ü")
    result = CliRunner().invoke(app, ["segment", str(folder / "film.mp4"), "--quiet"])
    assert result.exit_code == 0, result.output
    assert f"{len(film.turns)} utterances" in result.output
    manifest = Manifest.read(folder / "film.utterances.csv").validate()
    rows = list(manifest.rows())
    assert [row.speaker for row in rows] == [turn.speaker.upper() for turn in film.turns]
    assert {row.dialogue for row in rows} == {"film"}
    assert [row.turn for row in rows] == list(range(len(rows)))
    assert rows[0].video == folder / "film.mp4"
    assert set(manifest.frame["segmented_by"]) == {"subtitles"}


def test_labels_that_were_filled_in_are_not_lost(film: MadeRecording, tmp_path: Path) -> None:
    folder = shutil.copytree(film.path.parent, tmp_path / "film")
    written = folder / "film.utterances.csv"

    def again(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["segment", str(folder / "film.mp4"), "--quiet", *arguments])

    assert again().exit_code == 0
    first = written.read_bytes()
    assert again().exit_code == 0
    assert [file.name for file in folder.glob("*.csv")] == [written.name]  # nothing differs
    frame = Manifest.read(written).frame.assign(text="mended by hand")
    Manifest.from_frame(frame, folder).write(written)
    corrected = written.read_bytes()
    shown = again()
    kept = folder / "film.utterances.earlier-1.csv"
    assert f"the earlier one differs and is kept: {kept}" in shown.output
    assert (kept.read_bytes(), written.read_bytes()) == (corrected, first)
    Manifest.from_frame(frame.assign(label="joy"), folder).write(written)
    labelled = written.read_bytes()
    refused = again()
    assert isinstance(refused.exception, EmofuseError)
    assert "film.utterances.csv: has the column label filled in, which would be lost" in str(
        refused.exception
    )
    assert "-o" in str(refused.exception)
    assert written.read_bytes() == labelled
    assert again("-o", str(folder / "other.csv")).exit_code == 0


def test_a_folder_of_recordings_is_refused_as_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["segment", str(tmp_path)])
    assert isinstance(result.exception, EmofuseError)
    assert str(result.exception) == f"{tmp_path}: is a folder; name one recording"


def test_a_manifest_in_a_folder_above_names_the_recording_from_there(
    film: MadeRecording, tmp_path: Path
) -> None:
    shutil.copytree(film.path.parent, tmp_path / "in")
    out = tmp_path / "all.csv"
    result = CliRunner().invoke(
        app, ["segment", str(tmp_path / "in" / "film.mp4"), "-o", str(out), "--quiet"]
    )
    assert result.exit_code == 0, result.output
    assert next(Manifest.read(out).validate().rows()).video == tmp_path / "in" / "film.mp4"


def test_a_manifest_elsewhere_is_refused_before_the_work_with_the_way_out(
    film: MadeRecording, tmp_path: Path
) -> None:
    out = tmp_path / "elsewhere" / "m.csv"
    result = CliRunner().invoke(app, ["segment", str(film.path), "-o", str(out)])
    assert isinstance(result.exception, EmofuseError)
    assert str(film.path.parent / "m.csv") in str(result.exception)
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "magic"], "--by: 'magic' is none of auto"),
        (["--speakers", "many"], "--speakers: 'many'"),
        (["--min-speech", "-1"], "--min-speech"),
        (["--longest", "100"], "--longest"),
    ],
)
def test_settings_that_cannot_be_are_named(film: MadeRecording, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["segment", str(film.path), "--device", "cpu", *arguments])
    assert isinstance(result.exception, EmofuseError)
    assert message in str(result.exception)


def test_utterances_for_prediction_come_with_a_note_of_how_they_were_found(film: MadeRecording) -> None:
    with pytest.warns(EmofuseWarning, match="utterances by subtitles"):
        rows = segmented_utterances(film.path, "auto")
    assert rows[0].video == film.path
    assert rows[0].audio == film.path
    assert rows[-1].turn == len(film.turns) - 1


@pytest.mark.parametrize(("said", "meant"), [(2, 2), ("3", 3), ("auto", "auto"), ("none", None)])
def test_a_prediction_may_say_how_many_speak(
    said: int | str, meant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SegmentSettings] = []

    def segmented(recording: object, settings: SegmentSettings, progress: object) -> None:
        asked.append(settings)
        raise NoUtteranceError("nobody speaks", "")

    monkeypatch.setattr(segment_module, "segment_recording", segmented)
    with pytest.raises(NoUtteranceError):
        segmented_utterances("a.wav", "vad", faces=True, speakers=said)
    assert [(one.by, one.faces, one.speakers) for one in asked] == [("vad", True, meant)]
    with pytest.raises(EmofuseError, match="speakers: '0' is none of auto, none, a number"):
        settings_of("vad", speakers=0)


def test_what_goes_with_one_utterance_alone_is_refused(film: MadeRecording) -> None:
    with pytest.raises(EmofuseError, match="leave out text"):
        segmented_utterances(film.path, "auto", given=("Hi.", None))
    with pytest.raises(EmofuseError, match="name a recording"):
        segmented_utterances(None, "auto")


@needs_silero
def test_a_recording_of_sound_alone_is_named_in_the_column_audio(tmp_path: Path) -> None:
    made = make_recording(tmp_path, seconds=12, picture=False, subtitles=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = CliRunner().invoke(
            app, ["segment", str(made.path), "--by", "vad", "--speakers", "none", "--quiet", "--json"]
        )
    assert result.exit_code == 0, result.output
    rows = list(Manifest.read(tmp_path / "film.utterances.csv").validate().rows())
    assert len(rows) == len(made.turns)
    assert all(row.audio == made.path and row.video is None for row in rows)


def test_who_is_seen_speaking_stands_in_the_manifest(
    film: MadeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = SeenSpeaker((0.1, 0.2, 0.3, 0.4), ((0.5, 0.5, 0.9, 0.9),), 0.75)
    monkeypatch.setattr(
        segment_module,
        "seen_speakers",
        lambda path, spoken, progress, network: [seen, *[None] * (len(spoken) - 1)],
    )
    found = segment_recording(film.path, SegmentSettings(faces=True))
    frame = manifest_of(found).frame
    assert frame["face"][0] == "0.100 0.200 0.300 0.400"
    assert frame["listeners"][0] == "0.500 0.500 0.900 0.900"
    assert frame["face_margin"][0] == "0.75"
    assert frame["face"][1:].isna().all()


def test_that_nobody_is_heard_passes_from_one_process_to_another() -> None:
    # What processes do with an exception; these bytes are made here.
    told = pickle.loads(
        pickle.dumps(NoUtteranceError("a.wav: nobody speaks", "give --every 2", by_sound=True))
    )
    assert (str(told), told.by_sound) == ("a.wav: nobody speaks; give --every 2", True)
