from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.recordings import voice_embedding
from emofuse.recordings.speakers import group_voices, name_speakers
from emofuse.recordings.spoken import Spoken
from emofuse.recordings.voice_embedding import VoiceEmbedding, mel_power
from tests.recordings.made import MadeRecording

needs_weights = pytest.mark.skipif(
    not voice_embedding.is_installed(), reason="the weights of resemblyzer are not installed"
)


def voices(*counts: int, spread: float = 0.02, seed: int = 0) -> np.ndarray:
    """So many vectors near each of several far directions, one voice after the other."""
    rng = np.random.default_rng(seed)
    parts = [np.eye(16)[i] + spread * rng.standard_normal((n, 16)) for i, n in enumerate(counts)]
    found = np.concatenate(parts)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("counts", [(5,), (5, 7), (4, 3, 6)])
def test_as_many_voices_are_found_as_there_are(counts: tuple[int, ...]) -> None:
    order = np.random.default_rng(1).permutation(sum(counts))
    true = np.repeat(np.arange(len(counts)), counts)[order]
    found = group_voices(voices(*counts)[order], np.full(sum(counts), 2.0), "auto")
    first = [found[true == voice][0] for voice in range(len(counts))]
    assert sorted(first) == list(range(len(counts)))
    assert all(len(set(found[true == voice])) == 1 for voice in range(len(counts)))
    assert found[0] == 0  # who is heard first


def test_a_given_number_of_voices_is_kept_to() -> None:
    vectors, seconds = voices(4, 3, 6), np.full(13, 2.0)
    for number in (1, 2, 3):
        assert len(set(group_voices(vectors, seconds, number).tolist())) == number


def test_short_utterances_and_strays_choose_no_voice_but_join_the_nearest() -> None:
    vectors = np.concatenate([voices(5, 5), voices(1, 1, 1, seed=3)])
    seconds = np.array([3.0] * 10 + [0.4, 0.4, 0.4])
    found = group_voices(vectors, seconds, "auto")
    assert found.tolist()[:12] == [0] * 5 + [1] * 5 + [0, 1]
    assert set(found.tolist()) == {0, 1}


def test_one_utterance_and_none_at_all_are_no_trouble() -> None:
    assert group_voices(voices(1), np.array([2.0]), "auto").tolist() == [0]
    assert group_voices(voices(1), np.array([0.2]), 3).tolist() == [0]


def test_names_that_are_known_are_given_to_the_whole_voice(film: MadeRecording) -> None:
    """The embedding here is the direction of the turn's speaker, so that only the naming is looked at."""
    spoken = [
        Spoken(turn.start, turn.end, "ANNA" if place == 0 else None, turn.text)
        for place, turn in enumerate(film.turns)
    ]
    who = iter(0 if turn.speaker == "Anna" else 1 for turn in film.turns)
    found = name_speakers(
        film.path, spoken, "auto", embed=lambda samples: np.eye(2, dtype=np.float32)[next(who)]
    )
    expected = ["ANNA" if turn.speaker == "Anna" else "speaker 2" for turn in film.turns]
    assert [one.speaker for one in found] == expected
    assert [(one.start, one.text) for one in found] == [(one.start, one.text) for one in spoken]


@needs_weights
def test_a_real_woman_and_a_real_man_are_told_apart(real_voices: MadeRecording) -> None:
    spoken = [Spoken(turn.start, turn.end) for turn in real_voices.turns]
    found = name_speakers(real_voices.path, spoken, 2)
    pairs = [(turn.speaker, one.speaker) for turn, one in zip(real_voices.turns, found, strict=True)]
    right = max(sum((a == "Anna") == (b == name) for a, b in pairs) for name in ("speaker 1", "speaker 2"))
    assert right >= len(pairs) - 1


@needs_weights
def test_a_voice_is_a_vector_of_length_one_whatever_its_level() -> None:
    rng = np.random.default_rng(0)
    sound = np.cumsum(rng.standard_normal(32000)).astype(np.float32)
    sound *= 0.001 / np.abs(sound).max()
    embedding = VoiceEmbedding()
    loud, quiet = embedding.embed(sound), embedding.embed(0.1 * sound)
    assert loud.shape == (256,)
    assert np.linalg.norm(loud) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(loud, quiet, atol=1e-3)


def test_mel_power_puts_a_tone_in_its_band_with_its_power() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    power = mel_power(tone)
    assert power.shape == (101, 40)
    # Slaney's scale is linear below 1 kHz: 15 mels of the 45.25 up to 8 kHz lie below it, in 41 steps.
    assert power[50].argmax() == round(15 / 45.2455 * 41) - 1
    np.testing.assert_allclose(mel_power(2 * tone)[50], 4 * power[50], rtol=1e-3)


def test_weights_that_are_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pretrained.pt").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(EmofuseError, match="not the voice encoder that emofuse knows"):
        VoiceEmbedding(tmp_path / "pretrained.pt")
