"""One training of a search: a point, on one fold of one corpus, beside the linear model on the same features."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.stored_files import DamagedFileError, is_there, stored_json
from emofuse.evaluation import Split
from emofuse.experiments.search.corpora import SearchedCorpus
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.baselines.scores import best_baseline, read_baselines
from emofuse.inference.evaluate import score
from emofuse.inference.predict_rows import RowPredictor
from emofuse.inference.prediction_table import report_on
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of
from emofuse.training.fit import fit_run

_MEND = "delete it; the same command makes it again"
_LARGEST = {"weighted_f1": 1.0, "mae": 1e6}  # that a score can be; none is below 0


def gain_of(corpus: SearchedCorpus, changes: Mapping[str, Any], split: Split, folder: Path) -> float:
    """How much better a point is than the linear model on one fold; see `SearchedCorpus.gain`.

    What was scored is kept as a small file, and the run itself is not. One that was interrupted is taken up.

    Args:
        corpus: with its recipe.
        changes: the point; what the corpus does not know is left out, so that like points are one.
        split: of its training part.
        folder: of this fold of this corpus.
    """
    settings = corpus.at(changes)
    known = {name: value for name, value in changes.items() if name in corpus.axes}
    key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]
    file, linear_file = folder / f"{key}.json", folder / _linear_name(corpus)
    run, linear_run = RunFolder(folder / f"run-{key}"), RunFolder(folder / "run-linear")
    if not is_there(file):
        rows = _rows_of(corpus, split)
        fit_run(settings, rows, run.path, split=split, resume=True)
        if not is_there(linear_file) and not set(known) & corpus.linear_axes:
            _keep_linear(linear_file, run, rows, corpus)
        predictor = RowPredictor(run, rows)
        found = score(rows, predictor.predict(split.test), predictor.task).metrics[corpus.metric]
        _write(file, found, known)
    if not is_there(linear_file):
        rows = _rows_of(corpus, split)
        fit_run(_settings_of_linear(corpus), rows, linear_run.path, split=split, resume=True)
        _keep_linear(linear_file, linear_run, rows, corpus)
    for each in (run, linear_run):  # also one that a kill has left after its score
        if each.path.exists():
            shutil.rmtree(each.path)
    return corpus.gain(_read(file, corpus.metric), _read(linear_file, corpus.metric))


def _rows_of(corpus: SearchedCorpus, split: Split) -> Manifest:
    return corpus.manifest.select([*split.train, *split.val, *split.test])


def _linear_name(corpus: SearchedCorpus) -> str:
    """The name of its file; linear.json of an earlier version may be of a point, which is another where an axis is read."""
    return "linear-of-recipe.json" if corpus.linear_axes else "linear.json"


def _settings_of_linear(corpus: SearchedCorpus) -> RunSettings:
    """The recipe; one epoch is enough where no encoder learns from them, since the linear models read the features alone."""
    learning = any(spec.end_to_end is not None for spec in corpus.settings.encoders.values())
    return corpus.settings if learning else corpus.settings.with_changes({"optimiser.epochs": 1})


def _keep_linear(file: Path, run: RunFolder, rows: Manifest, corpus: SearchedCorpus) -> None:
    fit_baselines(run, rows)
    _write(file, _linear_score(run, corpus))


class _LinearScore(NamedTuple):
    """What a linear model scores on the two held-out parts of a fold."""

    metric: str
    val: float
    test: float


def _linear_score(run: RunFolder, corpus: SearchedCorpus) -> float:
    """That of the linear model that the fold's validation part likes best."""
    task, metric = task_of(corpus.settings, corpus.manifest), corpus.metric
    scores = []
    for _, rows in read_baselines(run, task).groupby("baseline", sort=False):
        val, test = (
            report_on(rows[rows["part"] == part], task, bootstrap=0).metrics[metric]
            for part in ("val", "test")
        )
        scores.append(_LinearScore(metric, val, test))
    return float(best_baseline(scores).test)


def _write(file: Path, value: float, point: Mapping[str, Any] | None = None) -> None:
    content = {"score": value} | ({} if point is None else {"point": point})
    write_text_aside(file, json.dumps(content) + "\n")


def _read(file: Path, metric: str) -> float:
    value = stored_json(file, _MEND).get("score")
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LARGEST[metric]:
        raise DamagedFileError(file, f"its score is no {metric}", _MEND)
    return float(value)
