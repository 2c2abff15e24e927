import json
import pickle
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForImageClassification,
    ConvNextConfig,
    ConvNextModel,
    Swinv2Config,
    Swinv2Model,
    VideoMAEConfig,
    VideoMAEModel,
    ViTConfig,
    ViTModel,
)

from emofuse.data.frames import read_frames
from emofuse.data.manifest import Manifest
from emofuse.data.pictures import open_pictures
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, copy_encoder, create_encoder
from emofuse.errors import EmofuseError
from emofuse.features import ExtractionReport, FeatureStore, extract_features
from tests.encoders.conftest import save_resnet

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def encoder(folder, **options):
    return create_encoder(EncoderSpec(modality="video", name=str(folder), **options))


def encode(some, path, **part) -> np.ndarray:
    return some.encode([open_pictures(path, some.needs.pictures, **part)])[0]


def normalised(pictures: np.ndarray, mean=MEAN, std=STD) -> torch.Tensor:
    return torch.tensor((pictures / 255 - np.array(mean)) / np.array(std)).permute(0, 3, 1, 2).float()


def slow_features(folder, pictures: np.ndarray, output: str) -> np.ndarray:
    """The library's own pooled state or logits, one picture at a time."""
    auto = AutoModelForImageClassification if output == "logits" else AutoModel
    model = auto.from_pretrained(folder).eval()
    with torch.no_grad():
        found = [model(pixel_values=pixels[None]) for pixels in normalised(pictures)]
    rows = [each.logits if output == "logits" else each.pooler_output.flatten(1) for each in found]
    return torch.cat(rows).numpy()


@pytest.mark.parametrize(("output", "dim"), [("pooled", 24), ("logits", 10)])
@pytest.mark.parametrize("pooling", ["mean", "tokens"])
def test_features_are_the_librarys(resnet_folder, shared_media, output, dim, pooling):
    clip = shared_media / "talking_head_1.mp4"
    some = encoder(resnet_folder, output=output, pooling=pooling, frames=6, batch_size=4)
    found = encode(some, clip, start=1.0, end=3.0)
    expected = slow_features(resnet_folder, read_frames(clip, n=6, size=(48, 48), start=1.0, end=3.0), output)
    assert some.dim == dim
    assert found.dtype == np.float32
    assert expected.std() > 0.05
    np.testing.assert_allclose(
        found, expected if pooling == "tokens" else expected.mean(axis=0), rtol=1e-4, atol=1e-4
    )


def test_a_sequence_has_fifteen_steps_per_second(resnet_folder, shared_media):
    some = encoder(resnet_folder, pooling="tokens")
    assert encode(some, shared_media / "interview.mp4", start=1.0, end=3.0).shape == (30, 24)


@pytest.mark.parametrize(
    ("content", "mean", "std", "scale", "size"),
    [
        (None, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1 / 255, 224),
        ({"size": 64}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1 / 255, 64),
        ({"do_normalize": False, "size": {"height": 40, "width": 56}}, (0, 0, 0), (1, 1, 1), 1 / 255, (40, 56)),
        ({"do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "size": 64,
          "image_mean": MEAN, "image_std": STD}, MEAN, STD, 1 / 255, 32),
        ({"do_rescale": False, "image_mean": [131, 104, 91], "image_std": [1, 1, 1], "size": 32},
         (131, 104, 91), (1, 1, 1), 1.0, 32),
    ],
)  # fmt: skip
def test_the_preprocessing_is_the_models_own(tmp_path, content, mean, std, scale, size):
    folder = save_resnet(tmp_path / "model", preprocessing=content)
    describe = encoder(folder)._describe
    height, width = size if isinstance(size, tuple) else (size, size)
    assert describe.size == (height, width)
    picture = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    with torch.no_grad():
        pixels = normalised(picture * scale * 255, mean, std)
        expected = AutoModel.from_pretrained(folder).eval()(pixel_values=pixels).pooler_output.flatten()
    np.testing.assert_allclose(describe(picture)[0], expected.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        ViTModel(ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                           image_size=32, patch_size=8), add_pooling_layer=False),
        ConvNextModel(ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=32)),
        Swinv2Model(Swinv2Config(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2],
                                 window_size=4)),
    ],
    ids=lambda model: type(model).__name__,
)  # fmt: skip
def test_other_image_models_are_read_too(tmp_path, model):
    model.save_pretrained(tmp_path)
    describe = encoder(tmp_path)._describe
    pictures = np.random.default_rng(0).integers(0, 256, (3, *describe.size, 3), dtype=np.uint8)
    features = describe(pictures)
    assert features.shape == (3, describe.dim)
    np.testing.assert_allclose(describe(pictures[1:2])[0], features[1], atol=1e-5)


