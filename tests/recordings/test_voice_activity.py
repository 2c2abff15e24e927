import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emofuse.data.sound_blocks import sound_blocks
from emofuse.recordings import voice_activity
from emofuse.recordings.settings import SegmentSettings
from emofuse.recordings.voice_activity import (
    RATE,
    VoiceActivity,
    speech_probabilities,
    speech_spans,
    spoken_by_activity,
)
from tests.recordings.made import MadeRecording, Turn

needs_silero = pytest.mark.skipif(
    not voice_activity.is_installed(), reason="the extra segment is not installed"
)


def missed_and_made_up(
    turns: tuple[Turn, ...], spans: list[tuple[float, float]], seconds: float
) -> tuple[float, float]:
    """Shares of the speech that was not found, and of the silence that was taken for speech."""
    hundredths = np.arange(round(100 * seconds)) / 100
    said = np.any([(hundredths >= t.start) & (hundredths < t.end) for t in turns], axis=0)
    found = np.any([(hundredths >= a) & (hundredths < b) for a, b in spans], axis=0)
    return float((said & ~found).sum() / said.sum()), float((found & ~said).sum() / (~said).sum())


@needs_silero
@pytest.mark.timeout(120)
def test_ten_minutes_of_turns_are_found_each_by_itself(ten_minutes: MadeRecording) -> None:
    settings = SegmentSettings(pad=0.05, pause=0.35)
    told: list[tuple[int, int]] = []
    spoken = spoken_by_activity(
        ten_minutes.path, settings, lambda done, total, what: told.append((done, total))
    )
    assert abs(len(spoken) - len(ten_minutes.turns)) <= 4
    spans = [(one.start, one.end) for one in spoken]
    missed, made_up = missed_and_made_up(ten_minutes.turns, spans, ten_minutes.seconds)
    assert missed < 0.04
    assert made_up < 0.15
    assert told[-1] == (600, 600)
    assert len(told) > 30


@needs_silero
def test_real_voices_are_found(real_voices: MadeRecording) -> None:
    spoken = spoken_by_activity(real_voices.path, SegmentSettings())
    assert abs(len(spoken) - len(real_voices.turns)) <= 1
    missed, made_up = missed_and_made_up(real_voices.turns, [(s.start, s.end) for s in spoken], 60)
    assert missed < 0.05
    assert made_up < 0.3


@needs_silero
def test_the_stream_hears_what_the_packages_own_loop_hears(film: MadeRecording) -> None:
    """The reference is the package's TorchScript model, run piece by piece as its documentation has it."""
    import torch
    from silero_vad import load_silero_vad

    sound = np.concatenate(list(sound_blocks(film.path)))[: 6 * RATE]
    activity = VoiceActivity()
    pieces = [activity.push(sound[i : i + 1000]) for i in range(0, len(sound), 1000)]
    streamed = np.concatenate([*pieces, activity.finish()])
    model = load_silero_vad()
    whole = np.pad(sound, (0, -len(sound) % 512))
    expected = [model(torch.from_numpy(whole[i : i + 512]), RATE).item() for i in range(0, len(whole), 512)]
    np.testing.assert_allclose(streamed, expected, atol=2e-3)


@needs_silero
def test_silence_and_hum_are_no_speech() -> None:
    time = np.arange(5 * RATE) / RATE
    for sound in (np.zeros(5 * RATE), 0.3 * np.sin(2 * np.pi * 50 * time)):
        found, samples = speech_probabilities([sound.astype(np.float32)])
        assert samples == 5 * RATE
        assert speech_spans(found, samples, SegmentSettings()) == []


@needs_silero
def test_a_monologue_is_divided_at_its_longest_pause_and_what_is_short_is_left_out() -> None:
    per_second = RATE / 512
    heard = np.ones(round(30 * per_second), np.float32)
    for at, length in ((5, 0.2), (13, 0.4), (17, 0.2)):
        heard[round(at * per_second) : round((at + length) * per_second)] = 0
    settings = SegmentSettings(longest=18, pause=0.5, pad=0.0)
    spans = speech_spans(heard, 30 * RATE, settings)
    assert spans[0] == (0, pytest.approx(13, abs=0.05))
    assert spans[1][0] == pytest.approx(13.4, abs=0.05)
    blip = np.zeros(100, np.float32)
    blip[10:15] = 1  # 160 ms
    assert speech_spans(blip, 51200, settings) == []
    assert len(speech_spans(blip, 51200, SegmentSettings(min_speech=0.1))) == 1


@needs_silero
def test_padding_never_makes_two_utterances_overlap() -> None:
    heard = np.tile(np.r_[np.ones(40), np.zeros(20)], 5).astype(np.float32)
    spans = speech_spans(heard, len(heard) * 512, SegmentSettings(pause=0.5, pad=1.0))
    assert len(spans) == 5
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


@needs_silero
def test_threads_of_torch_stay_as_they_are() -> None:
    import torch

    before = torch.get_num_threads()
    speech_spans(np.zeros(10, np.float32), 5120, SegmentSettings())
    assert torch.get_num_threads() == before


@needs_silero
def test_onnx_runtime_reports_nothing(tmp_path: Path) -> None:
    """Its telemetry begins with a file of its session in the temporary folder."""
    code = "from emofuse.recordings.voice_activity import VoiceActivity; VoiceActivity()"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], env=environment | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
