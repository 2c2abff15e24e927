"""Image encoders learn emotions from pictures, and from the pictures and faces of videos."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    ConvNextConfig,
    ConvNextModel,
    ResNetConfig,
    ResNetModel,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTModel,
)
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_video
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.cross_fitted import read_cross_fit
from emofuse.encoders.face_classifier import load_face_classifier
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.image_preprocessing import preprocessing_of
from emofuse.encoders.pretrained import locate
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.runs.settings import RunSettings
from emofuse.training.finetuning import fine_tune
from emofuse.training.finetuning.batches import Draw
from emofuse.training.finetuning.face_crops import CropReader, Crops, _kept
from emofuse.training.finetuning.faces import PictureRows
from emofuse.training.finetuning.network import load_classifier
from emofuse.training.fit import fit_run

LABELS = ("anger", "joy")
QUICK = {"epochs": 4, "patience": 4, "batch_size": 8, "picture_changes": 0.2}


def mouth(label: str, rng: np.random.Generator) -> np.ndarray:
    """A grey face of which the upper or the lower half is bright."""
    face = rng.integers(0, 60, (48, 48), dtype=np.uint8)
    rows = slice(30, 42) if label == "joy" else slice(6, 18)
    face[rows, 8:40] += 150
    return face


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """32 pictures of 8 people, and one that cannot be read."""
    folder, rng, rows = tmp_path_factory.mktemp("stills"), np.random.default_rng(0), []
    for number in range(32):
        label = LABELS[number % 2]
        Image.fromarray(mouth(label, rng)).save(folder / f"{number}.png")
        rows.append((f"u{number}", f"S{number // 4}", f"{number}.png", label))
    (folder / "broken.png").write_bytes(b"nothing")
    rows.append(("u32", "S0", "broken.png", "joy"))
    Manifest.from_frame(pd.DataFrame(rows, columns=["id", "speaker", "video", "label"]), folder).write(
        folder / "manifest.csv"
    )
    return Manifest.read(folder / "manifest.csv").validate()


def ids(*numbers: int) -> list[str]:
    return [f"u{number}" for number in range(*numbers)]


SPLIT = Split([*ids(0, 20), "u32"], ids(20, 26), ids(26, 32))


def spec_of(name: Path | str, **tuning: object) -> EncoderSpec:
    return EncoderSpec.model_validate({"modality": "video", "name": str(name), "finetune": QUICK | tuning})


@pytest.fixture(scope="module")
def trained(stills: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network that starts from nothing, interrupted in its second epoch and taken up."""
    folder = tmp_path_factory.mktemp("trained") / "faces"

    def stop(done: int, total: int, what: str) -> None:
        if what == "epoch 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(spec_of("face-cnn"), stills, SPLIT, folder, progress=stop)
    fine_tune(spec_of("face-cnn"), stills, SPLIT, folder, resume=True)
    return folder


def test_a_network_that_starts_from_nothing_learns_and_is_an_encoder(stills: Manifest, trained: Path) -> None:
    found = fine_tune(spec_of("face-cnn"), stills, SPLIT, trained, resume=True).record
    assert found.scores["test"]["accuracy"] == 1.0
    assert (found.base, found.base_revision) == ("face-cnn", "untrained")
    assert found.settings.learning_rate == 2e-3
    assert found.settings.label_smoothing == 0.1
    assert found.reading == {"faces": False, "min_face": 40}
    assert pd.read_csv(trained / "quarantine.csv")["id"].tolist() == ["u32"]
    assert not (trained / "crops").exists()
    assert not (trained / "checkpoints").exists()
    classifier = load_face_classifier(trained)
    faces = torch.stack(
        [torch.from_numpy(np.array(Image.open(stills.utterance(id).video)))[None] / 255 for id in SPLIT.test]
    )
    told = classifier(faces).logits.argmax(-1)
    assert [classifier.labels[i] for i in told] == [stills.utterance(id).label for id in SPLIT.test]


def test_a_run_reads_it_and_one_that_it_has_seen_the_test_of_is_refused(
    stills: Manifest, trained: Path, tmp_path: Path
) -> None:
    settings = RunSettings().with_changes(
        {
            "data.manifest": str(stills.root / "manifest.csv"),
            "data.workers": 0,
            "data.features": str(tmp_path / "features"),
            "device": "cpu",
            "encoders.video": {"modality": "video", "name": str(trained)},
            "model.modalities": ["video"],
            "model.name": "mfcre",
            "model.preset": "tiny",
            "model.options": {},
            "optimiser.epochs": 2,
        }
    )
    known = Split(*(list(part) for part in SPLIT))
    run = fit_run(settings, stills, tmp_path / "run", split=known)
    assert (run.path / "encoders" / "video" / "emofuse.json").exists()
    with pytest.raises(EmofuseError, match="leak: the video encoder"):
        fit_run(settings, stills, tmp_path / "other", split=Split(SPLIT.test, SPLIT.val, SPLIT.train))


