"""The script that trains the network of faces, on a handful of pictures."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emofuse.data.manifest import Manifest
from emofuse.encoders.face_classifier import load_face_classifier
from emofuse.encoders.fine_tuning import read_fine_tuned

SCRIPT = Path(__file__).parents[2] / "starter" / "build_face.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_face", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_face"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Joy is bright below, anger above."""
    rng, rows = np.random.default_rng(0), []
    for number in range(60):
        label = ("anger", "joy")[number % 2]
        face = rng.integers(0, 60, (48, 48), dtype=np.uint8)
        face[slice(30, 42) if label == "joy" else slice(6, 18)] += 150
        Image.fromarray(face).save(tmp_path / f"{number}.png")
        rows.append((f"u{number}", f"{number}.png", label, "val" if number >= 48 else "train"))
    frame = pd.DataFrame(rows, columns=["id", "video", "label", "split"])
    Manifest.from_frame(frame, tmp_path).write(tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


def test_the_rate_rises_stays_and_falls(script: ModuleType) -> None:
    plan = script.Plan(8, 4, [(0, 24)], [(0, 0.5)], rate=1.0)
    assert plan.rate_at(0) < 0.01 < plan.rate_at(1.5) < plan.rate_at(4) == 1.0
    assert plan.rate_at(10) == 0.5
    assert plan.rate_at(12) == 0.0
    assert script.at([(0, 24), (3, 32)], 2) == 24
    assert script.at([(0, 24), (3, 32)], 3) == 32


def test_an_interrupted_training_ends_in_the_numbers_of_a_whole_one(
    script: ModuleType, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = script.Plan(6, 2, [(0, 24), (4, 32)], [(0, 0.2)], batch_size=8)
    half = script.Plan(3, 0, [(0, 24)], [(0, 0.2)], batch_size=8)
    run = script.Training.run

    def stop(training: object, whole: object, train: object, val: object) -> None:
        run(training, half, train, val)
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "EMA", 0.5)  # there are few steps here
    with monkeypatch.context() as patch:
        patch.setattr(script.Training, "run", stop)
        with pytest.raises(KeyboardInterrupt):
            script.build(faces, tmp_path / "two", plan, None, [32], 0, 1)
    both = [script.build(faces, tmp_path / name, plan, None, [32], 0, 1) for name in ("one", "two")]
    assert both[0]["test"].accuracy == both[1]["test"].accuracy > 0.8
    first, second = (load_face_classifier(tmp_path / name) for name in ("one", "two"))
    assert all(bool((a == b).all()) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    record = read_fine_tuned(tmp_path / "one")
    assert record is not None
    assert record.parts["test"] == 12
    assert first.labels == script.LABELS
