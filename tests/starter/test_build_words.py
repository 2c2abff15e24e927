"""The script that takes the mean of fine-tuned encoders of words."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from emofuse.encoders import create_encoder
from emofuse.encoders.compact import DIFFERENCE_FILE, read_compact
from emofuse.encoders.fine_tuning import read_fine_tuned
from emofuse.encoders.packaged import MINILM
from emofuse.encoders.spec import EncoderSpec

STARTER = Path(__file__).parents[2] / "starter"
ENCODERS = (STARTER / "emofuse_starter/encoders/goemotions", STARTER / "emofuse_starter/run/encoders/text")


def mean_of(folders: tuple[Path, ...], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["build_words.py", *map(str, folders), "-o", str(out)])
    runpy.run_path(str(STARTER / "build_words.py"), run_name="__main__")


def test_it_lies_half_way_and_has_seen_what_both_have_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean_of(ENCODERS, tmp_path / "mean", monkeypatch)
    name = "encoder.layer.0.output.dense.weight"
    base = load_file(MINILM.locate() / "model.safetensors")[name]
    moved = []
    for folder in ENCODERS:
        assert read_compact(folder) is not None
        change = load_file(folder / DIFFERENCE_FILE)
        moved.append(change[f"{name}.left"].float() @ change[f"{name}.right"].float())
    found = load_file(tmp_path / "mean" / "model.safetensors")[name]
    np.testing.assert_allclose(found - base, (moved[0] + moved[1]) / 2, atol=1e-6)

    records = [read_fine_tuned(folder) for folder in (*ENCODERS, tmp_path / "mean")]
    seen = [set(record.seen) for record in records if record is not None]
    assert seen[2] == seen[0] | seen[1]
    with pytest.raises(SystemExit, match="exists"):
        mean_of(ENCODERS, tmp_path / "mean", monkeypatch)
    spec = EncoderSpec(modality="text", name=str(tmp_path / "mean"))
    assert create_encoder(spec).encode(["Oh no!"]).shape == (1, 384)


def test_a_folder_that_was_not_fine_tuned_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="fine-tuned"):
        mean_of((ENCODERS[0], MINILM.locate()), tmp_path / "mean", monkeypatch)
    assert not (tmp_path / "mean").exists()
