"""What a worker makes of a recording: utterances that are found, names of the client, no path of this machine."""

from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emofuse import EmofuseError, EmotionPipeline
from emofuse.app import worker
from emofuse.app.hidden_places import without_places
from emofuse.app.limits import ServeLimits
from emofuse.app.page_parts import error_box, explanation_table, introduction, progress_box, timeline_frame
from emofuse.app.predicting import describe_run, predict_recording
from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import JobStatus, Prediction, PredictOptions, RunDescription, Segment, Shares
from emofuse.app.tasks import PredictTask
from emofuse.app.worker import WorkerSetup
from emofuse.cli.serve import _check_extra
from emofuse.data.clip import clip_utterance
from emofuse.data.media_writer import write_wav
from emofuse.explanation import explain
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.recordings.made import make_recording
from tests.small_runs import text_corpus, text_settings

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def pipe(media_run: RunFolder) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(media_run.path, device="cpu")


def test_utterances_are_found_told_and_shown(pipe: EmotionPipeline, tmp_path: Path) -> None:
    made = make_recording(tmp_path / "hidden", seconds=14.0, picture=False, subtitles=False)
    upload = made.path.rename(made.path.with_name("recording"))
    options = PredictOptions(segment="vad", by_modality=True)
    steps: list[tuple[int, int, str]] = []
    task = PredictTask(upload, f"{EVIL}.wav", options, page=tmp_path / "page.html")
    answer = predict_recording(
        pipe, task, describe_run(pipe, "small"), lambda done, total, what: steps.append((done, total, what))
    )
    assert len(answer.segments) == len(made.turns)
    for segment, turn in zip(answer.segments, made.turns, strict=True):
        assert (segment.start, segment.end) == pytest.approx((turn.start, turn.end), abs=0.4)
        assert segment.id.startswith(f"{EVIL}.wav#")
    assert f"{EVIL}.wav: {len(made.turns)} utterances by vad." in answer.notes
    assert "predicting" in {what for _, _, what in steps}
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "data:audio/wav;base64," in page
    for text in (answer.model_dump_json(), page):
        assert str(tmp_path) not in text
    assert EVIL not in page
    assert "&lt;img src=x" in page


def test_what_a_recording_is_refused_for(pipe: EmotionPipeline, media_run: RunFolder, tmp_path: Path) -> None:
    made = make_recording(tmp_path, seconds=8.0, picture=False, subtitles=False)
    write_wav(tmp_path / "hiss", 0.01 * np.random.default_rng(0).standard_normal(48000))
    run = describe_run(pipe, "small")

    def refusal(file: Path = made.path, **given: object) -> RefusedError:
        options = PredictOptions.model_validate(given)
        task = PredictTask(file, "né.wav", options, longest=None if given else 7.0)
        with pytest.raises(RefusedError) as refused:
            predict_recording(pipe, task, run, lambda *_: None)
        assert str(tmp_path) not in refused.value.line
        assert str(media_run.path) not in refused.value.line
        return refused.value

    assert (refusal().status, refusal().line[:22]) == (413, "né.wav lasts 8 s, and ")
    # Advice names fields of the request, and no options of the command line.
    without = "leave segment out, which takes the recording as one utterance, or give every in its place, which cuts it"
    subtitles, nobody = refusal(segment="subtitles"), refusal(tmp_path / "hiss", segment="vad")
    assert "none in text inside; ask for segment vad, which goes by the sound, or leave" in subtitles.line
    assert (nobody.status, nobody.line) == (422, f"né.wav: nobody is heard to speak in it; {without}")
    assert "--" not in subtitles.line
    assert "emofuse evaluate the run" in refusal(coverage=0.9).line


def test_a_lack_of_memory_names_fields_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*arguments: object) -> Prediction:
        raise MemoryError

    monkeypatch.setattr("emofuse.app.predicting.predict_recording", too_large)
    task = PredictTask(Path("talk.mp4"), "talk.mp4", PredictOptions())
    here, there = Pipe()
    with here, there:
        failed = worker._outcome(None, None, None, task, here)
    assert (failed.status, failed.line) == (500, "there is not enough memory for it: cut it, or give every")


def test_an_end_that_nothing_reaches_fills_no_memory(pipe: EmotionPipeline, tmp_path: Path) -> None:
    made = make_recording(tmp_path, seconds=8.0, picture=False, subtitles=False)
    run, far = describe_run(pipe, "small"), PredictOptions(text="hi", every=4.0, end=1e9)
    wordless = far.model_copy(update={"text": None})
    answer = predict_recording(pipe, PredictTask(made.path, "né.wav", wordless), run, lambda *_: None)
    assert [s.end for s in answer.segments] == pytest.approx([4.0, 8.0])
    with pytest.raises(RefusedError, match="would cut text into more than 5000 segments") as refused:
        predict_recording(pipe, PredictTask(None, "text", far), run, lambda *_: None)
    assert refused.value.status == 422
    with pytest.raises(RefusedError, match="the words of text would count as said in each of 2 segments"):
        predict_recording(pipe, PredictTask(made.path, "né.wav", far), run, lambda *_: None)