def test_no_library_is_needed_but_transformers(resnet_folder):
    encoder(resnet_folder)
    assert "torchvision" not in sys.modules


@pytest.mark.parametrize("faces", [False, True])
def test_a_copy_or_another_process_makes_the_same_encoder(resnet_folder, tmp_path, faces):
    if faces:
        pytest.importorskip("lz4", reason="the extra faces is not installed")
    spec = EncoderSpec(modality="video", name=str(resnet_folder), output="logits", faces=faces)
    some = create_encoder(spec)
    copied = copy_encoder(spec, tmp_path / "copy")
    assert (tmp_path / "copy" / "preprocessor_config.json").is_file()
    shutil.move(tmp_path / "copy", tmp_path / "elsewhere")
    moved = copied.model_copy(update={"name": str(tmp_path / "elsewhere")})
    assert create_encoder(moved).identity == some.identity
    assert pickle.loads(pickle.dumps(some)).identity == some.identity


def test_identities_tell_models_and_their_use_apart(resnet_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(resnet_folder, other)
    preprocessing = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps(preprocessing | {"image_mean": [0, 0, 0]}))
    encoders = [
        encoder(resnet_folder),
        encoder(resnet_folder, output="logits"),
        encoder(resnet_folder, frames=8),
        encoder(resnet_folder, pooling="tokens"),
        encoder(other),
        encoder(save_resnet(tmp_path / "weights", head=10, seed=1)),
        create_encoder(EncoderSpec(modality="video", name=str(resnet_folder)), dtype=torch.bfloat16),
    ]
    assert len({each.identity.digest for each in encoders}) == len(encoders)
    assert encoder(resnet_folder, batch_size=3).identity == encoders[0].identity
    assert (encoders[0].identity.kind, encoders[0].identity.name) == ("hf-image", "resnet")


def test_what_is_no_image_model_is_one_clear_line(bert_folder, tmp_path, resnet_folder):
    headless = save_resnet(tmp_path / "headless")
    frames = VideoMAEConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16, image_size=32,
        num_frames=4,
    )  # fmt: skip
    VideoMAEModel(frames).save_pretrained(tmp_path / "clips")
    damaged = tmp_path / "damaged"
    for content, complaint in (("{", "damaged"), ('{"size": -4}', "asks for pictures of -4×-4"),
                               ('{"image_std": [0, 1, 1]}', "deviation of 0"), ('{"image_mean": [1]}', "damaged")):  # fmt: skip
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(resnet_folder, damaged)
        (damaged / "preprocessor_config.json").write_text(content)
        with pytest.raises(EmofuseError, match=complaint):
            encoder(damaged)
    for folder, options, complaint in (
        (bert_folder, {}, "not an image encoder"),
        (headless, {"output": "logits"}, "lacks 2 weights, classifier"),
        (tmp_path / "clips", {}, "does not read single pictures"),
        (resnet_folder, {"pooling": "cls"}, "no CLS token"),
        (tmp_path / "nowhere", {}, "no such folder"),
    ):
        with pytest.raises(EmofuseError, match=complaint):
            encoder(folder, **options)


def test_a_store_is_filled_from_real_clips(resnet_folder, shared_media, tmp_path):
    clips = sorted(shared_media.glob("*.mp4"))
    rows = [{"id": clip.stem, "video": clip.name, "end": 1.5} for clip in clips]
    manifest = Manifest.from_frame(pd.DataFrame(rows), shared_media)
    store = FeatureStore(tmp_path / "features")
    some = encoder(resnet_folder, frames=4)
    report = extract_features(manifest, some, store, quarantine=Quarantine(tmp_path / "q.csv"))
    assert report == ExtractionReport(done=3)
    matrix = store.reader(some.identity).matrix(manifest.ids)
    assert len(np.unique(matrix.round(2), axis=0)) == 3
