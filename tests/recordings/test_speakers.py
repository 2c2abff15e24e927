import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.errors import EmofuseError
from emofuse.recordings import voice_embedding
from emofuse.recordings.segment import segment_recording
from emofuse.recordings.settings import SegmentSettings
from emofuse.recordings.speakers import group_voices, name_speakers
from emofuse.recordings.spoken import Spoken
from emofuse.recordings.voice_embedding import VoiceEmbedding, mel_power
from emofuse.recordings.voice_models import SpeakerVerifier
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


def test_a_line_that_is_repeated_is_no_voice_of_its_own() -> None:
    """Two voices with six lines each, which they say twenty times over; lines of one voice lie far from each other."""
    lines = voices(6, 6, spread=0.12, seed=5)
    said = np.tile(lines, (20, 1)) + 0.003 * np.random.default_rng(2).standard_normal((240, 16))
    said = (said / np.linalg.norm(said, axis=1, keepdims=True)).astype(np.float32)
    own = 1 - (lines[:6] @ lines[:6].T)[np.triu_indices(6, 1)]
    assert np.median(own) > 0.14
    found = group_voices(said, np.full(240, 2.0), "auto")
    assert found.tolist() == ([0] * 6 + [1] * 6) * 20


def test_a_smaller_distance_finds_more_voices() -> None:
    vectors = np.concatenate([voices(8, 8, spread=0.06), voices(8, spread=0.06, seed=1)])
    vectors[16:] += np.eye(16)[2].astype(np.float32) * 0.6
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = [len(set(group_voices(vectors, np.full(24, 2.0), "auto", apart))) for apart in (0.02, 0.1, 1.1)]
    assert counts == [3, 2, 1]


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


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A speaker verifier as transformers saves it, small and untrained."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    folder = tmp_path_factory.mktemp("verifier")
    config = WavLMConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_kernel=(10, 8),
        conv_stride=(5, 64),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        tdnn_dim=(8, 8),
        tdnn_kernel=(3, 1),
        tdnn_dilation=(1, 1),
        xvector_output_dim=12,
    )
    torch.manual_seed(0)
    WavLMForXVector(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder


def test_a_verifier_of_transformers_makes_the_vectors_where_it_is_named(
    verifier: Path, film: MadeRecording, tmp_path: Path
) -> None:
    from transformers import WavLMForXVector

    sound = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    made = SpeakerVerifier(str(verifier)).embed(sound)
    given = torch.from_numpy((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))[None]
    with torch.inference_mode():
        expected = WavLMForXVector.from_pretrained(verifier).eval()(given).embeddings[0]
    np.testing.assert_allclose(made, expected / expected.norm(), atol=1e-5)
    cues = "".join(
        f"{i}\n00:00:{turn.start:06.3f} --> 00:00:{turn.end:06.3f}\nWell.\n\n".replace(".", ",", 2)
        for i, turn in enumerate(film.turns[:4], 1)
    )
    (tmp_path / "plain.srt").write_text(cues, encoding="utf-8")
    settings = SegmentSettings(
        by="subtitles", subtitles=tmp_path / "plain.srt", voice_model=str(verifier), speakers=2
    )
    found = segment_recording(film.path, settings)
    assert set(found.speakers) == {"speaker 1", "speaker 2"}


def test_a_model_that_verifies_no_speakers_is_refused(verifier: Path, tmp_path: Path) -> None:
    config = json.loads((verifier / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "bert"}), encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes((verifier / "model.safetensors").read_bytes())
    with pytest.raises(EmofuseError, match="no speaker verifier of the class bert"):
        SpeakerVerifier(str(tmp_path))


def test_mel_power_puts_a_tone_in_its_band_with_its_power() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    power = mel_power(tone)
    assert power.shape == (101, 40)
    # Slaney's scale is linear below 1 kHz: 15 mels of the 45.25 up to 8 kHz lie below it, in 41 steps.
    assert power[50].argmax() == round(15 / 45.2455 * 41) - 1
    np.testing.assert_allclose(mel_power(2 * tone)[50], 4 * power[50], rtol=1e-3)


def test_missing_weights_say_what_to_install_and_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_embedding, "find_spec", lambda name: None)
    with pytest.raises(EmofuseError, match=r"resemblyzer==0\.1\.4`, or ask for speakers none") as caught:
        VoiceEmbedding()
    assert " --speakers" not in str(caught.value)


def test_weights_that_are_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pretrained.pt").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(EmofuseError, match="not the voice encoder that emofuse knows"):
        VoiceEmbedding(tmp_path / "pretrained.pt")
