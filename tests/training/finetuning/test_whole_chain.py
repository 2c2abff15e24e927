"""The paper's two stages through the command line, on small checkpoints of the true classes and real media files."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from transformers import BertModel, Wav2Vec2Model
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.encoders.fine_tuning import read_fine_tuned
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.run_folder import RunFolder
from tests.small_corpus import SMALL_MODEL, make_corpus

QUICK = {"epochs": 1, "batch_size": 6}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("clips"))


def told(*arguments: object) -> dict:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json", "--quiet"])
    assert result.exit_code == 0, result.exception or result.output
    return json.loads(result.stdout)


def test_both_encoders_are_fine_tuned_and_a_run_takes_them(
    clips: Manifest, bert_folder: Path, wav2vec2_folder: Path, tmp_path: Path
) -> None:
    manifest, split = clips.root / "manifest.csv", ["--folds", 3, "--fold", 1]
    quick = ["--epochs", 1, "--batch-size", 6, "--device", "cpu"]
    text = ["--model", bert_folder, "--context-before", 1, "-o", tmp_path / "text"]
    assert told("finetune", "text", manifest, *text, *split, *quick)["parts"]["test"] > 0
    audio = ["--model", wav2vec2_folder, "--freeze-layers", 1, "--workers", 0, "-o", tmp_path / "audio"]
    for setting in ("layer_drop=0.2", "spec_augment=0.1", "noise_snr=15", "gain=6", "time_shift=0.05"):
        audio += ["--set", setting]
    assert told("finetune", "audio", manifest, *audio, *split, *quick)["parts"]["test"] > 0
    record = read_fine_tuned(tmp_path / "audio")
    assert record is not None
    assert (record.settings.layer_drop, record.settings.noise_snr, record.settings.gain) == (0.2, 15, 6)
    tuned, base = (Wav2Vec2Model.from_pretrained(f) for f in (tmp_path / "audio", wav2vec2_folder))
    for number, (ours, theirs) in enumerate(zip(tuned.encoder.layers, base.encoder.layers, strict=True)):
        same = [torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
        assert all(same) if number == 0 else not all(same), number
    assert isinstance(BertModel.from_pretrained(tmp_path / "text"), BertModel)
    encoders = ["--text-encoder", tmp_path / "text", "--audio-encoder", tmp_path / "audio"]
    recipe = _recipe(tmp_path / "plain.yaml", {})
    found = told("train", manifest, "--recipe", recipe, *split, *encoders, "-o", tmp_path / "run")
    assert 0 <= found["test"]["weighted_f1"] <= 1
    assert set(RunFolder(tmp_path / "run").read_record().encoders) == {"text", "audio"}
    clip = str(clips.utterance(clips.ids[0]).video)
    [segment] = EmotionPipeline.from_pretrained(tmp_path / "run")(clip, text="what a wonderful day")
    assert segment.label in clips.labels


def test_stage_one_of_both_encoders_runs_inside_each_random_fold(
    clips: Manifest, bert_folder: Path, wav2vec2_folder: Path, tmp_path: Path
) -> None:
    audio = {"noise_snr": 20.0, "freeze_layers": 1, **QUICK}
    recipe = _recipe(
        tmp_path / "tuned.yaml",
        {
            "text": {"modality": "text", "name": str(bert_folder), "finetune": QUICK},
            "audio": {"modality": "audio", "name": str(wav2vec2_folder), "finetune": audio},
        },
    )
    command = ["train", clips.root / "manifest.csv", "--recipe", recipe, "-o", tmp_path / "cv", "--all-folds"]
    found = told(*command, "--protocol", "random-kfold", "--folds", 2)
    assert [fold["failure"] for fold in found["folds"]] == [None, None]
    tested: list[str] = []
    for number in range(2):
        run = RunFolder(tmp_path / "cv" / f"fold-{number:02d}")
        split = run.read_split()
        tested += split.test
        assert set(run.read_record().model_config_["modalities"]) == {"text", "audio", "video"}
        for modality in ("text", "audio"):
            parts = json.loads((run.path / "encoders" / modality / "split.json").read_text(encoding="utf-8"))
            assert sorted(parts["train"]) == sorted(split.train)
            record = read_fine_tuned(run.path / "encoders" / modality)
            assert record is not None
            assert record.fold == number
    assert sorted(tested) == sorted(clips.ids)
    assert "Optimistic protocol" in (tmp_path / "cv" / "report.md").read_text(encoding="utf-8")


def _recipe(path: Path, encoders: dict) -> Path:
    settings = {
        "data": {"workers": 0, "val_fraction": 0.25},
        "device": "cpu",
        "encoders": encoders,
        "model": {"preset": "tiny", "options": SMALL_MODEL},
        "optimiser": {"epochs": 1, "batch_size": 6},
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path
