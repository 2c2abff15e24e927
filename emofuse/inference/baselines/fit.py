"""Fit the linear models on a run's own features and split, and keep what they say of its held-out parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from emofuse.data import Modality
from emofuse.data.atomic import written_aside
from emofuse.data.batch import FeatureSource
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec
from emofuse.encoders.spec import FRAME_STATISTICS
from emofuse.evaluation import Split
from emofuse.inference.baselines.candidates import LinearFit, classifiers, ridges
from emofuse.inference.baselines.inputs import (
    LinearRows,
    ShortenedFeatures,
    has_neighbours,
    linear_rows,
    with_neighbours,
)
from emofuse.inference.baselines.names import ALONE, NEIGHBOURS
from emofuse.inference.batches import longest_sequences
from emofuse.inference.prediction_table import prediction_table
from emofuse.models import model_info
from emofuse.runs.corpus import Progress
from emofuse.runs.features import encode, encode_modalities, feature_store_of
from emofuse.runs.normalisation import normalise_encoded
from emofuse.runs.predictions import Predictions
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.tasks import MONITORS, Task, recorded_task
from emofuse.runs.threads import torch_threads

REACHES = (1, 2)
_FRAMES = 3  # pictures that the descriptor of a system's frames looks at


@dataclass(frozen=True)
class FittedLinear:
    """The linear model that the validation part likes best among those of one kind of rows.

    Attributes:
        name: of the kind: of utterances alone, or with neighbours.
        rows: of the corpus, in the order of its manifest.
        fit: the model.
        score: on the validation part, larger for a better one.
    """

    name: str
    rows: LinearRows
    fit: LinearFit
    score: float

    def outputs(self, manifest: Manifest, ids: Sequence[str]) -> np.ndarray:
        """(n, C) log-probabilities, or (n, 1) values, of these utterances."""
        place = {utterance: row for row, utterance in enumerate(manifest.ids)}
        return self.fit.outputs(self.rows.values[[place[i] for i in ids]])


def fit_baselines(folder: RunFolder, manifest: Manifest, progress: Progress | None = None) -> None:
    """Fit linear models on the features that a run was trained on, in seconds.

    Classes: logistic regression and linear discriminant analysis with shrinkage. A value: ridge. One sees each utterance
    alone. Where the corpus has dialogues, another one sees its neighbours too. The validation part chooses the model, its
    strength, and how many neighbours; the test part is only predicted. Frames, which a linear model cannot read, are
    described by `frame-statistics`. Writes ``baselines.parquet`` into the run folder.

    Args:
        folder: of a fitted run.
        manifest: its corpus.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: features that the run was trained on cannot be had any more.
    """
    if folder.baselines_file.exists():
        return
    readers = training_features(folder, manifest, progress)
    record = folder.read_record()
    if reads_frames(record):
        readers["video"] = _frame_statistics(folder, manifest, progress)
    write_baselines(folder, manifest, fit_linear_models(folder, manifest, readers))


def reads_frames(record: RunRecord) -> bool:
    """Whether the run's system sees the pictures themselves."""
    return model_info(record.model_name).reads_frames and "video" in record.model_config_["modalities"]


def training_features(
    folder: RunFolder, manifest: Manifest, progress: Progress | None = None
) -> dict[Modality, FeatureSource]:
    """Modality → the features that a run was trained on, as its system took them, of what was encoded.

    Raises:
        EmofuseError: they cannot be had any more.
    """
    record, settings = folder.read_record(), folder.read_settings()
    info = model_info(record.model_name)
    specs = {modality: part.spec for modality, part in record.encoders.items()}
    quarantine = Quarantine(folder.quarantine_file)
    encoded = encode_modalities(settings, manifest, specs, "cpu", quarantine, progress)
    encoded = normalise_encoded(settings, manifest, folder.read_split(), encoded)
    longest = longest_sequences(settings.data, record.model_config_.get("text_length"))
    return {
        m: ShortenedFeatures(part.reader, m, longest[m]) if info.takes(m) == "steps" else part.reader
        for m, part in encoded.items()
    }


