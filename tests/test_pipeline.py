from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from emofuse import EmofuseError, EmotionPipeline, Manifest
from emofuse.data.audio import read_audio
from emofuse.data.channels import CHANNELS_CANCEL
from emofuse.data.frames import read_frames
from emofuse.data.media_writer import write_video, write_wav
from emofuse.errors import EmofuseWarning
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.timeline import EmotionTimeline
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.data.material import encode_sound, still_with_sound
from tests.recordings.made import SIZE, make_recording
from tests.small_corpus import LABELS, SMALL_MODEL, make_corpus, small_settings, tone_of, write_clip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("corpus"), dialogues=9)


@pytest.fixture(scope="module")
def run(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    # Rows that lose modalities in training teach the model to do without them.
    settings = small_settings(
        corpus,
        optimiser__epochs=25,
        optimiser__learning_rate=0.01,
        optimiser__patience=25,
        optimiser__monitor="val_loss",
        model__options=SMALL_MODEL | {"modality_dropout": 0.4},
    )
    return fit_run(settings, corpus, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def pipe(run: RunFolder) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(run.path, device="cpu")


def test_an_easy_corpus_is_learnt_from_raw_clips_and_new_ones_are_recognised(
    run: RunFolder, corpus: Manifest, pipe: EmotionPipeline, tmp_path: Path
) -> None:
    assert evaluate_fit(run, corpus).test.accuracy == 1.0
    rng = np.random.default_rng(7)
    for label in LABELS:
        write_clip(tmp_path / f"{label} né.mp4", label, rng)
        [segment] = pipe(tmp_path / f"{label} né.mp4")
        assert segment.label == label
        assert segment.used == ("audio", "video")
        assert set(segment.missing) == {"text"}
        assert sum(segment.probabilities.values()) == pytest.approx(1.0)
        assert segment.end == pytest.approx(0.6, abs=0.1)


def test_a_prediction_from_a_clip_is_the_one_that_evaluation_made(
    run: RunFolder, corpus: Manifest, pipe: EmotionPipeline
) -> None:
    evaluate_fit(run, corpus)
    table = pd.read_parquet(run.predictions_file).set_index("id")
    for row in corpus.select(list(table.index)[:4]).rows():
        [segment] = pipe(row.video, text=row.text)
        expected = [table.loc[row.id, f"p_{label}"] for label in LABELS]
        np.testing.assert_allclose([segment.probabilities[label] for label in LABELS], expected, atol=1e-5)


def test_a_prediction_runs_window_by_window_in_the_precision_that_is_asked(
    run: RunFolder, corpus: Manifest, pipe: EmotionPipeline
) -> None:
    row = next(iter(corpus.rows()))
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        [exact] = pipe(row.video, text=row.text)
    ran = {event.key for event in profiled.key_averages()}
    assert {"aten::_scaled_dot_product_flash_attention_for_cpu", "aten::gelu_"} <= ran
    rounding = EmotionPipeline.from_pretrained(run.path, device="cpu", precision="bf16")
    [rounded] = rounding(row.video, text=row.text)
    differences = [abs(exact.probabilities[label] - rounded.probabilities[label]) for label in LABELS]
    assert 0.0 < max(differences) < 0.05


def test_a_manifest_is_predicted_in_its_order(corpus: Manifest, pipe: EmotionPipeline) -> None:
    segments = pipe.predict_manifest(corpus)
    assert [segment.id for segment in segments] == corpus.ids
    assert all(segment.used == ("text", "audio", "video") and not segment.missing for segment in segments)
    alone = pipe.predict([corpus.utterance(corpus.ids[5])])[0]
    np.testing.assert_allclose(
        list(alone.probabilities.values()), list(segments[5].probabilities.values()), atol=1e-5
    )


def test_what_is_missing_is_masked_and_named(pipe: EmotionPipeline, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    write_clip(tmp_path / "silent.mp4", "joy", rng, sound=False)
    [seen] = pipe(tmp_path / "silent.mp4")
    assert seen.used == ("video",)
    assert "audio" in seen.missing

    write_wav(tmp_path / "voice.wav", tone_of("joy", rng), 16000)
    [heard] = pipe(tmp_path / "voice.wav", text="what a wonderful day, 1")
    assert heard.used == ("text", "audio")
    assert heard.label == "joy"
    assert "video" in heard.missing

    [read] = pipe(text="what a wonderful day")
    assert read.used == ("text",)
    assert read.end is None


def test_digital_silence_is_no_modality_and_told(pipe: EmotionPipeline, tmp_path: Path) -> None:
    frames = np.full((6, 32, 40, 3), 90, np.uint8)
    write_video(tmp_path / "mute.mp4", frames, 10)
    write_video(tmp_path / "zeros.mp4", frames, 10, audio=np.zeros(9600, np.float32))
    [mute], [zeros] = pipe(tmp_path / "mute.mp4"), pipe(tmp_path / "zeros.mp4")
    assert zeros.used == mute.used == ("video",)
    assert "its sound is silent, so there is no voice to go by [silent]" in zeros.missing["audio"]
    assert zeros.probabilities == pytest.approx(mute.probabilities, abs=1e-6)


def test_channels_that_cancel_are_told_and_the_louder_is_heard(pipe: EmotionPipeline, tmp_path: Path) -> None:
    voice = tone_of("joy", np.random.default_rng(5)).astype(np.float32)
    encode_sound(tmp_path / "one.wav", voice[None], 16000, "pcm_s16le")
    encode_sound(tmp_path / "two.wav", np.stack([voice, -0.9 * voice]), 16000, "pcm_s16le")
    [one], [two] = pipe(tmp_path / "one.wav"), pipe(tmp_path / "two.wav")
    assert (one.notes, two.notes) == ({}, {"audio": CHANNELS_CANCEL})
    assert two.used == ("audio",)
    assert two.probabilities == pytest.approx(one.probabilities, abs=1e-3)


def test_a_cover_is_no_video_in_any_segment(pipe: EmotionPipeline, tmp_path: Path) -> None:
    path = still_with_sound(tmp_path / "song.mkv", 12.0)
    segments = pipe(path, every=4.0)
    assert [round(s.start) for s in segments] == [0, 4, 8]
    assert all(s.used == ("audio",) and s.missing["video"] == "no video was given" for s in segments)


def test_modalities_can_be_switched_off_at_prediction(
    corpus: Manifest, pipe: EmotionPipeline, run: RunFolder
) -> None:
    row = next(iter(corpus.rows()))
    [words] = pipe(row.video, text=row.text, modalities=["text"])
    assert words.used == ("text",)
    assert words.missing["video"] == "switched off"
    [only] = pipe(text=row.text)
    np.testing.assert_allclose(
        list(words.probabilities.values()), list(only.probabilities.values()), atol=1e-6
    )
    reads = EmotionPipeline.from_pretrained(run.path, device="cpu", modalities=["text"])
    assert [*reads.encoders] == ["text"]
    assert reads(text=row.text) == pipe(text=row.text)
    assert reads(row.video, text=row.text)[0].missing["audio"] == "its encoder was not loaded"
    [nothing] = pipe(text=row.text, modalities=["audio"])
    assert (nothing.used, nothing.label, nothing.probabilities) == ((), None, {})
    with pytest.raises(EmofuseError, match="does not use smell"):
        pipe(text="x", modalities=["smell"])  # type: ignore[list-item]


def test_a_recording_is_cut_into_segments(pipe: EmotionPipeline, tmp_path: Path) -> None:
    from tests.small_corpus import COLOURS

    halves = [np.full((10, 32, 40, 3), COLOURS[label], np.uint8) for label in ("anger", "sadness")]
    write_video(tmp_path / "two.mp4", np.concatenate(halves), 10)
    segments = pipe(tmp_path / "two.mp4", every=1.0)
    assert [round(s.start, 2) for s in segments] == [0.0, 1.0]
    assert segments[0].probabilities != pytest.approx(segments[1].probabilities, abs=1e-3)
    [late] = pipe(tmp_path / "two.mp4", start=1.0, end=2.0)
    assert late.probabilities == pytest.approx(segments[1].probabilities, abs=1e-5)
    with pytest.raises(EmofuseError, match="above 0 seconds"):
        pipe(tmp_path / "two.mp4", every=0.0)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"\x00garbage" * 100, "garbage.mp4")])
