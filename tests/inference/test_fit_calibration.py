import json
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax
from typer.testing import CliRunner

from emofuse import EmotionPipeline
from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.inference.calibration import Calibration, read_calibration, set_calibration
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.fit_calibration import calibration_of, fit_calibration
from emofuse.inference.predict_rows import RowPredictor, predict_rows
from emofuse.inference.reporting.reliability import uncalibrated
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.predictions import Predictions
from emofuse.runs.run_folder import RunFolder
from tests.small_runs import text_corpus, text_run, text_settings

PREDICT = RowPredictor.predict


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return text_run(corpus, tmp_path_factory.mktemp("runs") / "words")


def evaluate(run: RunFolder, *arguments: str) -> dict:
    result = CliRunner().invoke(app, ["evaluate", str(run.path), *arguments, "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_temperature_is_the_one_that_the_validation_part_likes_best(
    run: RunFolder, corpus: Manifest
) -> None:
    bare = predict_rows(run, corpus, run.read_split().val)
    plain = evaluate(run)
    assert plain["calibration"] is None
    found = evaluate(run, "--calibrate")
    kept = read_calibration(run)
    assert kept is not None
    assert found["calibration"]["temperature"] == kept.temperature != 1.0
    losses = {
        t: -log_softmax(bare.logits.astype(float) / t, axis=1)[
            np.arange(len(bare.labels)), bare.labels
        ].mean()
        for t in [*np.geomspace(0.06, 19, 200), kept.temperature]
    }
    assert min(losses, key=losses.get) == kept.temperature
    assert kept.nll_after == pytest.approx(losses[kept.temperature])
    assert kept.utterances == len(run.read_split().val)

    # Evaluation uses it, and no class changes.
    table = pd.read_parquet(run.predictions_file).query("part == 'val'")
    shown = table[[f"p_{label}" for label in run.read_record().labels]].to_numpy()
    np.testing.assert_allclose(
        shown, softmax(bare.logits.astype(float) / kept.temperature, axis=1), atol=1e-6
    )
    np.testing.assert_allclose(uncalibrated(shown, kept.temperature), bare.probabilities, atol=1e-5)
    assert found["test"]["confusion"] == plain["test"]["confusion"]
    assert found["test"]["ece"] != plain["test"]["ece"]
    report = (run.path / "report.html").read_text(encoding="utf-8")
    assert "before calibration" in report
    assert "fitted on the validation part" in report

    # So does the pipeline.
    said = EmotionPipeline.from_pretrained(run.path)(text="I love it so much")[0]
    run.calibration_file.unlink()
    bare_said = EmotionPipeline.from_pretrained(run.path)(text="I love it so much")[0]
    values = np.array([list(bare_said.probabilities.values())])
    np.testing.assert_allclose(
        uncalibrated(np.array([list(said.probabilities.values())]), kept.temperature), values, atol=1e-5
    )
    assert said.label == bare_said.label


def test_it_is_forgotten_on_request(run: RunFolder) -> None:
    plain = evaluate(run, "--no-calibrate")
    evaluate(run, "--calibrate")
    assert evaluate(run)["calibration"] is not None, "it stays until it is forgotten"
    again = evaluate(run, "--no-calibrate")
    assert again["calibration"] is None
    assert again["test"] == plain["test"]
    assert "before calibration" not in (run.path / "report.html").read_text(encoding="utf-8")


def test_an_interruption_loses_no_temperature_and_a_repetition_finds_the_same(
    corpus: Manifest, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(run, "--calibrate")
    before = run.calibration_file.read_bytes()
    evaluate(run, "--calibrate")
    assert run.calibration_file.read_bytes() == before

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emofuse.inference.evaluate.fit_calibration", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate_fit(run, corpus, calibration="fit")
    assert run.calibration_file.read_bytes() == before


@pytest.mark.parametrize("asked", ["--calibrate", "--no-calibrate"])
def test_a_kill_at_any_moment_leaves_no_prediction_of_another_temperature(
    corpus: Manifest, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    evaluate(run, "--no-calibrate" if asked == "--calibrate" else "--calibrate")
    bare = predict_rows(run, corpus, run.read_split().val, calibrated=False)

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    def left_by(step: str) -> list[str]:
        """What an evaluation that is killed in a step leaves of the files that go together."""
        copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / step)))
        with monkeypatch.context() as patch:
            patch.setattr(f"emofuse.inference.evaluate.{step}", killed)
            CliRunner().invoke(app, ["evaluate", str(copy.path), asked, "--quiet"])
        if copy.predictions_file.exists():
            held = read_calibration(copy)
            table = pd.read_parquet(copy.predictions_file).query("part == 'val'")
            shown = table[[f"p_{label}" for label in copy.read_record().labels]].to_numpy()
            expected = softmax(bare.logits.astype(float) / (held.temperature if held else 1.0), axis=1)
            np.testing.assert_allclose(shown, expected, atol=1e-6)
        is_judged = copy.read_record().status == "evaluated"
        assert is_judged == (copy.path / "metrics.json").exists(), "what takes it up knows what is missing"
        for page in (copy.path / "report.html", copy.path / "report.md"):
            if page.exists():
                shows_one = "before calibration" in page.read_text(encoding="utf-8")
                assert shows_one == copy.calibration_file.exists(), f"{page.name} is of another temperature"
                assert is_judged
        together = (copy.predictions_file, copy.path / "metrics.json", copy.calibration_file)
        return [file.name for file in together if file.exists()]

    before = ["calibration.json"] * (asked == "--no-calibrate")
    after = ["calibration.json"] * (asked == "--calibrate")
    whole = ["predictions.parquet", "metrics.json"]
    assert left_by("prediction_table") == [*whole, *before], "while it predicts, all is as it was"
    assert left_by("written_aside") == after
    assert left_by("write_pool_parts") == ["predictions.parquet", *after]
    assert (run.path / "report.html").exists(), "what was copied had a page to go stale"