def fit_linear_models(
    folder: RunFolder, manifest: Manifest, readers: Mapping[Modality, FeatureSource]
) -> list[FittedLinear]:
    """The best linear model of utterances alone, and where there are dialogues the best with neighbours.

    Args:
        folder: of a fitted run, whose training part they are fitted on and whose validation part chooses.
        manifest: its corpus.
        readers: modality → features.
    """
    record, settings, split = folder.read_record(), folder.read_settings(), folder.read_split()
    task, balanced = (
        recorded_task(record.task, record.labels),
        settings.optimiser.class_weights == "balanced",
    )
    with torch_threads(settings.threads):
        alone = linear_rows(manifest, readers, split.train)
        found = [_best(ALONE, task, manifest, split, [alone], balanced)]
        if has_neighbours(manifest):
            wider = (with_neighbours(manifest, alone, reach, split.train, split.test) for reach in REACHES)
            found += [_best(NEIGHBOURS, task, manifest, split, wider, balanced)]
    return found


def write_baselines(folder: RunFolder, manifest: Manifest, models: Sequence[FittedLinear]) -> None:
    """Keep what linear models say of a run's validation and test part."""
    record, split = folder.read_record(), folder.read_split()
    task = recorded_task(record.task, record.labels)
    tables = [
        linear_table(manifest, model, task, part, ids).assign(baseline=model.name)
        for model in models
        for part, ids in (("val", split.val), ("test", split.test))
    ]
    with written_aside(folder.baselines_file) as aside:
        pd.concat(tables, ignore_index=True).to_parquet(aside, index=False)


def linear_table(
    manifest: Manifest, model: FittedLinear, task: Task, part: str, ids: Sequence[str]
) -> pd.DataFrame:
    """What a linear model says of utterances, as in predictions.parquet, and which model it is."""
    outputs = model.outputs(manifest, ids)
    targets = np.array([task.target.of(manifest.utterance(i)) for i in ids])
    table = prediction_table(manifest, _predictions(task, ids, outputs, targets), task, part)
    near = f"{model.rows.reach} on each side" if model.rows.reach else ""
    return table.assign(neighbours=near, kind=model.fit.kind, strength=model.fit.strength)


def _frame_statistics(folder: RunFolder, manifest: Manifest, progress: Progress | None) -> FeatureSource:
    settings = folder.read_settings()
    return encode(
        manifest,
        EncoderSpec(modality="video", name=FRAME_STATISTICS, frames=_FRAMES),
        feature_store_of(settings, manifest),
        device="cpu",
        quarantine=Quarantine(folder.quarantine_file),
        workers=settings.data.workers,
        progress=progress,
    ).reader


def _best(
    name: str, task: Task, manifest: Manifest, split: Split, inputs: Iterable[LinearRows], balanced: bool
) -> FittedLinear:
    """The model that the validation part likes best."""
    place = {utterance: row for row, utterance in enumerate(manifest.ids)}
    train, val = ([place[i] for i in ids] for ids in (split.train, split.val))
    targets = np.array([task.target.of(manifest.utterance(i)) for i in manifest.ids])
    sign = 1.0 if MONITORS[task.own_metric] == "max" else -1.0
    known: Any = torch.from_numpy(targets[val])
    best: FittedLinear | None = None
    for rows in inputs:
        for fit in _fits(task, rows.values[train], targets[train], balanced):
            outputs = torch.from_numpy(fit.outputs(rows.values[val]))
            score = sign * task.validation(outputs, known)[task.own_metric]
            if best is None or score > best.score:
                best = FittedLinear(name, rows, fit, score)
    assert best is not None  # there are strengths
    return best


def _fits(task: Task, rows: np.ndarray, targets: np.ndarray, balanced: bool) -> Iterator[LinearFit]:
    if task.name == "regression":
        return ridges(rows, targets)
    return classifiers(rows, targets, len(task.labels), balanced)


def _predictions(task: Task, ids: Sequence[str], outputs: np.ndarray, targets: np.ndarray) -> Predictions:
    labels = targets.astype(np.int64) if task.name == "classification" else targets.astype(np.float64)
    return Predictions(list(ids), outputs.astype(np.float32), labels, {}, [])