def test_a_file_that_is_no_medium_is_one_clear_line(
    pipe: EmotionPipeline, tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "garbage.mp4"
    path.write_bytes(content)
    with pytest.raises(EmofuseError, match=reason) as caught:
        pipe(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(EmofuseError, match="nothing to predict"):
        pipe()


def test_a_folder_that_is_no_run_is_named(tmp_path: Path, run: RunFolder) -> None:
    with pytest.raises(EmofuseError, match="no such run folder"):
        EmotionPipeline.from_pretrained(tmp_path / "none")
    with pytest.raises(EmofuseError, match=r"run\.json is missing"):
        EmotionPipeline.from_pretrained(tmp_path)


def test_real_clips_are_predicted_with_and_without_text(pipe: EmotionPipeline, shared_media: Path) -> None:
    for clip in sorted(shared_media.glob("*.mp4")):
        [without] = pipe(clip, end=3.0)
        [with_text] = pipe(clip, end=3.0, text="That was not what I expected.")
        assert without.used == ("audio", "video")
        assert with_text.used == ("text", "audio", "video")
        assert all(np.isfinite(list(s.probabilities.values())).all() for s in (without, with_text))


def test_rows_without_times_last_as_long_as_their_recordings(pipe: EmotionPipeline, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, LABELS[0], rng)
    (tmp_path / "manifest.csv").write_text(
        "id,dialogue,turn,text,video\nu0,d,0,,a.mp4\nu1,d,1,only words,\nu2,d,2,,b.mp4\n", encoding="utf-8"
    )
    told = pipe.predict_manifest(Manifest.read(tmp_path / "manifest.csv").validate())
    assert [segment.recording for segment in told] == [str(tmp_path / "a.mp4"), None, str(tmp_path / "b.mp4")]
    assert [told[0].end, told[2].end] == pytest.approx([0.6, 0.6], abs=0.1)
    assert told[1].end is None


def test_what_was_said_before_is_context_and_not_told(pipe: EmotionPipeline, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", LABELS[0], np.random.default_rng(3))
    with pytest.warns(EmofuseWarning, match="What was said before changes nothing"):
        [told] = pipe(tmp_path / "a.mp4", text="well", context=["First this.", "Then that."])
    [alone] = pipe(tmp_path / "a.mp4", text="well")
    # This run sees utterances one by one: context changes nothing, and has no segments of its own.
    assert told.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert (told.id, told.start, told.end, told.used) == (alone.id, alone.start, alone.end, alone.used)


def test_arrays_are_predicted_as_the_same_recording_on_a_disk_is(
    pipe: EmotionPipeline, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    write_clip(tmp_path / "joy.mp4", "joy", rng)
    frames, sound = read_frames(tmp_path / "joy.mp4", n=6), read_audio(tmp_path / "joy.mp4")
    [from_file] = pipe(tmp_path / "joy.mp4")
    [both] = pipe(frames, fps=10, audio=torch.from_numpy(sound), sampling_rate=16000)
    assert (both.id, both.recording, both.used) == ("frames", None, ("audio", "video"))
    np.testing.assert_allclose(
        list(both.probabilities.values()), list(from_file.probabilities.values()), atol=0.02
    )
    [heard] = pipe(sound, sampling_rate=16000)
    assert (heard.id, heard.used, heard.label) == ("waveform", ("audio",), "joy")
    assert heard.end == pytest.approx(0.6, abs=0.05)
    parts = pipe(np.tile(sound, 4), sampling_rate=16000, every=1.2)
    assert [(s.id, round(s.start, 1)) for s in parts] == [("waveform#0", 0.0), ("waveform#1", 1.2)]
    [silent] = pipe(frames, fps=10, audio=np.zeros(9600), sampling_rate=16000)
    assert silent.missing["audio"].startswith("waveform.wav: ")


def test_a_list_gives_a_result_for_each(pipe: EmotionPipeline, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    for label in ("joy", "anger"):
        write_clip(tmp_path / f"{label}.mp4", label, rng)
    told = pipe([tmp_path / "joy.mp4", tmp_path / "anger.mp4"])
    assert [[s.label for s in each] for each in told] == [["joy"], ["anger"]]
    assert isinstance(told[0], EmotionTimeline)
    assert told[0] == pipe(tmp_path / "joy.mp4")
    page = told[0].save(tmp_path / "joy.html").read_text(encoding="utf-8")
    assert "data:video/mp4;base64," in page
    with pytest.raises(EmofuseError, match="a list of recordings takes no audio and no text"):
        pipe([tmp_path / "joy.mp4"], text="what a day")
    with pytest.raises(EmofuseError, match="media: is a path, or an array"):
        pipe(7)  # type: ignore[call-overload]


def test_a_recording_is_predicted_utterance_by_utterance(pipe: EmotionPipeline, tmp_path: Path) -> None:
    made = make_recording(tmp_path, seconds=12)
    told: list[str] = []
    with pytest.warns(EmofuseWarning, match="by subtitles"):
        segments = pipe(made.path, segment="auto", progress=lambda done, total, what: told.append(what))
    assert [(s.speaker, s.text) for s in segments] == [(t.speaker.upper(), t.text) for t in made.turns]
    assert [s.start for s in segments] == pytest.approx([t.start for t in made.turns], abs=1e-3)
    assert all(s.used == ("text", "audio", "video") and s.recording == str(made.path) for s in segments)
    assert "predicting" in told


def test_who_is_seen_speaking_is_told_and_the_others_are_listeners(
    pipe: EmotionPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_recording(tmp_path, seconds=8)

    def detect(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        face = np.array([0.18, 0.15, 0.82, 0.95]) * SIZE
        both = np.stack([face, face + np.array([SIZE, 0, SIZE, 0])]).astype(np.float32)
        return np.tile(both, (len(pictures), 1)), np.arange(len(pictures)).repeat(2)

    monkeypatch.setattr("emofuse.recordings.seen_speaking._mtcnn", lambda: detect)
    monkeypatch.setattr("emofuse.recordings.seen_speaking.LEAST_MOVEMENT", 0.0)  # drawn mouths move little
    with pytest.warns(EmofuseWarning, match="by subtitles"):
        segments = pipe(made.path, segment="subtitles", faces=True)
    seen = [s for s in segments if s.face is not None]
    assert len(seen) == len(segments)
    assert all(len(s.listeners) == 1 and s.to_dict()["face"] == s.face for s in seen)
    page = segments.save_page(tmp_path / "film.html", media="none").read_text("utf-8")
    assert page.count("a listener: on the") == len(seen)
    with pytest.raises(EmofuseError, match="give segment as well"):
        pipe(made.path, faces=True)
    with pytest.raises(EmofuseError, match=r"none\.pt: cannot be read"):
        pipe(made.path, segment="subtitles", active_speaker=tmp_path / "none.pt")
