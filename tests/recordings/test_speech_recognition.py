from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.recordings import recognisers, voice_activity
from emofuse.recordings.recognisers import Transcript, load_recogniser
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


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognisers, "find_spec", lambda name: None)
    with pytest.raises(EmofuseError, match=r"emofuse\[asr\]"):
        load_recogniser(None)
