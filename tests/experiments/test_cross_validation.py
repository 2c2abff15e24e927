import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import classification_report, splits
from emofuse.experiments.cross_validation import folds
from emofuse.experiments.cross_validation import run as cross_validation
from emofuse.experiments.cross_validation.report import write_cross_report
from emofuse.experiments.cross_validation.run import cross_validate
from emofuse.runs import executor
from emofuse.runs.executor import LocalProcesses
from emofuse.runs.processes import run_in_processes
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from tests.experiments.light_tasks import kill_self, note_start_and_end, without_page
from tests.small_corpus import small_settings

pytestmark = pytest.mark.usefixtures("quickly_spawned")

SMALL = {"optimiser__epochs": 1, "model__modalities": ["text", "audio"]}


@pytest.fixture(scope="module")
def whole(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> cross_validation.CrossValidation:
    return cross_validate(small_settings(corpus, **SMALL), corpus, tmp_path_factory.mktemp("cv") / "runs")


def test_every_utterance_is_judged_once_by_a_run_that_has_not_seen_it(
    corpus: Manifest, whole: cross_validation.CrossValidation
) -> None:
    settings = small_settings(corpus, **SMALL)
    expected = splits(corpus, "speaker", k=3, seed=0, val_fraction=settings.data.val_fraction)
    judged = []
    for fold, split in zip(whole.folds, expected, strict=True):
        assert fold.folder.read_split() == split
        table = pd.read_parquet(fold.folder.predictions_file)
        ids = table[table["part"] == "test"]["id"].tolist()
        assert sorted(ids) == sorted(split.test)
        assert not set(ids) & {*split.train, *split.val}
        judged += ids
    assert sorted(judged) == sorted(corpus.ids)


def test_means_are_over_folds_and_the_matrix_over_all_utterances(
    corpus: Manifest, whole: cross_validation.CrossValidation
) -> None:
    tables = [pd.read_parquet(fold.folder.predictions_file).query("part == 'test'") for fold in whole.folds]
    scores = [
        classification_report(t["label"].tolist(), t["predicted"].tolist(), corpus.labels, bootstrap=0)
        for t in tables
    ]
    assert whole.means is not None
    assert whole.pooled is not None
    f1 = [score.weighted_f1 for score in scores]
    assert whole.means.metrics["weighted_f1"].mean == pytest.approx(np.mean(f1))
    assert whole.means.metrics["weighted_f1"].sd == pytest.approx(np.std(f1, ddof=1))
    np.testing.assert_array_equal(whole.pooled.confusion, sum(score.confusion for score in scores))
    found = whole.class_means()["joy"]["f1_within_class"].mean
    assert found == pytest.approx(np.mean([score.per_class["joy"].f1_within_class for score in scores]))


def test_a_fold_is_the_run_that_training_it_alone_gives(
    corpus: Manifest, whole: cross_validation.CrossValidation, tmp_path: Path
) -> None:
    alone = fit_run(small_settings(corpus, data__fold=1, **SMALL), corpus, tmp_path / "alone")
    assert alone.weights_file.read_bytes() == whole.folds[1].folder.weights_file.read_bytes()


def test_the_report_says_what_each_fold_did(
    corpus: Manifest, whole: cross_validation.CrossValidation
) -> None:
    files = write_cross_report(whole, corpus)
    text = files.markdown.read_text(encoding="utf-8")
    for number in range(3):
        assert f"fold {number}" in text
    assert "±" in text
    assert (whole.folder / "figures" / "confusion.png").exists()
    metrics = json.loads((whole.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["mean_sd"]["runs"] == 3
    assert metrics["pooled"]["n"] == len(corpus)


def test_a_fold_that_fails_is_named_and_tried_again(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(corpus, **SMALL)
    tried: list[int] = []

    def breaks(settings_of_fold, *arguments, **options):  # type: ignore[no-untyped-def]
        tried.append(settings_of_fold.data.fold)
        if settings_of_fold.data.fold == 1:
            raise RuntimeError("the disk\nis full")
        return fit_run(settings_of_fold, *arguments, **options)

    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(folds, "fit_run", breaks)
        outcome = cross_validate(settings, corpus, tmp_path / "cv", say=said.append)
    assert tried == [0, 1, 2]
    assert [fold.number for fold in outcome.failed] == [1]
    assert outcome.failed[0].failure == "RuntimeError: the disk is full"
    assert "fold 1 failed: RuntimeError: the disk is full" in said
    assert outcome.means is not None
    assert outcome.means.runs == 2
    assert "the disk is full" in write_cross_report(outcome, corpus).markdown.read_text(encoding="utf-8")

    before = outcome.folds[0].folder.weights_file.stat().st_mtime_ns
    again = cross_validate(settings, corpus, tmp_path / "cv", resume=True)
    assert not again.failed
    assert again.folds[0].folder.weights_file.stat().st_mtime_ns == before
    assert not list((tmp_path / "cv").glob("*/failure.txt"))


@pytest.mark.parametrize("worker", ["is killed by signal: Terminated", "exited unexpectedly"])
def test_a_signal_to_the_whole_job_ends_it_and_is_no_failure_of_a_fold(
    worker: str, whole: cross_validation.CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signalled(*given: object, **options: object) -> RunFolder:
        # What torch makes of it: a process that reads data has had the signal too.
        lost = RuntimeError(f"DataLoader worker (pid 7) {worker}. ")
        if "Terminated" not in worker:
            lost.__context__ = KeyboardInterrupt()
        raise lost

    monkeypatch.setattr(folds, "fit_run", signalled)
    manifest = Manifest.read(whole.settings.data.manifest)
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        cross_validate(whole.settings, manifest, tmp_path / "cv")
    assert not list((tmp_path / "cv").glob("*/failure.txt"))


def test_a_taken_folder_and_other_settings_are_refused(
    corpus: Manifest, whole: cross_validation.CrossValidation
) -> None:
    with pytest.raises(EmofuseError, match="choose another folder, or add --resume"):
        cross_validate(small_settings(corpus, **SMALL), corpus, whole.folder)
    with pytest.raises(EmofuseError, match=r"other settings \(seed was 0, now 5\)"):
        cross_validate(small_settings(corpus, seed=5, **SMALL), corpus, whole.folder, resume=True)


def test_processes_give_the_numbers_of_one_and_a_killed_one_takes_no_other_with_it(
    corpus: Manifest, whole: cross_validation.CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(corpus, **SMALL)
    real = run_in_processes
    shutil.copytree(whole.folder, tmp_path / "cv")
    for number in (0, 1):
        shutil.rmtree(tmp_path / "cv" / f"fold-{number:02d}")

    def with_a_victim(tasks, jobs, **options):  # type: ignore[no-untyped-def]
        first, second = tasks
        real({first: kill_self, second: partial(without_page, tasks[second])}, jobs, **options)

    monkeypatch.setattr(executor, "run_in_processes", with_a_victim)
    outcome = cross_validate(settings, corpus, tmp_path / "cv", executor=LocalProcesses(2), resume=True)
    assert [fold.number for fold in outcome.failed] == [0]
    assert "killed by signal 9" in str(outcome.failed[0].failure)
    expected = whole.folds[1].folder.weights_file.read_bytes()
    assert outcome.folds[1].folder.weights_file.read_bytes() == expected


def test_a_report_that_a_kill_has_left_out_is_written(
    corpus: Manifest, whole: cross_validation.CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole.folder, tmp_path / "cv")
    (tmp_path / "cv" / "fold-01" / "report.html").unlink()
    reported: list[str] = []
    monkeypatch.setattr(
        folds, "write_run_report", lambda outcome, manifest: reported.append(outcome.folder.path.name)
    )
    outcome = cross_validate(small_settings(corpus, **SMALL), corpus, tmp_path / "cv", resume=True)
    assert reported == ["fold-01"]
    assert not outcome.failed


@pytest.mark.parametrize(("free", "together"), [(10**15, True), (1, False)])
def test_the_first_runs_alone_and_memory_decides_how_many_follow(
    tmp_path: Path, free: int, together: bool
) -> None:
    tasks = {tmp_path / str(number): note_start_and_end for number in range(3)}
    ended: list[tuple[Path, int]] = []
    run_in_processes(
        tasks, 2, finished=lambda path, code: ended.append((path, code)), free_memory=lambda: free
    )
    assert sorted(ended) == [(path, 0) for path in sorted(tasks)]
    start, end = ([float((path / name).read_text()) for path in sorted(tasks)] for name in ("start", "end"))
    assert end[0] < min(start[1:])
    assert (max(start[1:]) < min(end[1:])) == together


def test_a_run_folder_and_a_cross_validation_are_told_apart(whole: cross_validation.CrossValidation) -> None:
    with pytest.raises(
        EmofuseError, match=r"run\.json is missing; it holds \d runs \(fold-00, .*\S/fold-00$"
    ):
        RunFolder.open(whole.folder)


def test_values_are_cross_validated_as_classes_are(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folds, "write_run_report", lambda *arguments: None)
    valence = corpus.frame["label"].map({"joy": 1.5, "anger": -2.0, "sadness": -1.0})
    opinions = Manifest.from_frame(corpus.frame.assign(valence=valence, label=None), corpus.root)
    settings = RunSettings().with_changes(
        {
            "data.folds": 2,
            "data.val_fraction": 0.25,
            "data.features": str(tmp_path / "features"),
            "device": "cpu",
            "encoders.text": {"modality": "text", "name": "hashed-ngrams", "dim": 64},
            "model.name": "cm-msf",
            "model.task": "regression",
            "model.modalities": ["text"],
            "optimiser.epochs": 1,
        }
    )
    outcome = cross_validate(settings, opinions, tmp_path / "cv")
    assert [fold.failure for fold in outcome.folds] == [None, None]
    assert outcome.means is not None
    assert outcome.pooled is not None
    assert "mae" in outcome.means.metrics
    assert outcome.pooled.n == len(corpus)
    assert outcome.class_means() == {}
    assert "Mean absolute error" in outcome.lines()[-2]
    assert outcome.lines()[-1] == f"{len(corpus)} test rows: too few to judge by"
    assert "±" in write_cross_report(outcome, opinions).markdown.read_text(encoding="utf-8")
