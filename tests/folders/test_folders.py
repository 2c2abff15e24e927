import multiprocessing
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.cli.prediction_folder import _usual_out
from emofuse.data.found_recordings import RecordingFile, find_recordings
from emofuse.data.media_writer import write_wav
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.folders import workers
from emofuse.folders.predict import (
    FolderRequest,
    _done_before,
    _PredictJob,
    checked_formats,
    plain_options,
    predict_folder,
)
from emofuse.folders.results import RecordingState, ResultFiles, finished, keep, run_fingerprint
from emofuse.folders.workers import run_tasks
from emofuse.inference.timeline import EmotionTimeline
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.folders.deadly import DeadlyJob
from tests.inference.timelines.made import LABELS, segment
from tests.small_corpus import make_corpus, small_settings


def test_recordings_are_found_by_suffix_and_by_how_they_begin(tmp_path: Path) -> None:
    wav = tmp_path / "a" / "voice.WAV"
    write_wav(wav, np.zeros(100))
    shutil.copy(wav, tmp_path / "a" / "without a suffix")
    (tmp_path / "program.ts").write_text("const a = 1;", encoding="utf-8")
    (tmp_path / "stream.ts").write_bytes(b"G" + bytes(187))
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    (tmp_path / ".hidden.wav").write_bytes(b"RIFF")
    (tmp_path / ".cache").mkdir()
    shutil.copy(wav, tmp_path / ".cache" / "voice.wav")
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "film.mp4").write_bytes(b"broken")
    (tmp_path / "b" / "again").symlink_to(tmp_path, target_is_directory=True)
    found = find_recordings([tmp_path])
    assert [r.name for r in found] == ["stream.ts", "a/voice.WAV", "a/without a suffix", "b/c/film.mp4"]
    assert all(r.file == tmp_path / r.name for r in found)
    both = find_recordings([tmp_path / "a", tmp_path / "b"])
    assert [r.name for r in both] == ["a/voice.WAV", "a/without a suffix", "b/c/film.mp4"]
    assert find_recordings([tmp_path / "notes.txt"]) == [RecordingFile(tmp_path / "notes.txt", "notes.txt")]
    with pytest.raises(EmofuseError, match="their results would have one name"):
        find_recordings(
            [wav, tmp_path / ".cache" / "voice.wav", tmp_path / ".cache" / ".." / "a" / "voice.WAV"]
        )
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmofuseError, match="holds no recording"):
        find_recordings([tmp_path / "empty"])


def test_results_of_the_folder_above_stay_where_results_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("films/a.wav", "other/b.wav"):
        (tmp_path / name).parent.mkdir()
        write_wav(tmp_path / name, np.zeros(100))
    (tmp_path / "films" / "here").mkdir()
    monkeypatch.chdir(tmp_path / "films" / "here")
    found = find_recordings([Path(".."), Path("../../other")])
    assert [r.name for r in found] == ["films/a.wav", "other/b.wav"]
    assert _usual_out([Path("..")]) == Path("films-emotions")
    assert _usual_out([Path("/")]) == Path("emotions")


def test_a_result_is_taken_for_the_same_run_and_recording_alone(tmp_path: Path) -> None:
    file = tmp_path / "voice.wav"
    write_wav(file, np.zeros(100))
    recording, files = RecordingFile(file, "voice.wav"), ResultFiles(tmp_path / "out", "voice.wav")
    told = EmotionTimeline(
        [segment(0, 1, recording=str(file), missing={"video": "none"})], LABELS, ["A note."]
    )
    assert finished(files, recording, "run 1") is None
    keep(files, RecordingState.of(file), "run 1", told)
    again = finished(files, recording, "run 1")
    assert again == told
    assert again is not None
    assert (again.labels, again.notes) == (LABELS, ("A note.",))
    assert finished(files, recording, "run 2") is None
    os.utime(file, (1, 1))
    assert finished(files, recording, "run 1") == told  # the same content under another time
    write_wav(file, np.full(100, 0.5))
    assert finished(files, recording, "run 1") is None
    keep(files, RecordingState.of(file), "run 1", told)
    for damaged in (
        "{",
        "[]",
        files.result.read_text(encoding="utf-8").replace('"start": 0', '"start": "x"'),
    ):
        files.result.write_text(damaged, encoding="utf-8")
        assert finished(files, recording, "run 1") is None


def _run(tasks: Sequence[str], processes: int) -> dict[int, str | None]:
    ended: dict[int, str | None] = {}
    run_tasks(DeadlyJob(), tasks, processes, ended.__setitem__)
    return ended


