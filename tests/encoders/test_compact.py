"""A fine-tuned encoder as differences from a packaged one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForTokenClassification, AutoTokenizer

from emofuse import EmofuseError
from emofuse.encoders import EncoderSpec, copy_encoder, create_encoder
from emofuse.encoders.compact import DIFFERENCE_FILE, write_compact
from emofuse.encoders.packaged import MINILM

TEXTS = ["I can't believe it!", "What a wonderful day.", "Leave me alone"]

pytest.importorskip(MINILM.module, reason=f"pip install {MINILM.name}")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM with a head, each of its layers moved a little in four directions."""
    folder = tmp_path_factory.mktemp("tuned")
    model = AutoModelForTokenClassification.from_pretrained(MINILM.locate(), num_labels=3)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "encoder.layer" in name and weight.ndim == 2:
                left, right = torch.randn(weight.shape[0], 4), torch.randn(4, weight.shape[1])
                weight.add_(0.003 * left @ right)
            elif "encoder.layer" in name:
                weight.add_(0.01 * torch.randn_like(weight))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(MINILM.locate()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def compact(tuned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("differences") / "compact"
    write_compact(tuned, MINILM.name, folder, rank=4)
    return folder


def features(name: str | Path) -> np.ndarray:
    return np.asarray(create_encoder(EncoderSpec(modality="text", name=str(name))).encode(TEXTS))


def test_a_packaged_model_is_named_like_its_package() -> None:
    np.testing.assert_array_equal(features(MINILM.name), features(MINILM.locate()))


def test_differences_give_the_fine_tuned_encoder_back(tuned: Path, compact: Path) -> None:
    expected = features(tuned)
    assert np.abs(features(compact) - expected).max() < 2e-3
    assert np.abs(features(MINILM.name) - expected).max() > 0.1
    size = sum(file.stat().st_size for file in compact.iterdir())
    assert size < (tuned / "model.safetensors").stat().st_size / 50


def test_a_run_keeps_a_copy_that_is_the_same_encoder(compact: Path, tmp_path: Path) -> None:
    spec = EncoderSpec(modality="text", name=str(compact))
    copied = copy_encoder(spec, tmp_path / "run" / "encoders" / "text")
    assert copied.name != spec.name
    assert create_encoder(copied).identity == create_encoder(spec).identity
    assert (
        create_encoder(spec).identity.revision
        != create_encoder(EncoderSpec(modality="text", name=MINILM.name)).identity.revision
    )


@pytest.mark.parametrize("damage", ["shape", "name", "nan", "base", "missing"])
def test_what_does_not_fit_is_one_line(compact: Path, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(compact, tmp_path / "compact"))
    tensors = load_file(folder / DIFFERENCE_FILE)
    name = next(name for name in tensors if name.endswith(".left"))
    if damage == "shape":
        save_file({**tensors, name: torch.zeros(3, 2)}, folder / DIFFERENCE_FILE)
    elif damage == "name":
        save_file({**tensors, "other.left": tensors[name].clone()}, folder / DIFFERENCE_FILE)
    elif damage == "nan":
        save_file({**tensors, name: tensors[name] * torch.nan}, folder / DIFFERENCE_FILE)
    elif damage == "base":
        file = folder / "compact.json"
        file.write_text(file.read_text().replace(MINILM.name, "os"))
    else:
        (folder / DIFFERENCE_FILE).unlink()
    with pytest.raises(EmofuseError) as refused:
        features(folder)
    assert "\n" not in str(refused.value)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    model = AutoModel.from_pretrained(MINILM.locate())
    config = model.config
    config.num_hidden_layers = 1
    AutoModel.from_config(config).save_pretrained(tmp_path / "other")
    with pytest.raises(EmofuseError, match="is not one of"):
        write_compact(tmp_path / "other", MINILM.name, tmp_path / "compact", rank=2)