def test_a_segment_of_silence_is_predicted_and_said_to_have_no_explanation(
    pipe: EmotionPipeline, tmp_path: Path
) -> None:
    sound = np.zeros(6 * 16_000, np.float32)
    sound[: 3 * 16_000] = 0.3 * np.sin(np.arange(3 * 16_000) / 9)
    write_wav(tmp_path / "upload", sound)
    task = PredictTask(tmp_path / "upload", "né.wav", PredictOptions(every=3.0, explain=True))
    answer = predict_recording(pipe, task, describe_run(pipe, "small"), lambda *_: None)
    assert [segment.label is None for segment in answer.segments] == [False, True]
    assert answer.segments[1].probabilities == {}
    told, silent = (segment.explanation for segment in answer.segments)
    assert told is not None
    assert silent is not None
    assert set(told.shapley) == {"audio"}
    assert silent.shapley == silent.leave_one_out == {}
    assert silent.notes == ["Nothing from 3.0 to 6.0 s could be used, so there is nothing to explain."]
    table = explanation_table(answer)
    assert silent.notes[0] in table


def test_what_is_explained_is_what_was_predicted_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = text_corpus(tmp_path / "corpus")
    settings = text_settings(corpus, data__normalise={"text": "recording"})
    run = EmotionPipeline.from_pretrained(fit_run(settings, corpus, tmp_path / "run").path, device="cpu")
    options = PredictOptions(text="I miss her", context=("how dare you", "I hate this"), explain=True)
    task = PredictTask(None, "text", options)
    [segment] = predict_recording(run, task, describe_run(run, "small"), lambda *_: None).segments
    alone = explain(run, clip_utterance(None, text="I miss her")[0])
    assert alone.probabilities != pytest.approx(segment.probabilities, abs=1e-4)
    assert segment.explanation is not None
    moved = segment.probabilities[segment.label] - alone.nothing[segment.label]
    assert segment.explanation.shapley["text"] == pytest.approx(moved, abs=1e-6)
    # However many segments are explained, what is said beside them is encoded once for the prediction and once for all.
    encoded: list[str] = []
    usual = run.encoders["text"].encode
    monkeypatch.setattr(
        run.encoders["text"], "encode", lambda texts: (encoded.extend(texts), usual(texts))[1]
    )
    several = options.model_copy(update={"every": 1.0, "end": 3.0})
    task = PredictTask(None, "text", several)
    answer = predict_recording(run, task, describe_run(run, "small"), lambda *_: None)
    assert [s.explanation is not None for s in answer.segments] == [True] * 3
    assert len(encoded) == 2 * (3 + len(options.context))


def test_the_pieces_of_the_page_escape_what_came_from_outside() -> None:
    run = RunDescription(
        name=EVIL, system="x", task="classification", labels=[EVIL], modalities=["text"], notes=[EVIL]
    )
    segment = Segment(
        id=EVIL,
        start=0,
        end=1,
        label=EVIL,
        probabilities={},
        used=[],
        missing={},
        explanation=Shares(shapley={EVIL: 0.125}, leave_one_out={}, notes=[EVIL]),
    )
    prediction = Prediction(
        recording=EVIL,
        seconds=1,
        labels=[],
        segments=[segment, segment.model_copy(update={"explanation": None})],
    )
    table = explanation_table(prediction)
    pieces = [
        introduction(run, ServeLimits()),
        error_box(EVIL),
        timeline_frame(f'"{EVIL}', has_page=True),
        progress_box(JobStatus(id="x", state="running", done=1, total=3, doing=EVIL)),
        table,
    ]
    assert not any("<img" in piece for piece in pieces)
    assert "+12.5" in table
    assert "The first 1 of 2 segments." in table
    assert 'value="1" max="3"' in pieces[3]
    assert "2 before it" in progress_box(JobStatus(id="x", state="waiting", position=2))


def test_a_server_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmofuseError, match=r"pip install 'emofuse\[app\]'"):
        _check_extra()


def test_a_worker_s_setup_crosses_to_another_process() -> None:
    import pickle

    setup = WorkerSetup("run", "cpu", 1, Path("x"))
    assert pickle.loads(pickle.dumps(setup)) == setup
    assert str(pickle.loads(pickle.dumps(RefusedError(413, "too\nlong")))) == "too long"


def test_the_place_of_the_run_is_hidden_and_no_word_is_garbled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def shown(line: str, run: Path) -> str:
        pipe = SimpleNamespace(folder=RunFolder(run))
        return without_places(line, pipe, {None: "words alone"})  # type: ignore[arg-type]

    words = "None: the recording is cut off or damaged; see r/encoders"
    for run in (Path("r"), tmp_path / "r"):
        assert shown(words, run) == words
        assert (
            shown(f"{tmp_path}/r/run.json: `read {tmp_path}/r`.", run) == "the run/run.json: `read the run`."
        )
        others = f"{tmp_path}/r-2 {tmp_path}/r.old {tmp_path}/rs /data{tmp_path}/r"
        assert shown(others, run) == others
    # A worker opens a run by its whole path, so that messages hold nothing else.
    (tmp_path / "r").mkdir()
    assert worker._whole_place("r") == "r"
    (tmp_path / "r" / "run.json").touch()
    assert worker._whole_place("r") == str((tmp_path / "r").resolve())
