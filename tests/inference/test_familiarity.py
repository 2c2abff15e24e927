"""What a run keeps of its training features, and of the pictures that it reads itself."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.metrics import roc_auc_score

from emofuse.encoders.grid_statistics import describe_pictures
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.evaluation.metrics.familiarity import fit_familiarity
from emofuse.inference.familiarity import familiarity_file, fit_run_familiarity, read_familiarity
from emofuse.inference.seen_pictures import looks_of
from emofuse.runs.run_folder import RunFolder


def test_rows_without_a_modality_take_no_place_among_those_that_are_looked_at(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train, val = ([f"{part}{n}" for n in range(6000)] for part in ("t", "v"))
    # One row in thirty has it, and an even spread over all rows would meet a few of them.
    held = {i: rng.normal(size=4) + 5 for ids in (train, val) for i in ids[7::30]}
    predictor: Any = SimpleNamespace(
        readers={"text": held}, model=SimpleNamespace(config=SimpleNamespace(modalities=("text",)))
    )
    folder = RunFolder(tmp_path)
    found = fit_run_familiarity(folder, predictor, Split(train, val, []))["text"]
    np.testing.assert_allclose(found.mean, np.mean([held[i] for i in train[7::30]], axis=0))
    kept = read_familiarity(folder)["text"]
    vectors = np.stack([held[i] for i in val[7::30]])
    np.testing.assert_allclose(kept.novelty(vectors), found.novelty(vectors), rtol=1e-4)
    assert np.mean(kept.novelty(vectors) > 1) <= 0.01


def test_numbers_in_the_place_of_vectors_are_one_line(tmp_path: Path) -> None:
    names = ("mean", "scale", "directions", "variances", "noise", "threshold")
    folder = RunFolder(tmp_path)
    save_file({f"text.{name}": np.array(1.0, np.float32) for name in names}, familiarity_file(folder))
    with pytest.raises(EmofuseError, match=r"familiarity\.safetensors: damaged .text: mean is \(\)"):
        read_familiarity(folder)


def pictures(count: int, grain: float, rng: np.random.Generator) -> torch.Tensor:
    """A bright disc on a dark ground at some place, with noise; (count, 2, 3, 48, 48)."""
    down, across = np.mgrid[:48, :48]
    centres = rng.uniform(14, 34, (count, 2, 1, 1, 1))
    disc = ((down - centres) ** 2 + (across - centres) ** 2 < 100) * 120 + 60
    noisy = np.broadcast_to(disc, (count, 2, 3, 48, 48)) + rng.normal(0, grain, (count, 2, 3, 48, 48))
    return torch.from_numpy(np.clip(noisy, 0, 255).astype(np.uint8))


def test_pictures_are_described_one_by_one_and_averaged() -> None:
    frames = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 3, 3, 96, 96), np.uint8))
    literal = [describe_pictures(rows.permute(0, 2, 3, 1).numpy()).mean(axis=0) for rows in frames]
    np.testing.assert_allclose(looks_of(frames), literal, rtol=1e-6)


def test_grainy_pictures_are_unlike_smooth_ones() -> None:
    rng = np.random.default_rng(2)
    train, held_out, new, strange = (
        looks_of(pictures(n, grain, rng)) for n, grain in ((60, 0), (40, 0), (40, 0), (40, 12))
    )
    found = fit_familiarity(train, held_out)
    assert found is not None
    novelty = np.concatenate([found.novelty(new), found.novelty(strange)])
    assert roc_auc_score(np.repeat([0, 1], 40), novelty) > 0.99
    assert (found.novelty(strange) > 1).mean() > 0.9
