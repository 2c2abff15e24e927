"""Scores of the test part per epoch: noted where they are asked for, used for nothing, marked optimistic."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.inference.best_test_epoch import best_test_epoch
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_runs import text_corpus, text_settings

MFCRE = {"model__name": "mfcre", "model__options": {"dim": 8, "ff_dim": 8, "heads": 2, "context": "none"}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    settings = text_settings(corpus, test_scores=True, **MFCRE)
    return fit_run(settings, corpus, tmp_path_factory.mktemp("runs") / "noted")


def test_a_run_with_them_is_the_run_without_them(corpus: Manifest, run: RunFolder, tmp_path: Path) -> None:
    plain = fit_run(text_settings(corpus, **MFCRE), corpus, tmp_path / "plain")
    ours, theirs = load_file(run.weights_file), load_file(plain.weights_file)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    histories = [pd.read_csv(each.history_file).drop(columns="seconds") for each in (run, plain)]
    pd.testing.assert_frame_equal(*histories)
    assert not plain.test_epochs_file.exists()
    assert best_test_epoch(plain) is None


def test_the_chosen_epoch_has_the_score_of_the_run_and_the_best_is_no_worse(
    corpus: Manifest, run: RunFolder
) -> None:
    outcome = evaluate_fit(run, corpus)
    found = outcome.best_test_epoch
    assert found is not None
    assert found.chosen_epoch == run.read_record().best_epoch
    assert found.chosen_score == pytest.approx(outcome.test.weighted_f1)
    table = pd.read_csv(run.test_epochs_file)
    assert len(table) == len(pd.read_csv(run.history_file))
    assert found.score == pytest.approx(table["test_weighted_f1"].max())
    assert found.worth == pytest.approx(found.score - outcome.test.weighted_f1)
    held = json.loads((run.path / "metrics.json").read_text())
    assert held["best_test_epoch"]["note"].startswith("optimistic")
    assert any("no result" in line for line in outcome.lines())


def test_averaged_weights_are_scored_as_they_are_judged(corpus: Manifest, tmp_path: Path) -> None:
    settings = text_settings(corpus, test_scores=True, optimiser__weight_average="ema", **MFCRE)
    outcome = evaluate_fit(fit_run(settings, corpus, tmp_path / "run"), corpus)
    assert outcome.best_test_epoch is not None
    assert outcome.best_test_epoch.chosen_score == pytest.approx(outcome.test.weighted_f1)


def test_of_an_error_the_smallest_is_the_best(run: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path)
    record = run.read_record().model_copy(update={"task": "regression", "labels": ["negative", "positive"]})
    other.write_record(record.model_copy(update={"best_epoch": 1}))
    pd.DataFrame({"epoch": [0, 1, 2], "test_mae": [0.5, 0.8, 0.9]}).to_csv(
        other.test_epochs_file, index=False
    )
    found = best_test_epoch(other)
    assert found is not None
    assert (found.epoch, found.worth) == (0, pytest.approx(0.3))
    pd.DataFrame({"epoch": [0], "test_mae": [0.5]}).to_csv(other.test_epochs_file, index=False)
    with pytest.raises(EmofuseError, match=r"test-epochs\.csv.*epoch 1"):
        best_test_epoch(other)


def test_several_devices_are_refused_before_the_folder_is_taken(corpus: Manifest, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="test_scores"):
        fit_run(text_settings(corpus, test_scores=True, devices=2), corpus, tmp_path / "new")
    assert not (tmp_path / "new").exists()
