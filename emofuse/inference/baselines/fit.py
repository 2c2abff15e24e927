"""Fit the linear models on a run's own features and split, and keep what they say of its held-out parts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from emofuse.data.atomic import written_aside
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec
from emofuse.encoders.spec import FRAME_STATISTICS
from emofuse.evaluation import Split
from emofuse.inference.baselines.inputs import has_neighbours, vectors_of, with_neighbours
from emofuse.inference.prediction_table import prediction_table
from emofuse.models import model_info
from emofuse.runs.corpus import Progress
from emofuse.runs.features import encode, encode_modalities, feature_store_of
from emofuse.runs.normalisation import normalise_encoded
from emofuse.runs.predictions import Predictions
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.tasks import Task, recorded_task
from emofuse.runs.threads import torch_threads

ALONE, NEIGHBOURS = "linear model", "linear model with neighbours"
REACHES = (1, 2)
STRENGTHS = (3e-5, 3e-4, 3e-3, 3e-2)
PENALTIES = (1e1, 1e2, 1e3, 1e4)
_FRAMES = 3  # pictures that the descriptor of a system's frames looks at


def fit_baselines(folder: RunFolder, manifest: Manifest, progress: Progress | None = None) -> None:
    """Fit logistic regression (of a value: ridge) on the features that a run was trained on, in seconds.

    One sees each utterance alone. Where the corpus has dialogues, another one sees its neighbours too. The validation
    part chooses the strength, and how many neighbours; the test part is only predicted. Frames, which a linear model cannot
    read, are described by `frame-statistics`. Writes ``baselines.parquet`` into the run folder.

    Args:
        folder: of a fitted run.
        manifest: its corpus.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: features that the run was trained on cannot be had any more.
    """
    if folder.baselines_file.exists():
        return
    record, settings, split = folder.read_record(), folder.read_settings(), folder.read_split()
    task = recorded_task(record.task, record.labels)
    quarantine = Quarantine(folder.quarantine_file)
    specs = {modality: part.spec for modality, part in record.encoders.items()}
    encoded = encode_modalities(settings, manifest, specs, "cpu", quarantine, progress)
    encoded = normalise_encoded(settings, manifest, split, encoded)
    readers: dict[Any, Any] = {modality: part.reader for modality, part in encoded.items()}
    if model_info(record.model_name).reads_frames and "video" in record.model_config_["modalities"]:
        readers["video"] = encode(
            manifest,
            EncoderSpec(modality="video", name=FRAME_STATISTICS, frames=_FRAMES),
            feature_store_of(settings, manifest),
            device="cpu",
            quarantine=quarantine,
            workers=settings.data.workers,
            progress=progress,
        ).reader
    with torch_threads(settings.threads):
        vectors = vectors_of(manifest, readers, split.train)
        chosen = [_best(task, manifest, split, [("", vectors)], settings.optimiser.class_weights)]
        chosen[0]["baseline"] = ALONE
        if has_neighbours(manifest):
            inputs = (
                (
                    f"{reach} on each side",
                    with_neighbours(manifest, vectors, reach, split.train, split.test),
                )
                for reach in REACHES
            )
            found = _best(task, manifest, split, inputs, settings.optimiser.class_weights)
            chosen.append(found.assign(baseline=NEIGHBOURS))
    with written_aside(folder.baselines_file) as aside:
        pd.concat(chosen, ignore_index=True).to_parquet(aside, index=False)


def _best(
    task: Task,
    manifest: Manifest,
    split: Split,
    inputs: Iterable[tuple[str, np.ndarray]],
    class_weights: str,
) -> pd.DataFrame:
    """What the model says of both held-out parts that the validation part likes best."""
    place = {utterance: row for row, utterance in enumerate(manifest.ids)}
    rows = {part: [place[i] for i in ids] for part, ids in split._asdict().items()}
    targets = np.array([task.target.of(manifest.utterance(i)) for i in manifest.ids])
    found, best = None, -np.inf
    for name, vectors in inputs:
        for strength, outputs in _outputs(task, vectors, targets, rows, class_weights):
            metrics = task.report(
                _predictions(task, split.val, outputs["val"], targets[rows["val"]]), split.val
            ).metrics
            value = metrics["weighted_f1"] if task.name == "classification" else -metrics["mae"]
            if value > best:
                best, found = value, (name, strength, outputs)
    assert found is not None  # there are strengths
    name, strength, outputs = found
    tables = []
    for part in ("val", "test"):
        ids = getattr(split, part)
        table = prediction_table(
            manifest, _predictions(task, ids, outputs[part], targets[rows[part]]), task, part
        )
        tables.append(table.assign(neighbours=name, strength=strength))
    return pd.concat(tables, ignore_index=True)


def _outputs(
    task: Task, vectors: np.ndarray, targets: np.ndarray, rows: dict[str, list[int]], class_weights: str
) -> Iterator[tuple[float, dict[str, np.ndarray]]]:
    """For each strength the logits (n, C), or the values (n, 1), of both held-out parts."""
    known, train = vectors[rows["train"]], targets[rows["train"]]
    if task.name == "regression":
        for penalty in PENALTIES:
            ridge = Ridge(penalty).fit(known, train)
            yield penalty, {part: ridge.predict(vectors[rows[part]])[:, None] for part in ("val", "test")}
        return
    model = LogisticRegression(
        max_iter=100,
        tol=1e-3,
        warm_start=True,
        class_weight="balanced" if class_weights == "balanced" else None,
    )
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for a comparison
            model.set_params(C=strength).fit(known, train)
        yield (
            strength,
            {part: _logits(model, vectors[rows[part]], len(task.labels)) for part in ("val", "test")},
        )


def _logits(model: LogisticRegression, vectors: np.ndarray, classes: int) -> np.ndarray:
    """(n, C) log-probabilities; a class that training lacks is out of the question."""
    logits = np.full((len(vectors), classes), -1e3)
    logits[:, model.classes_.astype(int)] = model.predict_log_proba(vectors)
    return np.maximum(logits, -1e3)


def _predictions(task: Task, ids: Sequence[str], outputs: np.ndarray, targets: np.ndarray) -> Predictions:
    labels = targets.astype(np.int64) if task.name == "classification" else targets.astype(np.float64)
    return Predictions(list(ids), outputs.astype(np.float32), labels, {}, [])