def test_sets_of_labels_are_of_the_temperature_of_the_run_that_is_served(run: RunFolder) -> None:
    evaluate(run, "--no-calibrate")
    asked, unasked = (EmotionPipeline.from_pretrained(run.path, device="cpu") for _ in range(2))
    before = asked._label_sets(0.9)
    evaluate(run, "--calibrate")
    assert read_calibration(run).temperature != pytest.approx(1.0, abs=0.01)  # type: ignore[union-attr]
    for pipe in (asked, unasked):
        assert pipe._label_sets(0.9).threshold == pytest.approx(before.threshold, rel=1e-5)
    anew = EmotionPipeline.from_pretrained(run.path, device="cpu")._label_sets(0.9)
    assert anew.threshold != pytest.approx(before.threshold, rel=1e-3)


def test_two_evaluations_do_not_write_into_each_other(run: RunFolder) -> None:
    with locked_folder(run.path):
        refused = CliRunner().invoke(app, ["evaluate", str(run.path), "--calibrate", "--quiet"])
    assert refused.exit_code != 0
    assert "another job is under way in this folder" in str(refused.exception)


def test_the_test_part_has_no_say(corpus: Manifest, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted_on: list[list[str]] = []
    predicted: list[tuple[list[str], set[str]]] = []

    def fit(val: Predictions) -> Calibration:
        fitted_on.append(list(val.ids))
        return fit_calibration(val)

    def predict(
        predictor: RowPredictor, ids: Sequence[str], hidden: Collection[str] = (), *rest: str, **options: bool
    ) -> Predictions:
        predicted.append((list(ids), set(hidden)))
        return PREDICT(predictor, ids, hidden, *rest, **options)

    monkeypatch.setattr("emofuse.inference.evaluate.fit_calibration", fit)
    monkeypatch.setattr(RowPredictor, "predict", predict)
    evaluate(run, "--calibrate")
    split = run.read_split()
    assert fitted_on == [split.val]
    assert [hidden for ids, hidden in predicted if ids == split.val] == [set(split.test)], "predicted once"


def test_a_run_without_classes_is_refused_before_any_work(
    corpus: Manifest, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run.read_record().model_copy(update={"task": "regression"})
    monkeypatch.setattr(RunFolder, "read_record", lambda folder: record)
    with pytest.raises(EmofuseError, match="predicts no classes, so there is nothing to calibrate"):
        evaluate_fit(run, corpus, calibration="fit")


def test_training_can_calibrate_at_once(corpus: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = tmp_path / "r.yaml"
    settings.write_text(text_settings(corpus, optimiser__epochs=1).to_yaml(), encoding="utf-8")
    result = CliRunner().invoke(
        app,
        [
            "train",
            str(corpus.root / "manifest.csv"),
            f"--out={out}",
            f"--recipe={settings}",
            *("--calibrate", "--json", "--quiet"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["calibration"]["utterances"] == len(RunFolder(out).read_split().val)


@pytest.mark.parametrize("option", ["--all-folds", "--task=regression"])
def test_what_cannot_be_calibrated_is_refused_before_it_is_trained(
    corpus: Manifest, tmp_path: Path, option: str
) -> None:
    arguments = ["train", str(corpus.root / "manifest.csv"), f"--out={tmp_path}/run", "--calibrate"]
    result = CliRunner().invoke(app, [*arguments, "--model=cm-msf", option])
    assert isinstance(result.exception, EmofuseError)
    assert "--calibrate is for one run" in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_overconfidence_is_taken_back() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    logits = 8 * rng.normal(size=(400, 3))
    logits[np.arange(400), labels] += 4
    found = calibration_of(logits, labels)
    assert found.temperature > 2
    assert found.nll_after < found.nll_before
    assert found.ece_after < found.ece_before


def test_a_damaged_calibration_is_one_line(run: RunFolder) -> None:
    run.calibration_file.write_text('{"temperature": -1}', encoding="utf-8")
    with pytest.raises(EmofuseError, match=r"calibration\.json: damaged"):
        read_calibration(run)
    run.calibration_file.unlink()


@pytest.mark.timeout(20)  # who opens a pipe waits
def test_a_pipe_in_the_place_of_a_calibration(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    os.mkfifo(folder.calibration_file)
    with pytest.raises(
        EmofuseError, match=r"calibration\.json: cannot be read \(it is no regular file\); delete it"
    ):
        set_calibration(folder, None)