def test_a_task_that_fails_or_dies_takes_no_other_with_it() -> None:
    ended = _run(["well", "die", "fail", "well", "die"], 2)
    assert ended[0] is None
    assert ended[3] is None
    assert ended[2] == "ValueError: two lines"
    assert "killed by signal 9" in str(ended[1])
    assert "killed by signal 9" in str(ended[4])
    assert _run([], 2) == {}
    with pytest.raises(EmofuseError, match="no such run"):
        run_tasks(DeadlyJob(begins=False), ["well"], 1, lambda place, reason: None)


def test_a_worker_that_dies_between_two_tasks_costs_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    def start(job: DeadlyJob, threads: int) -> workers._Worker:
        parent_end, child_end = multiprocessing.Pipe()
        child_end.send(("ready", None))
        child_end.close()
        started.append(parent_end)
        return workers._Worker(SimpleNamespace(join=lambda: None, exitcode=-9), parent_end)  # type: ignore[arg-type]

    ended: dict[int, str | None] = {}

    def kill(place: int, reason: str | None) -> None:
        ended[place] = reason
        for process in multiprocessing.active_children():
            process.kill()
            process.join()

    run_tasks(DeadlyJob(), ["well", "well"], 1, kill)
    assert ended == {0: None, 1: None}
    # Where every process dies so, it comes to an end nevertheless.
    monkeypatch.setattr(workers, "_start", start)
    ended.clear()
    run_tasks(DeadlyJob(), ["well"], 1, ended.__setitem__)
    assert "killed by signal 9" in str(ended[0])
    assert len(started) == 2


def test_a_zero_is_refused_in_a_folder_as_for_a_clip() -> None:
    said = {"every": 0.0, "coverage": 0.0, "faces": False, "segment": None, "modalities": ()}
    assert plain_options(said) == {"every": 0.0, "coverage": 0.0}


