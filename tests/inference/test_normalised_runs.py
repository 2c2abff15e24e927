"""Runs whose features are standardised per speaker: the same in training, judging, prediction and explanation."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.explanation import explain
from emofuse.features import FeatureStore
from emofuse.features.normalisation import NormalisedFeatures, TrainingStatistics
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.predict_rows import RowPredictor
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.run_folder import RunFolder
from tests.small_runs import text_corpus, text_run

BY_SPEAKER = {"data.normalise": {"text": "speaker"}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, RunFolder]:
    root = tmp_path_factory.mktemp("normalised")
    manifest = text_corpus(root / "corpus")
    folder = text_run(manifest, root / "run", **BY_SPEAKER)
    fit_baselines(folder, manifest)
    return manifest, folder


def raw_features(manifest: Manifest) -> dict[str, np.ndarray]:
    (identity,) = FeatureStore(manifest.root / "features").identities()
    reader = FeatureStore(manifest.root / "features").reader(identity)
    return {id: reader[id] for id in manifest.ids}


def by_hand(manifest: Manifest, folder: RunFolder) -> NormalisedFeatures:
    """Each part's speakers by themselves, drawn towards the training part."""
    split, raw = folder.read_split(), raw_features(manifest)
    part_of = {id: part for part, ids in split._asdict().items() for id in ids}
    groups = {id: (part_of.get(id), manifest.utterance(id).speaker) for id in manifest.ids}
    training = TrainingStatistics.of(raw, {id: groups[id] for id in split.train})
    return NormalisedFeatures(raw, groups, training)


def test_each_part_is_standardised_by_itself(run: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = run
    expected, found = by_hand(manifest, folder), RowPredictor(folder, manifest).readers["text"]
    for id in manifest.ids:
        np.testing.assert_allclose(found[id], expected[id], rtol=1e-5)


def test_speakers_in_two_parts_have_two_sets_of_statistics(tmp_path: Path) -> None:
    manifest = text_corpus(tmp_path / "corpus", dialogues=4, turns=12)
    protocol = {"data.protocol": "random-kfold", "optimiser.epochs": 1}
    folder = text_run(manifest, tmp_path / "run", **BY_SPEAKER, **protocol)
    expected, found = by_hand(manifest, folder), RowPredictor(folder, manifest).readers["text"]
    split = folder.read_split()
    speaker = {id: manifest.utterance(id).speaker for id in manifest.ids}
    assert {speaker[id] for id in split.train} & {speaker[id] for id in split.test}
    for id in (*split.train, *split.test):
        np.testing.assert_allclose(found[id], expected[id], rtol=1e-5)


def test_the_linear_model_gets_the_very_same_features(run: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = run
    split, features = folder.read_split(), by_hand(manifest, folder)
    table = pd.read_parquet(folder.baselines_file)
    alone = table[(table["baseline"] == "linear model") & (table["part"] == "test")]
    train = features.matrix(split.train)
    scale = lambda x: np.clip((x - train.mean(0)) / (train.std(0) + 1e-6), -10, 10)  # noqa: E731
    model = LogisticRegression(C=alone["strength"].iloc[0], max_iter=1000)
    model.fit(scale(train), [manifest.utterance(id).label for id in split.train])
    expected = model.predict_proba(scale(features.matrix(split.test)))
    found = alone[[f"p_{label}" for label in model.classes_]].to_numpy()
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_prediction_and_explanation_say_what_the_evaluation_said(run: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = run
    split, pipe = folder.read_split(), EmotionPipeline.from_pretrained(folder.path)
    test = manifest.select(split.test)
    judged = pd.read_parquet(folder.predictions_file).set_index("id")
    said = pipe.predict_manifest(test)
    for segment in said:
        row = judged.loc[segment.id]
        for label, probability in segment.probabilities.items():
            assert probability == pytest.approx(row[f"p_{label}"], abs=1e-4)
    row = test.utterance(split.test[0])
    beside = [r for r in test.rows() if r.speaker == row.speaker]
    found = explain(pipe, row, beside)
    assert found.probabilities == pytest.approx(said[0].probabilities, abs=1e-4)


def test_a_lone_utterance_is_predicted_and_said_to_be_alone(run: tuple[Manifest, RunFolder]) -> None:
    _, folder = run
    (segment,) = EmotionPipeline.from_pretrained(folder.path)(text="what a wonderful day")
    assert "stands alone" in segment.notes["text"]


def test_scores_say_that_they_are_transductive(run: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = run
    outcome = evaluate_fit(folder, manifest)
    (line,) = [line for line in outcome.lines() if "transductive" in line]
    assert "text per speaker" in line
    assert "text per speaker" in json.loads((folder.path / "metrics.json").read_text())["transductive"]


def test_another_corpus_is_standardised_by_its_own_speakers(
    run: tuple[Manifest, RunFolder], tmp_path: Path
) -> None:
    """The same ids with other words: no statistics of the run's parts are mixed in."""
    _, folder = run
    other = text_corpus(tmp_path / "other", dialogues=3, turns=6)
    frame = other.frame.assign(text=[f"{text}!!!" for text in other.frame["text"]])
    Manifest.from_frame(frame, other.root).write(other.root / "manifest.csv")
    other = Manifest.read(other.root / "manifest.csv").validate()
    found = RowPredictor(folder, other).readers["text"]
    raw = raw_features(other)
    training = by_hand(*run).training
    expected = NormalisedFeatures(raw, {id: other.utterance(id).speaker for id in other.ids}, training)
    for id in other.ids:
        np.testing.assert_allclose(found[id], expected[id], rtol=1e-5, atol=1e-6)


def test_a_damaged_or_missing_file_of_statistics_is_one_line(
    run: tuple[Manifest, RunFolder], tmp_path: Path
) -> None:
    manifest, _ = run
    folder = text_run(manifest, tmp_path / "run", **BY_SPEAKER, **{"optimiser.epochs": 1})
    folder.normalisation_file.write_bytes(b"no tensors")
    with pytest.raises(EmofuseError, match=r"normalisation\.safetensors.*train again"):
        EmotionPipeline.from_pretrained(folder.path)
    folder.normalisation_file.unlink()
    with pytest.raises(EmofuseError, match=r"normalisation\.safetensors.*train again"):
        RowPredictor(folder, manifest)


@pytest.mark.parametrize("wrong", ["audio", "sound=speaker", "audio=", "audio=voice"])
def test_a_wrong_choice_is_one_line(tmp_path: Path, wrong: str) -> None:
    manifest = text_corpus(tmp_path / "corpus", dialogues=3)
    found = CliRunner().invoke(
        app,
        ["train", str(manifest.root / "manifest.csv"), "--out", str(tmp_path / "r"), "--normalise", wrong],
    )
    assert isinstance(found.exception, EmofuseError)
    assert "normalise" in str(found.exception)
    assert not (tmp_path / "r").exists()


def test_what_could_not_be_standardised_is_refused_before_the_work(tmp_path: Path) -> None:
    manifest = text_corpus(tmp_path / "corpus", dialogues=3)
    with pytest.raises(EmofuseError, match=r"data\.normalise\.audio: this run has no encoded audio"):
        text_run(manifest, tmp_path / "run", **{"data.normalise": {"audio": "speaker"}})
    nobody = Manifest.from_frame(manifest.frame.assign(speaker=None), manifest.root).validate()
    with pytest.raises(EmofuseError, match="names no speaker"):
        text_run(nobody, tmp_path / "run", **BY_SPEAKER)
    assert not (tmp_path / "run" / "config.yaml").exists()
