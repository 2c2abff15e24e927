"""Several seeds as one: the mean of what they say, in tables, of raw texts, and from the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.ensemble import EnsemblePipeline, open_pipeline
from emofuse.errors import EmofuseError
from emofuse.experiments.compared_runs import find_runs, methods_of
from emofuse.experiments.cross_validation.run import collect, cross_validate
from emofuse.experiments.cross_validation.seeds import cross_validate_seeds, ensemble_of_folds
from emofuse.experiments.seeds import train_seeds
from emofuse.inference.baselines.scores import best_baseline
from emofuse.inference.ensemble import evaluate_ensemble
from emofuse.inference.timeline import EmotionTimeline
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.ensemble_folder import ENSEMBLE_FILE, members_of
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of
from emofuse.training.fit import fit_run
from tests.inference.timelines.made import segment
from tests.small_runs import text_corpus, text_settings


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From the command line, two seeds."""
    place = tmp_path_factory.mktemp("ensembles")
    recipe = place / "recipe.yaml"
    recipe.write_text(text_settings(manifest, seed=3, optimiser__epochs=2).to_yaml(), encoding="utf-8")
    arguments = ["train", str(manifest.root), "--recipe", str(recipe), "--out", str(place / "two")]
    told = CliRunner().invoke(app, [*arguments, "--seeds", "2", "--no-baseline", "--quiet"])
    assert told.exit_code == 0, told.output
    assert "ensemble of 2 seeds" in told.output
    assert "takes 2 times as long as with one" in told.output
    return place / "two"


def test_the_ensemble_says_the_mean_of_its_members(trained: Path, manifest: Manifest) -> None:
    members = members_of(trained)
    assert [member.read_record().seed for member in members] == [3, 4]
    assert members[0].read_split() == members[1].read_split()
    one, other = (pd.read_parquet(member.predictions_file).set_index(["part", "id"]) for member in members)
    mean = pd.read_parquet(trained / "predictions.parquet").set_index(["part", "id"])
    columns = [f"p_{label}" for label in manifest.labels]
    wanted = (one[columns] + other.loc[one.index, columns]) / 2
    np.testing.assert_allclose(mean.loc[one.index, columns], wanted)
    said = [manifest.labels[best] for best in wanted.to_numpy().argmax(axis=1)]
    assert list(mean.loc[one.index, "predicted"]) == said
    assert not np.allclose(one[columns], other.loc[one.index, columns], atol=1e-3)
    metrics = json.loads((trained / "metrics.json").read_text())
    test = mean.loc["test"]
    assert metrics["test"]["accuracy"] == pytest.approx((test["predicted"] == test["label"]).mean())
    alone = [json.loads((member.path / "metrics.json").read_text()) for member in members]
    accuracies = [one["test"]["accuracy"] for one in alone]
    assert metrics["members"]["metrics"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    assert metrics["fit_seconds"] == pytest.approx(sum(one["fit_seconds"] for one in alone))


def test_a_raw_text_and_a_manifest_are_told_the_mean(trained: Path, manifest: Manifest) -> None:
    pipe = open_pipeline(trained)
    members = [EmotionPipeline.from_pretrained(member.path) for member in members_of(trained)]
    [segment] = pipe(text="I love it so much")
    alone = [member(text="I love it so much")[0] for member in members]
    for label, p in segment.probabilities.items():
        assert p == pytest.approx(np.mean([one.probabilities[label] for one in alone]))
    assert segment.label == max(segment.probabilities, key=lambda name: segment.probabilities[name])
    told = pd.read_parquet(trained / "predictions.parquet").query("part == 'test'").set_index("id")
    for row in pipe.predict_manifest(manifest.select(list(told.index))):
        assert row.probabilities["joy"] == pytest.approx(told.loc[row.id, "p_joy"], abs=1e-5)
    with pytest.raises(EmofuseError, match="sets of labels are of one run"):
        pipe(text="I love it", coverage=0.9)


def test_each_recording_of_a_list_is_told_its_own_mean() -> None:
    def member(joy: float) -> Any:
        def call(media: list[str]) -> list[EmotionTimeline]:
            sure = {"a.mp4": joy, "b.mp4": 1 - joy}
            shares = [{"joy": sure[one], "anger": 1 - sure[one]} for one in media]
            return [
                EmotionTimeline(
                    [segment(0, 1, recording=one, probabilities=each, value=None)], ["joy", "anger"]
                )
                for one, each in zip(media, shares, strict=True)
            ]

        call.labels, call.notes = ["joy", "anger"], ()  # type: ignore[attr-defined]
        return call

    pipe = EnsemblePipeline([member(0.9), member(0.5)])
    told = pipe(["a.mp4", "b.mp4"])
    assert [one[0].recording for one in told] == ["a.mp4", "b.mp4"]
    assert [one[0].probabilities["joy"] for one in told] == pytest.approx([0.7, 0.3])
    assert [one[0].label for one in told] == ["joy", "anger"]
    assert pipe([]) == []


def test_predict_and_evaluate_take_the_folder(trained: Path) -> None:
    told = CliRunner().invoke(app, ["predict", str(trained), "--text", "I hate this", "--json", "--quiet"])
    assert told.exit_code == 0, told.output
    assert sum(json.loads(told.output)[0]["probabilities"].values()) == pytest.approx(1)
    told = CliRunner().invoke(app, ["evaluate", str(trained), "--json"])
    assert json.loads(told.output)["times_as_long"] == 2
    told = CliRunner().invoke(app, ["evaluate", str(trained), "--subsets"])
    assert "are for a run" in str(told.exception)
    with pytest.raises(EmofuseError, match="holds an ensemble"):
        RunFolder.open(trained)


def test_more_seeds_join_what_is_there_and_other_settings_are_refused(
    trained: Path, manifest: Manifest, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "more")
    settings = text_settings(manifest, seed=3, optimiser__epochs=2)
    before = (tmp_path / "more" / "seed-3" / "model.safetensors").stat().st_mtime_ns
    outcome = train_seeds(settings, manifest, tmp_path / "more", 3, resume=True)
    assert [record.seed for record in outcome.records] == [3, 4, 5]
    assert (tmp_path / "more" / "seed-3" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(EmofuseError, match="add --resume"):
        train_seeds(settings, manifest, tmp_path / "more", 3)
    with pytest.raises(EmofuseError, match="other settings"):
        train_seeds(
            settings.with_changes({"optimiser.epochs": 1}), manifest, tmp_path / "more", 3, resume=True
        )


def copied(trained: Path, place: Path) -> Path:
    return Path(shutil.copytree(trained, place))


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (["seed-3", "../two"], "lies outside of the folder"),
        (["seed-3", "seed-9"], "there is no such run folder"),
        (["seed-3"], "runs: List should have at least 2"),
    ],
)
def test_a_strange_ensemble_is_one_line(trained: Path, tmp_path: Path, runs: list[str], said: str) -> None:
    folder = copied(trained, tmp_path / "two")
    (folder / ENSEMBLE_FILE).write_text(json.dumps({"runs": runs}), encoding="utf-8")
    with pytest.raises(EmofuseError, match=said):
        members_of(folder)