def test_formats_are_named_freely() -> None:
    assert checked_formats(["vtt", ".TEXTGRID", " eaf", "vtt"]) == (".vtt", ".TextGrid", ".eaf")
    with pytest.raises(EmofuseError, match="--also: 'doc' is none of"):
        checked_formats(["doc"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    corpus = make_corpus(tmp_path_factory.mktemp("corpus"))
    settings = small_settings(corpus, optimiser__epochs=1)
    return fit_run(settings, corpus, tmp_path_factory.mktemp("runs") / "run")


def test_a_folder_is_predicted_once_and_a_bad_recording_is_named(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = next(file for file in run.read_settings().data.manifest.parent.rglob("*.mp4")).parent  # type: ignore[union-attr]
    folder = tmp_path / "films"
    for name in ("one.mp4", "sub/two <b>.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sorted(clips.iterdir())[0], folder / name)
    (folder / "bad.mp4").write_bytes(b"nothing")
    monkeypatch.chdir(tmp_path)
    told = ["predict", str(run.path), str(folder), "--also", "vtt,TextGrid", "--quiet"]
    result = CliRunner().invoke(app, told)
    assert isinstance(result.exception, EmofuseError)
    assert "1 recording could not be predicted" in str(result.exception)
    assert "bad.mp4: it is not a recording" in result.stderr
    out = tmp_path / "films-emotions"
    assert f"2 recordings predicted: films-emotions{os.sep}index.html" in result.stdout
    written = sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file())
    assert [name for name in written if not name.startswith(".")] == [
        "index.html",
        *[f"recordings/one.mp4{suffix}" for suffix in (".TextGrid", ".html", ".json", ".vtt")],
        *[f"recordings/sub/two <b>.mp4{suffix}" for suffix in (".TextGrid", ".html", ".json", ".vtt")],
        "table.csv",
    ]
    table = pd.read_csv(out / "table.csv")
    assert table["id"].tolist() == ["one.mp4", "two <b>.mp4"]
    index = (out / "index.html").read_text(encoding="utf-8")
    assert 'href="./recordings/sub/two%20%3Cb%3E.mp4.html"' in index
    assert "bad.mp4: it is not a recording" in unescape(index)
    assert "<script" not in index
    # Once more: nothing is predicted again, what is newly asked for is written, and the bad one is tried.
    before = (out / "recordings" / "one.mp4.json").stat().st_mtime_ns
    (folder / "bad.mp4").unlink()
    outcome = predict_folder(FolderRequest(str(run.path), also=(".srt",)), find_recordings([folder]), out)
    assert (outcome.done, outcome.kept, outcome.unpredicted, outcome.failed) == (0, 2, 0, {})
    assert (out / "recordings" / "one.mp4.json").stat().st_mtime_ns == before
    assert (out / "recordings" / "one.mp4.srt").is_file()
    # A recording of which nothing is used is not said to be predicted, now or when it is asked for again.
    wordless = ["predict", str(run.path), str(folder), "--modalities", "text", "--out", "wordless", "--quiet"]
    for _ in range(2):
        told = CliRunner().invoke(app, wordless).stdout
        assert (
            "0 recordings predicted, no prediction for 2 recordings of which nothing could be used: " in told
        )


def test_how_utterances_were_found_stands_on_the_page_of_the_recording_alone(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    write_wav(tmp_path / "talk.wav", np.zeros(1600))
    said = segment(0.0, 0.1, "joy", recording=str(tmp_path / "talk.wav"))

    def held(file: Path, **options: object) -> EmotionTimeline:
        warnings.warn("talk.wav: 1 utterance by vad", EmofuseWarning, stacklevel=2)
        return EmotionTimeline([said], ["joy"], ["Not for doctors."])

    [recording] = find_recordings([tmp_path / "talk.wav"])
    job = _PredictJob(FolderRequest("run"), "run", "fingerprint", tmp_path / "out")
    job.do(held, recording)  # type: ignore[arg-type]
    page = (tmp_path / "out/recordings/talk.wav.html").read_text("utf-8")
    assert "<p>Not for doctors.</p>" in page
    assert "<p>talk.wav: 1 utterance by vad</p>" in page
    kept = finished(ResultFiles(tmp_path / "out", "talk.wav"), recording, "fingerprint")
    assert kept is not None
    assert kept.notes == ("Not for doctors.",)
    assert not [each for each in recwarn if issubclass(each.category, EmofuseWarning)]


def _said(label: str) -> Callable[..., EmotionTimeline]:
    """A run that says this of every recording."""

    def held(file: Path, **options: object) -> EmotionTimeline:
        return EmotionTimeline([segment(0.0, 0.1, label, recording=str(file))], LABELS)

    return held


def test_what_lies_beside_a_result_is_of_the_same_run(tmp_path: Path) -> None:
    write_wav(tmp_path / "talk.wav", np.zeros(1600))
    [recording], out = find_recordings([tmp_path / "talk.wav"]), tmp_path / "out"
    subtitles = ResultFiles(out, "talk.wav").beside(".vtt")
    plain, written = FolderRequest("run"), FolderRequest("run", also=(".vtt",))
    _PredictJob(written, "run", "A", out).do(_said("joy"), recording)  # type: ignore[arg-type]
    assert "joy" in subtitles.read_text("utf-8")
    _PredictJob(plain, "run", "B", out).do(_said("anger"), recording)  # type: ignore[arg-type]
    assert not subtitles.exists()
    _done_before(_PredictJob(written, "run", "B", out), [recording])
    assert "anger" in subtitles.read_text("utf-8")


def test_a_kill_between_page_and_result_leaves_no_result_of_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    write_wav(tmp_path / "talk.wav", np.zeros(1600))
    [recording], out = find_recordings([tmp_path / "talk.wav"]), tmp_path / "out"
    _PredictJob(FolderRequest("run"), "run", "A", out).do(_said("joy"), recording)  # type: ignore[arg-type]
    monkeypatch.setattr("emofuse.folders.predict.keep", killed)
    with pytest.raises(KeyboardInterrupt):
        _PredictJob(FolderRequest("run"), "run", "B", out).do(_said("anger"), recording)  # type: ignore[arg-type]
    files = ResultFiles(out, "talk.wav")
    assert finished(files, recording, "A") is None, "the page says what B says"
    assert finished(files, recording, "B") is None


def test_pages_are_written_again_where_they_are_to_play_in_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(file: Path, **options: object) -> EmotionTimeline:
        warnings.warn("talk.wav: 1 utterance by vad", EmofuseWarning, stacklevel=2)
        return _said("joy")(file)

    write_wav(tmp_path / "talk.wav", np.zeros(1600))
    [recording], out = find_recordings([tmp_path / "talk.wav"]), tmp_path / "out"
    page = ResultFiles(out, "talk.wav").page
    jobs = {how: _PredictJob(FolderRequest("run", media=how), "run", "A", out) for how in ("link", "embed")}
    jobs["link"].do(held, recording)  # type: ignore[arg-type]
    linked = page.read_text("utf-8")
    known, failed = _done_before(jobs["embed"], [recording])
    embedded = page.read_text("utf-8")
    assert (list(known), failed) == (["talk.wav"], {})
    assert "data:audio" in embedded
    assert "data:audio" not in linked
    assert "<p>talk.wav: 1 utterance by vad</p>" in embedded
    before = page.stat().st_mtime_ns
    _done_before(jobs["embed"], [recording])
    assert page.stat().st_mtime_ns == before
    _done_before(jobs["link"], [recording])
    assert page.read_text("utf-8") == linked
    # One that cannot be played so is named, and the others go on.
    monkeypatch.setattr("emofuse.inference.timelines.page_media.MOST_EMBEDDED_BYTES", 1)
    known, failed = _done_before(jobs["embed"], [recording])
    assert known == {}
    assert "link it (--media link)" in failed["talk.wav"]


def test_a_recording_that_is_still_being_copied_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "talk.wav"
    write_wav(file, np.zeros(1600))
    recording, files = RecordingFile(file, "talk.wav"), ResultFiles(tmp_path / "out", "talk.wav")

    def half(place: Path, **options: object) -> EmotionTimeline:
        with place.open("ab") as stream:
            stream.write(bytes(100))
        return EmotionTimeline([segment(0.0, 0.1, recording=str(place))], LABELS)

    job = _PredictJob(FolderRequest("run"), "run", "fingerprint", tmp_path / "out")
    with pytest.raises(EmofuseError, match=r"talk\.wav: changed while it was predicted; run it again"):
        job.do(half, recording)  # type: ignore[arg-type]
    assert finished(files, recording, "fingerprint") is None
    # One that changes later still is not taken for what was predicted either.
    before = RecordingState.of(file)
    half(file)
    keep(files, before, "fingerprint", EmotionTimeline([segment(0.0, 0.1)], LABELS))
    assert finished(files, recording, "fingerprint") is None


def test_a_changed_run_or_question_is_another(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "copy")))
    same = run_fingerprint([run], {"every": 2.0})
    assert run_fingerprint([copy], {"every": 2.0}) == same
    assert run_fingerprint([copy], {"every": 3.0}) != same
    (copy.path / "report.html").write_text("x", encoding="utf-8")
    assert run_fingerprint([copy], {"every": 2.0}) == same
    (copy.path / "calibration.json").write_text('{"temperature": 2}', encoding="utf-8")
    assert run_fingerprint([copy], {"every": 2.0}) != same


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--text", "no"], "--text belongs to one recording"),
        (["--start", "1"], "--start belongs to one recording"),
        (["--json", "--label-map", "a=b"], "--label-map and --json belong to one recording; leave them out"),
        (["--csv"], "--csv belongs to one recording"),
        (["--no-starter", "--trust", "text=1"], "--no-starter and --trust belong"),
        (["--whole-frames"], "--whole-frames belongs"),
        (["--page", "p.html"], "leave out --page"),
        (["--also", "doc"], "--also: 'doc' is none of"),
        (["--media", "cloud"], "--media: 'cloud' is none of auto"),
    ],
)
def test_what_cannot_go_with_a_folder_is_said_first(tmp_path: Path, options: list[str], line: str) -> None:
    write_wav(tmp_path / "voice.wav", np.zeros(100))
    result = CliRunner().invoke(app, ["predict", "no run", str(tmp_path), *options])
    assert isinstance(result.exception, EmofuseError)
    assert line in str(result.exception)


