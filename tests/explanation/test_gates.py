"""What CM-MSF's mask gates let pass, as data and as a picture."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.clip import clip_utterance
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.reporting.figures.gates import GateCurve, draw_gates
from emofuse.explanation import Gates, explain_gates, has_gates, write_gates
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_corpus import make_corpus, small_settings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("corpus"), dialogues=6)


def train(corpus: Manifest, path: Path, **changes: object) -> RunFolder:
    changes = {"model__name": "cm-msf", "model__options": {}, "optimiser__epochs": 1} | changes
    return fit_run(small_settings(corpus, **changes), corpus, path)


@pytest.fixture(scope="module")
def run(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(corpus, tmp_path_factory.mktemp("runs") / "run", model__options={"mask_threshold": 0.0})


@pytest.fixture(scope="module")
def pipe(run: RunFolder) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(run.path, device="cpu")


@pytest.fixture(scope="module")
def found(pipe: EmotionPipeline, corpus: Manifest) -> Gates:
    return explain_gates(pipe, next(iter(corpus.rows())))


def test_every_step_of_every_modality_is_told(found: Gates) -> None:
    assert set(found.tracks) == {"text", "audio", "video"}
    for modality, track in found.tracks.items():
        steps = len(track.mean)
        assert {len(track.counted), len(track.low), len(track.high)} == {steps}
        assert ((track.mean >= 0) & (track.mean <= 1)).all()
        assert (track.low <= track.high).all()
        assert (track.mean[~track.counted] == 0).all()
        assert track.counted.any()
        if modality != "text":
            assert steps > 1
            assert track.start[0] == 0
            assert track.end[-1] == pytest.approx(0.6, abs=0.1), "six frames at ten a second"
            np.testing.assert_allclose(track.start[1:], track.end[:-1])
    assert found.tracks["text"].words == (found.text,)
    assert not found.tracks["audio"].counted.all(), "a threshold at the mean leaves some out"


def test_the_gates_are_those_of_the_equations(pipe: EmotionPipeline, corpus: Manifest) -> None:
    """G is σ(W U + b), so with W and b of 0 half of everything that counts passes."""
    layer = pipe.model.get_submodule("mask_gates.audio.gate")
    kept = {name: value.clone() for name, value in layer.state_dict().items()}
    try:
        layer.load_state_dict({name: torch.zeros_like(value) for name, value in kept.items()})
        track = explain_gates(pipe, next(iter(corpus.rows()))).tracks["audio"]
    finally:
        layer.load_state_dict(kept)
    np.testing.assert_allclose(track.mean, np.where(track.counted, 0.5, 0.0))
    np.testing.assert_allclose(track.low, track.high)


def test_files_hold_every_step(found: Gates, tmp_path: Path) -> None:
    names = [file.name for file in write_gates(found, tmp_path)]
    assert names == ["gates.json", "gates.csv", "gates.png"]
    table = pd.read_csv(tmp_path / "gates.csv")
    assert len(table) == sum(len(track.mean) for track in found.tracks.values())
    content = json.loads((tmp_path / "gates.json").read_text(encoding="utf-8"))
    assert content["steps"]["audio"][0]["gate_mean"] == pytest.approx(
        table[table["modality"] == "audio"]["gate_mean"].iloc[0]
    )
    assert (tmp_path / "gates-narrow.svg").exists()


def test_what_a_clip_lacks_is_named(pipe: EmotionPipeline) -> None:
    utterance, _ = clip_utterance(None, text="I miss her")
    found = explain_gates(pipe, utterance)
    assert set(found.tracks) == {"text"}
    assert set(found.missing) == {"audio", "video"}


def test_a_system_without_gates_is_refused(corpus: Manifest, tmp_path: Path) -> None:
    folder = train(corpus, tmp_path / "mfcre", model__name="mfcre", model__modalities=["text"])
    pipe = EmotionPipeline.from_pretrained(folder.path, device="cpu")
    assert not has_gates(pipe)
    with pytest.raises(EmofuseError, match="no mask gates"):
        explain_gates(pipe, next(iter(corpus.rows())))


def test_the_command_explains_classes_and_values(run: RunFolder, corpus: Manifest, tmp_path: Path) -> None:
    clip = ["--id", "d0t1", "-o", str(tmp_path / "why"), "--device", "cpu", "--json"]
    manifest = str(corpus.root / "manifest.csv")
    content = json.loads(CliRunner().invoke(app, ["explain", str(run.path), manifest, *clip]).stdout)
    assert content["gates"]["said"] == content["label"]
    assert (tmp_path / "why" / "modalities.png").exists()
    assert (tmp_path / "why" / "gates.png").exists()

    valued = Manifest.from_frame(corpus.frame.assign(valence=np.linspace(-2, 2, len(corpus))), corpus.root)
    folder = train(valued, tmp_path / "values", model__task="regression")
    content = json.loads(CliRunner().invoke(app, ["explain", str(folder.path), manifest, *clip]).stdout)
    assert list(content) == ["gates"]
    float(content["gates"]["said"])


def test_the_picture_marks_what_is_masked_out() -> None:
    mean = np.array([0.2, 0.0, 0.6])
    curve = GateCurve(mean, mean - 0.1, mean + 0.1, np.array([True, False, True]), (), 3.0)
    words = GateCurve(mean, mean, mean, np.ones(3, bool), ("I", "miss", "her"), None)
    figure = draw_gates({"text": words, "audio": curve}, transcript="I miss her")
    text, audio = figure.axes
    assert [name.get_text() for name in text.get_xticklabels()] == ["I", "miss", "her"]
    assert text.get_title() or text.get_title(loc="left")
    masked = [patch for patch in audio.patches if patch.get_gid() == "masked-audio-1"]
    assert len(masked) == 1
    with pytest.raises(ValueError, match="gates need"):
        draw_gates({})


def test_steps_without_words_are_numbered_in_whole_numbers() -> None:
    mean = np.full(20, 0.5)
    curve = GateCurve(mean, mean - 0.1, mean + 0.1, np.ones(20, dtype=bool), (), None)
    figure = draw_gates({"text": curve}, narrow=True)
    figure.canvas.draw()
    assert [t for t in figure.axes[0].get_xticks() if t % 1] == []
