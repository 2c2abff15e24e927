"""An encoder of voices that is not asked where no speech is heard."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.data.audio import read_audible
from emofuse.data.clip import clip_utterance
from emofuse.data.media_writer import write_wav
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.features.encoding import encode_utterances
from emofuse.features.identity import EncoderIdentity, UnusableInputError
from emofuse.recordings import speech_only, voice_activity
from emofuse.recordings.speech_only import SpeechOnly, where_speech_is_heard
from tests.recordings.made import MadeRecording

RATE = voice_activity.RATE
needs_silero = pytest.mark.skipif(
    not voice_activity.is_installed(), reason="the extra segment is not installed"
)


class Loudness:
    """How loud a sound is."""

    identity = EncoderIdentity(
        modality="audio", kind="test", name="loudness", revision="1", pooling="mean", dim=1
    )
    dim = 1

    def encode(self, items: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.array([[np.abs(item).mean()] for item in items], np.float32)


def noise(seconds: float) -> NDArray[np.float32]:
    return (0.05 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


@needs_silero
def test_noise_is_refused_and_speech_taken_whatever_came_before(film: MadeRecording) -> None:
    encoder, first = SpeechOnly(Loudness()), film.turns[0]
    said = read_audible(film.path, start=first.start, end=first.end).samples
    for sound in (noise(3), 0.3 * np.sin(np.arange(3 * RATE) / 9).astype(np.float32)):
        with pytest.raises(UnusableInputError, match=r"^no speech is heard$") as caught:
            encoder.encode([said, sound])
        assert caught.value.reason == "no-speech"
        np.testing.assert_array_equal(encoder.encode([said]), Loudness().encode([said]))
    assert encoder.identity == Loudness.identity
    assert encoder.dim == 1


@needs_silero
def test_one_utterance_of_noise_takes_no_other_with_it(film: MadeRecording, tmp_path: Path) -> None:
    write_wav(tmp_path / "noise.wav", noise(2), RATE)
    first = film.turns[0]
    said, _ = clip_utterance(film.path, start=first.start, end=first.end)
    other, _ = clip_utterance(tmp_path / "noise.wav")
    found = dict(encode_utterances([said, other], SpeechOnly(Loudness())))
    assert isinstance(found[said.id], np.ndarray)
    assert str(found[other.id]) == "no speech is heard"


def test_what_is_too_short_to_tell_is_taken() -> None:
    assert len(SpeechOnly(Loudness()).encode([noise(0.9)])) == 1


def test_without_voice_activity_the_encoder_is_asked_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Loudness()
    monkeypatch.setattr(speech_only, "is_installed", lambda: False)
    assert where_speech_is_heard(encoder) is encoder


def test_it_is_a_setting_of_sound_alone_and_changes_no_features() -> None:
    plain = EncoderSpec(modality="audio", name="logmel-functionals")
    asked = plain.model_copy(update={"speech_only": True})
    assert create_encoder(asked).identity == create_encoder(plain).identity
    with pytest.raises(ValueError, match="has no use for speech_only"):
        EncoderSpec(modality="video", name="frame-statistics", speech_only=True)
