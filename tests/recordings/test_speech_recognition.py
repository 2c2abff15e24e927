import pickle
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.recordings import recognisers, voice_activity
from emofuse.recordings.recognisers import LanguageError, Transcript, load_recogniser
from emofuse.recordings.segment import segment_recording
from emofuse.recordings.settings import SegmentSettings
from emofuse.recordings.speech_recognition import transcribe, windows_of
from emofuse.recordings.words import Word
from tests.recordings.made import MadeRecording

needs_silero = pytest.mark.skipif(
    not voice_activity.is_installed(), reason="the extra segment is not installed"
)
needs_whisper = pytest.mark.skipif(
    not (voice_activity.is_installed() and recognisers.is_installed()),
    reason="the extra asr is not installed",
)


def test_speech_is_gathered_in_windows_without_long_silence() -> None:
    spans = [(0, 5), (6, 15), (16, 27.5), (28, 30), (40, 42)]
    assert windows_of(spans) == [(0, 27.5), (28, 30), (40, 42)]
    assert windows_of([]) == []


class _Repeats:
    """Hears a word in the middle of every second, whatever is there; keeps the languages that it was told."""

    name = "a stand-in"

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.told: list[str | None] = []

    def __call__(self, samples: np.ndarray, language: str | None) -> Transcript:
        self.lengths.append(len(samples))
        self.told.append(language)
        seconds = len(samples) // 16000
        return Transcript([Word(i + 0.4, i + 0.6, f" w{i}") for i in range(seconds)], "de", 0.9)


@needs_silero
def test_what_is_made_up_beside_speech_is_left_out_and_windows_stay_short(ten_minutes: MadeRecording) -> None:
    hear = _Repeats()
    told: list[tuple[int, int, str]] = []
    found = transcribe(ten_minutes.path, SegmentSettings(), lambda *now: told.append(now), hear)
    assert max(hear.lengths) <= 29 * 16000
    assert len(hear.lengths) >= 600 / 29
    assert hear.told[:3] == [None, None, "de"]  # one language, once two windows agree
    assert found.language == "de"
    assert {what for _, _, what in told} == {"listening (seconds)", "writing down (seconds)"}
    for one in found.spoken:
        assert any(turn.start - 0.6 < one.end and one.start < turn.end + 0.6 for turn in ten_minutes.turns)


class _Library:
    """faster-whisper, which says at each temperature what it is told to say."""

    def __init__(self, said: dict[float, list[tuple[float, float, str]]]) -> None:
        self.model = SimpleNamespace(is_multilingual=False)
        self._said = said
        self.asked: list[list[float]] = []

    def transcribe(self, samples: np.ndarray, temperature: list[float], **options: Any) -> tuple[Any, Any]:
        self.asked.append(temperature)
        segments = (
            SimpleNamespace(
                start=start,
                end=end,
                text=text,
                avg_logprob=-0.1,
                no_speech_prob=0.0,
                compression_ratio=4.7,  # of the window, as the library has it
                words=[SimpleNamespace(start=start, end=end, word=f" {word}") for word in text.split()],
            )
            for start, end, text in self._said[temperature[0]]
        )
        return segments, SimpleNamespace(language="en", language_probability=1.0)


def words_by(library: _Library) -> list[str]:
    made = recognisers._FasterWhisper.__new__(recognisers._FasterWhisper)
    made._model = library
    return [word.text.strip() for word in made(np.zeros(16000, np.float32), None).words]


def test_a_sentence_that_people_repeat_is_written_down_and_a_text_in_circles_is_not() -> None:
    sentence = "Dogs are sitting by the door."
    repeated = _Library({0.0: [(3.0 * i, 3.0 * i + 2.0, sentence) for i in range(9)]})
    assert words_by(repeated) == sentence.split() * 9
    assert repeated.asked == [[0.0]]
    circles = (0.0, 28.0, "thank you " * 60)
    decoded_anew = _Library({0.0: [circles], 0.2: [(0.0, 2.0, sentence), circles]})
    assert words_by(decoded_anew) == sentence.split()
    hurried = (2.0, 3.0, "so we go on and on from here to there and back again now")
    assert words_by(_Library({0.0: [hurried], 0.2: [hurried]})) == []


@needs_whisper
@pytest.mark.timeout(200)
def test_a_real_clip_is_written_down_with_its_times(shared_media: Path) -> None:
    found = segment_recording(shared_media / "talking_head_1.mp4", SegmentSettings(by="asr", speakers=None))
    text = " ".join(one.text or "" for one in found.spoken).lower()
    assert found.by == "asr"
    assert found.language == "en"
    for words in (
        "congressional district",
        "second week of new member orientation",
        "how to use the tunnels",
    ):
        assert words in text
    orientation = next(one for one in found.spoken if "orientation" in (one.text or ""))
    assert (orientation.start, orientation.end) == (pytest.approx(1.5, abs=0.4), pytest.approx(4.5, abs=0.4))


@needs_whisper
def test_silence_is_not_written_down(shared_media: Path) -> None:
    with pytest.raises(EmofuseError, match=r"interview\.mp4: nobody is heard to speak"):
        segment_recording(shared_media / "interview.mp4", "asr")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="is no model of speech recognition"):
        load_recogniser(str(tmp_path))


@pytest.mark.skipif(find_spec("faster_whisper") is None, reason="the extra asr is not installed")
@pytest.mark.parametrize(("model", "advice"), [(None, "emofuse[asr]"), ("small", "leave --asr-model out")])
def test_a_model_that_cannot_be_loaded_is_named_an_option_only_where_one_named_it(
    monkeypatch: pytest.MonkeyPatch, model: str | None, advice: str
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("faster_whisper.WhisperModel", broken)
    monkeypatch.setattr(recognisers, "_packaged", lambda: "/packaged")
    with pytest.raises(EmofuseError, match=r"cannot be loaded \(no memory\)") as caught:
        load_recogniser(model)
    assert advice in str(caught.value)
    assert ("--" in str(caught.value)) == (model is not None)


def test_a_language_that_the_packaged_model_does_not_know_is_refused_before_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recognisers, "_FasterWhisper", lambda *given: SimpleNamespace(name="packaged"))
    for language in ("de", "xx"):
        with pytest.raises(LanguageError, match=r"^whisper-tiny\.en knows English only$") as caught:
            transcribe(Path("film.mp4"), SegmentSettings(by="asr", language=language))
        assert caught.value.advice == "name another with --asr-model"
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.advice) == (str(caught.value), caught.value.advice)


def test_a_code_that_no_language_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    small = SimpleNamespace(name="small", languages=["de", "en", "haw"])
    monkeypatch.setattr(recognisers, "_FasterWhisper", lambda *given: small)
    assert load_recogniser("small", language="de") is small
    with pytest.raises(LanguageError, match=r"^small knows no language 'DE'; perhaps 'de'$"):
        load_recogniser("small", language="DE")
    with pytest.raises(LanguageError, match=r"^small knows no language 'xx'$"):
        load_recogniser("small", language="xx")


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognisers, "find_spec", lambda name: None)
    with pytest.raises(EmofuseError, match=r"emofuse\[asr\]"):
        load_recogniser(None)
