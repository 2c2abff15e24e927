import json
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModel

from emofuse.encoders import EncoderSpec
from emofuse.encoders.hf_speech import HFSpeechEncoder, _receptive_field
from emofuse.errors import EmofuseError
from tests.encoders.conftest import save_speech

KINDS = [(kind, norm) for kind in ("wav2vec2", "hubert", "wavlm") for norm in ("group", "layer")]
LENGTHS = (8000, 5000, 400, 8000, 6123, 2048)
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


def sounds(lengths=LENGTHS) -> list[np.ndarray]:
    """Levels and offsets that normalisation has to take out for each sound alone."""
    generator = np.random.default_rng(0)
    return [
        ((0.1 + 0.1 * row) * generator.normal(size=length) + 0.01 * row).astype(np.float32)
        for row, length in enumerate(lengths)
    ]


def encoder(folder, **options) -> HFSpeechEncoder:
    return HFSpeechEncoder(EncoderSpec(modality="audio", name=str(folder), **options))


def slow_states(folder, samples: np.ndarray) -> np.ndarray:
    """The library's own states for one sound, normalised by hand."""
    model = AutoModel.from_pretrained(folder).eval()
    normal = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.no_grad():
        return model(torch.tensor(normal)[None].float()).last_hidden_state[0].numpy()


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_features_are_the_librarys_states_averaged(speech_folders, kind):
    folder = speech_folders[kind]
    found = encoder(folder).encode(sounds())
    tokens = encoder(folder, pooling="tokens").encode(sounds())
    assert found.dtype == np.float32
    for row, samples in enumerate(sounds()):
        states = slow_states(folder, samples)
        np.testing.assert_allclose(tokens[row], states, atol=1e-4)
        np.testing.assert_allclose(found[row], states.mean(axis=0), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@pytest.mark.parametrize("batch_size", [2, 32])
def test_padding_batch_and_order_change_nothing(speech_folders, kind, batch_size):
    some = encoder(speech_folders[kind], batch_size=batch_size)
    items = sounds()
    together, backwards = some.encode(items), some.encode(items[::-1])
    alone = np.concatenate([some.encode([item]) for item in items])
    np.testing.assert_allclose(together, alone, atol=2e-5)
    np.testing.assert_allclose(together, backwards[::-1], atol=2e-5)


def test_group_norm_would_be_changed_by_padding(speech_folders):
    """Why sounds of different length do not share a batch there."""
    some = encoder(speech_folders["wav2vec2", "group"])
    alone = some.encode(sounds()[1:2])
    some.masked = True
    assert np.abs(some.encode(sounds()[:2])[1] - alone[0]).max() > 1e-2


def test_batches_hold_like_lengths_and_not_too_much_sound(speech_folders, monkeypatch):
    monkeypatch.setattr("emofuse.encoders.hf_speech._BATCH_SECONDS", 1)
    lengths = [4000, 8000, 4000, 16000, 4001, 4000, 4000, 4000]
    masked = list(encoder(speech_folders["hubert", "layer"])._batches(lengths))
    assert [[lengths[place] for place in batch] for batch in masked] == [
        [16000],
        [8000, 4001],
        [4000] * 4,
        [4000],
    ]
    same = list(encoder(speech_folders["hubert", "group"])._batches(lengths))
    assert [[lengths[place] for place in batch] for batch in same] == [
        [16000],
        [8000],
        [4001],
        [4000] * 4,
        [4000],
    ]
    assert sorted(place for batch in same for place in batch) == list(range(8))
    one = list(encoder(speech_folders["hubert", "group"], batch_size=1)._batches(lengths))
    assert all(len(batch) == 1 for batch in one)


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("samples", [0, 1, 399, 400])
def test_sound_shorter_than_the_receptive_field_is_filled_up(speech_folders, norm, samples):
    some = encoder(speech_folders["wav2vec2", norm], pooling="tokens")
    (states,) = some.encode([np.full(samples, 0.3, np.float32)])
    assert states.shape == (1, 32)
    assert np.isfinite(states).all()


def test_receptive_field_is_that_of_the_convolutions():
    kernels, strides = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
    convolutions = torch.nn.Sequential(
        *(torch.nn.Conv1d(1, 1, kernel, stride) for kernel, stride in zip(kernels, strides, strict=True))
    )
    assert _receptive_field(kernels, strides) == 400
    assert convolutions(torch.zeros(1, 1, 400)).shape[-1] == 1
    with pytest.raises(RuntimeError):
        convolutions(torch.zeros(1, 1, 399))


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_long_sound_is_read_in_equal_pieces(speech_folders, norm):
    folder = speech_folders["wav2vec2", norm]
    (long,) = sounds((40000,))
    pieces = np.split(long, [13334, 26667])
    states = [slow_states(folder, piece) for piece in pieces]
    found = encoder(folder, max_seconds=1).encode([long, long[:16000]])
    np.testing.assert_allclose(found[0], np.concatenate(states).mean(axis=0), atol=2e-5)
    np.testing.assert_allclose(found[1], slow_states(folder, long[:16000]).mean(axis=0), atol=2e-5)
    assert encoder(folder, max_seconds=1).identity.digest != encoder(folder).identity.digest


def test_silence_is_finite(speech_folders):
    for norm in ("group", "layer"):
        assert np.isfinite(encoder(speech_folders["wav2vec2", norm]).encode([np.zeros(16000)])).all()


def test_nothing_in_nothing_out(speech_folders):
    assert encoder(speech_folders["wav2vec2", "group"]).encode([]).shape == (0, 32)


@pytest.mark.parametrize("samples", [np.array([0.1, np.nan]), np.zeros((2, 800))])
def test_what_is_no_sound_is_refused(speech_folders, samples):
    with pytest.raises(EmofuseError, match="one channel of finite samples"):
        encoder(speech_folders["wav2vec2", "group"]).encode([samples])


def test_a_checkpoint_with_a_head_loads(tmp_path):
    some = encoder(save_speech(tmp_path / "ctc", "wav2vec2-ctc", "group"))
    assert some.encode(sounds()).shape == (6, 32)
    assert some.identity.name == "wav2vec2"


def test_what_is_no_speech_encoder_is_refused(bert_folder, speech_folders, tmp_path):
    with pytest.raises(EmofuseError, match="a bert model is not a speech encoder"):
        encoder(bert_folder)
    with pytest.raises(EmofuseError, match="no CLS token"):
        encoder(speech_folders["wav2vec2", "group"], pooling="cls")
    bare = shutil.copytree(speech_folders["wav2vec2", "group"], tmp_path / "bare")
    (bare / "preprocessor_config.json").unlink()
    with pytest.raises(EmofuseError) as caught:
        encoder(bare)
    assert "\n" not in str(caught.value)


def test_another_sampling_rate_is_refused(speech_folders, tmp_path):
    folder = shutil.copytree(speech_folders["wav2vec2", "group"], tmp_path / "slow")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sampling_rate": 8000}))
    with pytest.raises(EmofuseError, match="reads 8000 Hz"):
        encoder(folder)


@pytest.mark.parametrize("rate", [12.5, 20.0, 50.0, 3.0])
def test_a_sequence_has_the_rate_asked_for(speech_folders, rate):
    folder = speech_folders["wavlm", "layer"]
    frames = encoder(folder, pooling="tokens").encode(sounds())
    steps = encoder(folder, pooling="tokens", rate=rate).encode(sounds())
    for fine, coarse in zip(frames, steps, strict=True):
        place = [int(row / 50 * rate + 1e-9) for row in range(len(fine))]
        expected = [fine[[at == step for at in place]].mean(axis=0) for step in range(max(place) + 1)]
        np.testing.assert_allclose(coarse, expected, atol=1e-5)
    assert encoder(folder, pooling="tokens", rate=rate).identity.sampling["steps_per_second"] == rate
    assert "steps_per_second" not in encoder(folder, pooling="tokens").identity.sampling


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"rate": 12.5}, "pooling tokens"), ({"rate": 51, "pooling": "tokens"}, "gives 50")],
)
def test_a_rate_that_cannot_be_is_refused(speech_folders, options, complaint):
    with pytest.raises(EmofuseError, match=complaint):
        encoder(speech_folders["hubert", "layer"], **options)