@pytest.mark.parametrize(("option", "value"), [("--also", "vtt"), ("--jobs", "4")])
def test_what_is_for_a_folder_is_refused_where_a_clip_is_printed(
    tmp_path: Path, option: str, value: str
) -> None:
    write_wav(tmp_path / "voice.wav", np.zeros(100))
    result = CliRunner().invoke(app, ["predict", "no run", str(tmp_path / "voice.wav"), option, value])
    assert isinstance(result.exception, EmofuseError)
    assert option in str(result.exception)
    assert "--out FOLDER" in str(result.exception)


def test_a_name_too_long_for_its_results_is_told_before_it_is_predicted(tmp_path: Path) -> None:
    def predict(place: Path, **options: object) -> EmotionTimeline:
        raise AssertionError("it has been predicted")

    name = "a" * 247 + ".wav"
    write_wav(tmp_path / name, np.zeros(1600))
    recording, files = RecordingFile(tmp_path / name, name), ResultFiles(tmp_path / "out", name)
    assert finished(files, recording, "fingerprint") is None
    for also, over in (((), "1 byte"), ((".TextGrid",), "5 bytes")):
        job = _PredictJob(FolderRequest("run", also=also), "run", "fingerprint", tmp_path / "out")
        with pytest.raises(EmofuseError, match=f"its name is {over} too long for those of its results"):
            job.do(predict, recording)  # type: ignore[arg-type]
