"""Features that know their training part are found, and others are left in peace."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.evaluation.protocols.fitted_features import check_fitted_features
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.reporting import run_report
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.training.fit import fit_run
from tests.feature_file import import_file
from tests.small_runs import text_settings

CLASSES = np.array(["anger", "joy", "sadness"])


def corpus(leak: float, d: int = 12, dialogues: int = 40, turns: int = 8, seed: int = 0):
    """Three quarters of the dialogues train; the labels show through there by ``leak`` more than in the rest."""
    rng = np.random.default_rng(seed)
    n = dialogues * turns
    groups = np.repeat(np.arange(dialogues), turns)
    classes = rng.integers(0, 3, n)
    train = groups < 3 * dialogues // 4
    features = rng.normal(size=(n, d))
    features[np.arange(n), classes] += 1.0 + leak * train
    return features, classes, groups, train


def check(features, targets, groups, train):  # type: ignore[no-untyped-def]
    return check_fitted_features(features, targets, groups.tolist(), train, ~train, modality="text")


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_leak_is_found_and_where_there_is_none_nothing_is(seed: int) -> None:
    features, classes, groups, train = corpus(leak=3.0, seed=seed)
    found = check(features, CLASSES[classes], groups, train)
    assert found is not None
    assert found.is_fitted
    assert found.inside > 0.9 > 0.8 > found.outside
    assert found.interval.low < found.gap < found.interval.high
    assert "know their training part" in found.line()
    assert "withhold" in found.line()
    features, classes, groups, train = corpus(leak=0.0, seed=seed)
    honest = check(features, CLASSES[classes], groups, train)
    assert honest is not None
    assert not honest.is_fitted
    assert abs(honest.gap) < 0.1
    assert "do not clearly tell more" in honest.line()


def test_values_are_compared_by_their_correlation() -> None:
    rng = np.random.default_rng(0)
    for leak, is_fitted in ((4.0, True), (0.0, False)):
        features, _, groups, train = corpus(leak=0.0)
        values = rng.normal(size=len(groups))
        features[:, 0] = rng.normal(size=len(groups)) + values * (0.7 + leak * train)
        found = check(features, values, groups, train)
        assert found is not None
        assert found.metric == "corr"
        assert found.is_fitted is is_fitted


def test_what_tells_nothing_is_said_to_tell_nothing() -> None:
    features, classes, groups, train = corpus(leak=0.0)
    noise = np.random.default_rng(1).normal(size=features.shape)
    found = check(noise, CLASSES[classes], groups, train)
    assert found is not None
    assert "next to nothing" in found.line()
    assert found.chance == pytest.approx(1 / 3)


def test_wide_features_are_projected_and_still_tell() -> None:
    features, classes, groups, train = corpus(leak=4.0, d=700)
    found = check(features * 1e4, CLASSES[classes], groups, train)
    assert found is not None
    assert found.is_fitted


def test_too_little_says_nothing() -> None:
    features, classes, groups, train = corpus(leak=3.0, dialogues=12)
    assert check(features, CLASSES[classes], groups, train) is None, "three dialogues are held out"
    features, classes, groups, train = corpus(leak=3.0)
    assert check(features, np.array(["joy"] * len(groups)), groups, train) is None
    assert check(features, CLASSES[classes], groups, np.zeros_like(train)) is None


def planted_file(path: Path, leak: float) -> Path:
    text, classes, groups, train = corpus(leak)
    audio, *_ = corpus(0.0, seed=0)
    np.savez_compressed(
        path,
        id=np.array([f"d{g}t{i}" for i, g in enumerate(groups)]),
        dialogue=np.array([f"d{g}" for g in groups]),
        split=np.where(train, np.where(groups % 5 == 0, "val", "train"), "test"),
        label=CLASSES[classes],
        text=text.astype(np.float32),
        audio=audio.astype(np.float32),
    )
    return path


def test_report_metrics_and_audit_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("class_figures", "certainty_figures", "comparison_figures", "training_figures"):
        monkeypatch.setattr(
            run_report, name, lambda *arguments, **options: []
        )  # they take longer than all the rest
    folder = import_file(planted_file(tmp_path / "planted.npz", 3.0), tmp_path / "corpus")
    manifest = Manifest.read(folder / "manifest.csv").validate()
    settings = text_settings(
        manifest,
        **{"data.protocol": "official", "encoders": {}, "model.options": {"dim": 8, "ff_dim": 8, "heads": 2}},
        model__name="mfcre",
        optimiser__epochs=1,
    )
    run = fit_run(settings, manifest, tmp_path / "run")
    outcome = evaluate_fit(run, manifest)
    assert {each.modality: each.is_fitted for each in outcome.fitted_features} == {
        "text": True,
        "audio": False,
    }
    assert any("leak: text features know their training part" in line for line in outcome.lines())
    held = json.loads((run.path / "metrics.json").read_text())["fitted_features"]
    assert [each["fitted"] for each in held] == [True, False]
    text = write_run_report(outcome, manifest).markdown.read_text(encoding="utf-8")
    assert "**Warning:** text features know their training part" in text
    assert "- audio features do not clearly tell more" in text

    def audit(*more: str) -> tuple[int, str]:
        shown = CliRunner().invoke(app, ["audit", str(folder / "manifest.csv"), "--strict", *more])
        return shown.exit_code, shown.output

    code, output = audit()
    assert code == 1
    assert "text features know their training part" in output
    assert audit("--ignore", "features")[0] == 0
    assert "know their" not in audit("--protocol", "dialogue", "--ignore", "features")[1]