def image_models() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return {
        "resnet": ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[16, 24], depths=[1, 1])),
        "vit": ViTModel(
            ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                      image_size=32, patch_size=8), add_pooling_layer=False),
        "convnext": ConvNextModel(ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=32)),
        "swin": SwinModel(
            SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4)),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["resnet", "vit", "convnext", "swin"])
def test_pretrained_image_models_are_fine_tuned_and_read_again(
    kind: str, stills: Manifest, tmp_path: Path
) -> None:
    image_models()[kind].save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "preprocessor_config.json").write_text('{"size": 32}')
    rates = {"learning_rate": 3e-3, "head_learning_rate": 1e-2, "freeze_layers": 1, "freeze_front": True}
    fine_tune(spec_of(tmp_path / "base", **rates, epochs=2), stills, SPLIT, tmp_path / "run")
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "run"))
    changed = {
        name
        for name, weight in before.items()
        for twin in [after.get(f"{kind}.{name}")]
        if twin is not None
        and not torch.equal(weight, twin)
        and "running" not in name
        and "num_b" not in name
    }
    assert changed
    assert not any(name.startswith(("embeddings.", "embedder.")) for name in changed)
    encoder = create_encoder(EncoderSpec(modality="video", name=str(tmp_path / "run"), output="logits"))
    assert encoder.dim == 2


def test_layers_that_are_not_there_cannot_be_frozen() -> None:
    with pytest.raises(EmofuseError, match="freeze_layers 9 is more than its 5 layers"):
        load_classifier(None, "video", LABELS, FineTuneSettings(freeze_layers=9))
    with pytest.raises(EmofuseError, match="layer_drop is for speech models; leave it out for video"):
        load_classifier(None, "video", LABELS, FineTuneSettings(layer_drop=0.1))


def test_a_validation_part_that_cannot_be_read_is_one_line(stills: Manifest, tmp_path: Path) -> None:
    blind = Split(ids(0, 20), ["u32"], ids(26, 32))
    with pytest.raises(EmofuseError, match=r"no utterance of the validation part.*quarantine\.csv") as told:
        fine_tune(spec_of("face-cnn", epochs=1), stills, blind, tmp_path / "tuned")
    assert "\n" not in str(told.value)


def test_every_training_picture_can_be_encoded_by_a_network_that_has_not_seen_it(
    stills: Manifest, tmp_path: Path
) -> None:
    fine_tune(spec_of("face-cnn", cross_fit=2, epochs=1), stills, SPLIT, tmp_path / "run", protocol="speaker")
    record = read_cross_fit(tmp_path / "run")
    assert record is not None
    assert set(record.held_out) == set(SPLIT.train)