def test_members_are_of_one_task_and_were_judged_on_the_same_utterances(
    trained: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path / "two")
    run = RunFolder(folder / "seed-4")
    table = pd.read_parquet(run.predictions_file)
    table.iloc[1:].to_parquet(run.predictions_file)
    with pytest.raises(EmofuseError, match="judged on other utterances"):
        evaluate_ensemble(folder)
    record = run.read_record()
    run.write_record(record.model_copy(update={"labels": [*record.labels[:-1], "other"]}))
    with pytest.raises(EmofuseError, match="are of one task"):
        members_of(folder)


@pytest.fixture(scope="module")
def folds(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From the command line, two seeds of two folds, beside linear models."""
    place = tmp_path_factory.mktemp("ensembles")
    recipe = place / "recipe.yaml"
    settings = text_settings(manifest, optimiser__epochs=1, data__folds=2)
    recipe.write_text(settings.to_yaml(), encoding="utf-8")
    arguments = ["train", str(manifest.root), "--recipe", str(recipe), "--out", str(place / "folds")]
    told = CliRunner().invoke(app, [*arguments, "--seeds", "2", "--all-folds", "--quiet"])
    assert told.exit_code == 0, told.output
    first = told.output.splitlines()[0]
    assert first.startswith("the ensemble of 2 seeds of DeepMSI-MER ")
    assert " on the same features and split: weighted F1 " in first
    assert "2 folds together, protocol dialogue: 72 utterances" in told.output
    return place / "folds"


def test_all_folds_are_judged_by_the_mean_of_their_seeds(folds: Path, manifest: Manifest) -> None:
    metrics = json.loads((folds / "metrics.json").read_text())
    assert metrics["seeds"] == [0, 1]
    seeds = []
    for seed in (0, 1):
        runs = [RunFolder(folds / f"seed-{seed}" / f"fold-0{fold}") for fold in (0, 1)]
        assert [run.read_record().seed for run in runs] == [seed, seed]
        found = pd.concat(pd.read_parquet(run.predictions_file).query("part == 'test'") for run in runs)
        seeds.append(found.set_index("id").loc[list(manifest.ids)])
    columns = [f"p_{label}" for label in manifest.labels]
    mean = (seeds[0][columns] + seeds[1][columns]).to_numpy() / 2
    right = np.array(manifest.labels)[mean.argmax(axis=1)] == seeds[0]["label"].to_numpy()
    assert metrics["pooled"]["n"] == len(manifest) == len(right)
    assert metrics["pooled"]["accuracy"] == pytest.approx(right.mean())
    alone = [(one["predicted"] == one["label"]).mean() for one in seeds]
    assert metrics["members"]["metrics"]["accuracy"]["mean"] == pytest.approx(np.mean(alone))
    linear = json.loads((folds / "seed-0" / "metrics.json").read_text())["baselines"]
    assert [one["test"] for one in metrics["baselines"]] == [one["test"] for one in linear]
    assert metrics["baselines"][0]["system"] == pytest.approx(metrics["pooled"]["weighted_f1"])


def test_a_prediction_from_seeds_of_folds_says_which_runs_there_are(folds: Path) -> None:
    told = CliRunner().invoke(app, ["predict", str(folds), "--text", "I miss her"])
    assert str(told.exception) == (
        f"{folds}: not a run folder, run.json is missing; it holds 4 runs (seed-0/fold-00, seed-0/fold-01, seed-1/fold-00 "
        f"and 1 more): name one of them, such as {folds}/seed-0/fold-00"
    )


def full_disk(*given: object, **named: object) -> None:
    raise OSError("full disk")


def test_a_failed_fold_is_named_and_the_others_stay(
    folds: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(folds, tmp_path / "folds")
    settings = text_settings(manifest, optimiser__epochs=1, data__folds=2)
    shutil.rmtree(folder / "seed-1" / "fold-01")
    kept = folder / "seed-0" / "fold-00" / "model.safetensors"
    before = kept.stat().st_mtime_ns
    with monkeypatch.context() as patched:
        patched.setattr("emofuse.experiments.cross_validation.folds.fit_run", full_disk)
        with pytest.raises(EmofuseError, match="seed-1, fold 1 failed: OSError: full disk"):
            cross_validate_seeds(settings, manifest, folder, 2, resume=True, baseline=True)
    outcome = cross_validate_seeds(settings, manifest, folder, 2, resume=True, baseline=True)
    assert outcome.pooled.n == len(manifest)
    assert kept.stat().st_mtime_ns == before


def test_an_ensemble_stands_beside_the_linear_model_of_its_split(folds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one split"
    for seed in (0, 1):
        shutil.copytree(folds / f"seed-{seed}" / "fold-00", folder / f"seed-{seed}")
    (folder / ENSEMBLE_FILE).write_text(json.dumps({"runs": ["seed-0", "seed-1"]}), encoding="utf-8")
    outcome = evaluate_ensemble(folder)
    score = best_baseline(outcome.baselines)
    assert score.difference.b == pytest.approx(outcome.test.weighted_f1)
    higher = "is not surely better than" if score.gain > 0 else "does not beat"
    says = "beats" if score.interval[0] > 0 else higher
    assert outcome.lines()[0].startswith(
        f"the ensemble of 2 seeds {says} the {score.name} on the same features"
    )


def corrected(manifest: Manifest) -> Manifest:
    """The corpus with another label in one row."""
    frame = manifest.frame.copy()
    frame.loc[0, "label"] = next(label for label in manifest.labels if label != frame.loc[0, "label"])
    return Manifest.from_frame(frame, manifest.root)


def test_more_seeds_are_of_the_same_corpus(trained: Path, folds: Path, manifest: Manifest) -> None:
    other = corrected(manifest)
    for folder, call in ((trained, train_seeds), (folds, cross_validate_seeds)):
        settings = RunSettings.from_yaml(folder / "config.yaml")
        with pytest.raises(EmofuseError, match=r"another state of this corpus: 1 row changed \(d0t0\)"):
            call(settings, other, folder, 3, resume=True)
        assert not (folder / f"seed-{settings.seed + 2}").exists()


def test_members_that_were_judged_by_other_labels_are_no_ensemble(trained: Path, tmp_path: Path) -> None:
    folder = copied(trained, tmp_path / "two")
    file = RunFolder(folder / "seed-4").predictions_file
    table = pd.read_parquet(file)
    was = table.loc[2, "label"]
    table.loc[2, "label"] = "joy" if was != "joy" else "anger"
    table.to_parquet(file)
    said = f"another state of the corpus .*{table.loc[2, 'id']} as {table.loc[2, 'label']} instead of {was}"
    with pytest.raises(EmofuseError, match=said):
        evaluate_ensemble(folder)


def test_runs_that_no_such_call_has_begun_are_not_taken_for_members(
    trained: Path, folds: Path, manifest: Manifest, tmp_path: Path
) -> None:
    shutil.copytree(trained / "seed-3", tmp_path / "seeds" / "seed-3")
    settings = RunSettings.from_yaml(trained / "config.yaml")
    for resume in (False, True):
        with pytest.raises(EmofuseError, match=r"\(seed-3\) that this command did not begin"):
            train_seeds(settings, manifest, tmp_path / "seeds", 2, resume=resume)
    shutil.copytree(folds / "seed-0" / "fold-00", tmp_path / "cv" / "fold-00")
    with pytest.raises(EmofuseError, match=r"\(fold-00\) that this command did not begin"):
        cross_validate(
            RunSettings.from_yaml(folds / "seed-0" / "config.yaml"), manifest, tmp_path / "cv", resume=True
        )


def test_finished_members_of_other_settings_are_refused(
    trained: Path, folds: Path, manifest: Manifest, tmp_path: Path
) -> None:
    seeds, cross = copied(trained, tmp_path / "seeds"), copied(folds / "seed-0", tmp_path / "cv")
    for run in (RunFolder(seeds / "seed-4"), RunFolder(cross / "fold-01")):
        run.write_settings(run.read_settings().with_changes({"optimiser.epochs": 7}))
    with pytest.raises(EmofuseError, match=r"seed-4/config\.yaml: .*optimiser\.epochs was 7, now 2"):
        train_seeds(RunSettings.from_yaml(seeds / "config.yaml"), manifest, seeds, 2, resume=True)
    with pytest.raises(EmofuseError, match=r"fold-01/config\.yaml: .*optimiser\.epochs was 7, now 1"):
        cross_validate(RunSettings.from_yaml(cross / "config.yaml"), manifest, cross, resume=True)


def test_a_folder_is_resumed_by_the_kind_of_call_that_began_it(
    trained: Path, folds: Path, manifest: Manifest
) -> None:
    calls = {
        "run": fit_run,
        "training of several seeds": lambda *given, resume: train_seeds(*given, 2, resume=resume),
        "cross-validation": cross_validate,
        "cross-validation of several seeds": lambda *given, resume: cross_validate_seeds(
            *given, 2, resume=resume
        ),
    }
    places = [trained / "seed-3", trained, folds / "seed-0", folds]
    for held, folder in zip(calls, places, strict=True):
        settings = RunSettings.from_yaml(folder / "config.yaml")
        for kind, call in calls.items():
            if kind != held:
                with pytest.raises(EmofuseError, match=rf"holds a {held} \(.+\), not a {kind}; choose"):
                    call(settings, manifest, folder, resume=True)


def test_scores_say_what_flatters_them(
    trained: Path, folds: Path, manifest: Manifest, tmp_path: Path
) -> None:
    two = copied(trained, tmp_path / "two")
    cross = [copied(folds / f"seed-{seed}", tmp_path / f"seed-{seed}") for seed in (0, 1)]
    flags = {"optimistic": True, "synthetic": True}
    for run in (RunFolder(two / "seed-3"), RunFolder(cross[1] / "fold-00")):
        run.write_record(run.read_record().model_copy(update=flags))
    settings = [
        RunSettings.from_yaml(place / "config.yaml").with_changes({"data.protocol": "random-kfold"})
        for place in cross
    ]
    rounds = [collect(own, manifest, place, 2) for own, place in zip(settings, cross, strict=True)]
    ensemble = evaluate_ensemble(two)
    together = ensemble_of_folds(rounds, tmp_path, task_of(settings[0], manifest))
    for outcome in (ensemble, rounds[1], together):
        assert flags.items() <= outcome.to_dict().items()
        assert sum("(optimistic, synthetic data): " in line for line in outcome.lines()) == 1
    assert rounds[0].lines()[-1].startswith("mean ± sd over 2 folds, protocol random-kfold (optimistic): ")
    honest = evaluate_ensemble(trained)
    assert f"protocol {honest.records[0].protocol}: " in "\n".join(honest.lines())


def test_seeds_of_all_folds_are_compared_as_one_method(folds: Path) -> None:
    [method] = methods_of(find_runs([str(folds)]))
    assert (method.name, method.folds, len(method.rounds)) == ("folds", 2, 2)
    assert method.runs[0] == str(folds / "seed-0" / "fold-00")
