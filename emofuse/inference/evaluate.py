"""From a fitted run to predictions, metrics and a report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Literal

import pandas as pd

from emofuse.data import Modality
from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.batch import FeatureSource
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.stored_files import is_there
from emofuse.evaluation import audit
from emofuse.inference.baselines.pool_scores import pool_scores, write_pool_parts
from emofuse.inference.baselines.scores import baseline_scores
from emofuse.inference.best_test_epoch import best_test_epoch
from emofuse.inference.calibration import Calibration, read_calibration, set_calibration, with_temperature
from emofuse.inference.familiarity import fit_run_familiarity
from emofuse.inference.fit_calibration import check_calibratable, fit_calibration
from emofuse.inference.label_sets import coverage_on
from emofuse.inference.outcome import Outcome, SubsetScore
from emofuse.inference.own_corpus import change_of_corpus
from emofuse.inference.predict_rows import RowPredictor
from emofuse.inference.prediction_table import prediction_table
from emofuse.runs.corpus import Progress
from emofuse.runs.fitted_features import fitted_features
from emofuse.runs.modalities import IMPORTED
from emofuse.runs.predictions import Predictions
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_results import read_history
from emofuse.runs.tasks import Task

COVERAGE = 0.9
"""What the sets of labels in a report promise."""


def evaluate_fit(
    folder: RunFolder,
    manifest: Manifest,
    *,
    subsets: bool = False,
    kept: bool = True,
    calibration: Calibration | Literal["stored", "fit"] | None = "stored",
    progress: Progress | None = None,
) -> Outcome[Any]:
    """Score a fitted run on its own validation and test parts and write what was found beside it.

    Writes predictions.parquet and metrics.json; the report is made from them.

    Args:
        folder: the run.
        manifest: its corpus.
        subsets: score the test part once more for every set of modalities that the run can be given.
        kept: the run is kept for prediction; False for one of many, as in folds and sweeps, for which no pictures are
            decoded only to know later what is unlike them.
        calibration: what the run's predictions go by from now on, None for none; by default what it has. ``"fit"`` fits
            it on the validation part, as `fit_calibration`. It is kept once the predictions are made, so that an
            interruption of these changes nothing.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: as `change_of_corpus`; or a file of the run is damaged, or a temperature cannot be fitted.
    """
    split = folder.read_split()
    if is_there(folder.history_file):  # the report reads it last; a damaged one is told before any work
        read_history(folder.history_file, "train again")
    if calibration == "fit":
        check_calibratable(folder)
    given = read_calibration(folder) if calibration == "stored" else calibration
    change = change_of_corpus(folder, manifest, split)
    predictor = RowPredictor(folder, manifest, progress)
    record, task = predictor.record, predictor.task
    modalities: Sequence[Modality] = predictor.model.config.modalities  # type: ignore[union-attr, assignment]
    sets = list(subsets_of(modalities)) if subsets else []
    val = predictor.predict(split.val, set(split.test), "predicting the val part", calibrated=False)
    used = fit_calibration(val) if isinstance(given, str) else given
    test = predictor.predict(split.test, what="predicting the test part", calibrated=False)
    temperature = used.temperature if used is not None else 1.0
    predictions = {"val": with_temperature(val, temperature), "test": with_temperature(test, temperature)}
    tables = [prediction_table(manifest, predictions[name], task, name) for name in predictions]
    both = pd.concat(tables, ignore_index=True)
    if calibration != "stored":
        set_calibration(folder, used)
    with written_aside(folder.predictions_file) as aside:
        both.to_parquet(aside, index=False)
    write_pool_parts(folder, predictor, split)
    fit_run_familiarity(folder, predictor, split, decode=kept)
    train = [manifest.utterance(i) for i in split.train]
    outcome = Outcome(
        folder=folder,
        record=record.model_copy(update={"status": "evaluated"}),
        test=score(manifest, predictions["test"], task, train),
        val=score(manifest, predictions["val"], task, train),
        leaks=audit(manifest, split, modalities=modalities),
        floor=task.floor(predictions["test"], train),
        corpus_change=str(change),
        baselines=baseline_scores(folder, tables[1], task),
        pool=pool_scores(folder, tables[1], task),
        label_sets=coverage_on(both, record.labels, COVERAGE) if task.name == "classification" else {},
        best_test_epoch=best_test_epoch(folder),
        fitted_features=fitted_features(manifest, split, _imported(predictor), task.name),
        subsets=tuple(
            SubsetScore(tuple(chosen), score(manifest, predictions, task, train))
            for chosen, predictions in zip(
                sets, predictor.predict_subsets(split.test, sets, what="every set of modalities"), strict=True
            )
        )
        if sets
        else (),
    )
    write_text_aside(
        folder.path / "metrics.json", json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n"
    )
    folder.write_record(outcome.record)
    return outcome


def _imported(predictor: RowPredictor) -> dict[Modality, FeatureSource]:
    """Features that were imported. Those of the encoders here are on record with what they were fitted to."""
    return {
        m: predictor.readers[m] for m, part in predictor.record.encoders.items() if part.spec.name == IMPORTED
    }


def subsets_of(modalities: Sequence[Modality]) -> Iterator[tuple[Modality, ...]]:
    """Every set of one modality or more, the smaller first."""
    for count in range(1, len(modalities) + 1):
        yield from combinations(modalities, count)


def score(manifest: Manifest, predictions: Predictions, task: Task, train: Sequence[Utterance] = ()) -> Any:
    """The task's metrics; intervals resample dialogues, because utterances of one are not independent."""
    return task.report(predictions, [manifest.utterance(i).dialogue for i in predictions.ids], train)