def rows_of(manifest: Manifest, folder: Path, **reading: object) -> PictureRows:
    spec = EncoderSpec.model_validate({"modality": "video", "name": "face-cnn", **reading})
    preprocessing = preprocessing_of("face-cnn", {"do_normalize": False}, None)
    reader = CropReader((40, 48), spec, folder)
    return PictureRows(
        list(manifest.rows()), [0] * len(manifest), reader, preprocessing, FineTuneSettings(), 0
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two clips whose pictures become brighter."""
    folder = tmp_path_factory.mktemp("clips")
    for name, step in (("slow", 2), ("fast", 4)):
        grey = (np.arange(50) * step).astype(np.uint8)
        frames = np.broadcast_to(grey[:, None, None, None], (50, 40, 48, 3))
        write_video(folder / f"{name}.mp4", np.ascontiguousarray(frames), 25)
    frame = pd.DataFrame(
        {"id": ["slow", "fast"], "video": ["slow.mp4", "fast.mp4"], "label": ["joy", "anger"]}
    )
    return Manifest.from_frame(frame, folder).validate()


def test_pictures_of_a_video_are_spread_evenly_counted_alike_and_kept(
    clips: Manifest, tmp_path: Path
) -> None:
    rows = rows_of(clips, tmp_path, frames=4)
    batch = rows.batch(Draw(0, (0, 1)), training=False)
    assert batch.inputs["pixel_values"].shape == (8, 3, 40, 48)
    torch.testing.assert_close(
        batch.inputs["shares"], torch.tensor([[0.25] * 4 + [0.0] * 4, [0.0] * 4 + [0.25] * 4])
    )
    brightness = batch.inputs["pixel_values"].mean(dim=(1, 2, 3)) * 255
    torch.testing.assert_close(
        brightness, torch.tensor([12.0, 36, 62, 86, 24, 72, 124, 172]), rtol=0, atol=6.0
    )
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:100])  # one that a full disk has cut off is made again
    again = rows_of(clips, tmp_path, frames=4).batch(Draw(0, (0, 1)), training=False)
    torch.testing.assert_close(again.inputs["pixel_values"], batch.inputs["pixel_values"])


def test_training_changes_pictures_in_ways_of_their_epoch(stills: Manifest, tmp_path: Path) -> None:
    rows = rows_of(stills, tmp_path)
    first, again, later = (
        rows.batch(Draw(epoch, (0, 1, 2)), training=True).inputs["pixel_values"] for epoch in (0, 0, 1)
    )
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, later)
    assert not list(tmp_path.iterdir())  # single pictures are as soon read as found


def test_faces_of_a_picture_share_what_the_picture_counts() -> None:
    crops = Crops(np.zeros((4, 2, 2, 3), np.uint8), np.array([0, 0, 0, 2]))
    np.testing.assert_allclose(crops.shares, [1 / 6, 1 / 6, 1 / 6, 1 / 2], rtol=1e-6)


def test_faces_are_cut_out_and_a_clip_without_any_is_set_aside(
    clips: Manifest, shared_media: Path, tmp_path: Path
) -> None:
    link = clips.root / "talking.mp4"
    if not link.exists():
        link.write_bytes((shared_media / "talking_head_1.mp4").read_bytes())
    frame = pd.concat(
        [clips.frame, pd.DataFrame({"id": ["t"], "video": ["talking.mp4"], "end": [1.0], "label": ["joy"]})]
    )
    rows = rows_of(Manifest.from_frame(frame, clips.root), tmp_path, faces=True, frames=2)
    batch = rows.batch(Draw(0, (0, 2)), training=False)
    assert batch.ids == ["t"]
    assert batch.inputs["pixel_values"].shape == (2, 3, 40, 48)
    assert [(failure.utterance_id, failure.reason) for failure in batch.decode_failures] == [
        ("slow", "no-face")
    ]


def test_the_verb_trains_and_says_how_to_use_it(stills: Manifest, tmp_path: Path) -> None:
    arguments = ["finetune", "video", str(stills.root / "manifest.csv"), "--model", "face-cnn", "-o"]
    options = [
        str(tmp_path / "out"),
        "--folds",
        "4",
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--workers",
        "0",
        "--quiet",
    ]
    result = CliRunner().invoke(app, [*arguments, *options])
    assert result.exit_code == 0, result.output
    assert f"use it: emofuse train DATA --video-encoder {tmp_path / 'out'}" in result.output
    assert locate(str(tmp_path / "out")).folder is not None
    failed = CliRunner().invoke(app, ["finetune", "text", *arguments[2:], str(tmp_path / "t")])
    assert failed.exit_code != 0


@pytest.mark.timeout(20)  # who opens a pipe waits
def test_kept_pictures_that_are_not_whole_are_decoded_again(tmp_path: Path) -> None:
    whole, file = Crops(np.ones((2, 4, 4, 3), np.uint8), np.arange(2)), tmp_path / "kept.npz"
    np.savez(file, **whole._asdict())
    kept = _kept(file)
    assert kept is not None
    np.testing.assert_array_equal(kept.pixels, whole.pixels)
    np.testing.assert_array_equal(kept.picture_of, whole.picture_of)
    np.savez_compressed(file, **whole._asdict())  # may unfold to any size
    assert _kept(file) is None
    for shape in ((10**12,), (10**30,), (2**62, 4), (2, 4, 4, 4)):
        with zipfile.ZipFile(file, "w") as archive:
            for name in Crops._fields:
                with archive.open(f"{name}.npy", "w") as member:
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(member, header)
                    member.write(b"abc")
        assert _kept(file) is None
    for content in (b"", b"PK", b"\x93NUMPY"):
        file.write_bytes(content)
        assert _kept(file) is None
    file.unlink()
    assert _kept(file) is None
    os.mkfifo(file)
    assert _kept(file) is None
