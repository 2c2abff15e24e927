"""Pool a trained system with the linear model on the same features; the validation part chooses the weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from emofuse.data.loader import make_loader
from emofuse.data.manifest import Manifest
from emofuse.evaluation import fit_temperature
from emofuse.inference.baselines.fit import (
    FittedLinear,
    fit_linear_models,
    reads_frames,
    training_features,
    write_baselines,
)
from emofuse.inference.baselines.inputs import CLIP, DescribedPictures
from emofuse.inference.baselines.names import RIDGE
from emofuse.inference.batches import pictures_of
from emofuse.inference.predict_rows import RowPredictor
from emofuse.models import model_info
from emofuse.models.pooled_system import pool
from emofuse.nn.described_pictures import mean_spread_change
from emofuse.nn.linear_model import LinearModel
from emofuse.nn.linear_shape import LinearShape, PoolWeights
from emofuse.runs.corpus import Progress
from emofuse.runs.linear_record import LinearRecord, StoredPart
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.threads import torch_threads

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
_EVEN = 0.5


def fit_linear_pool(folder: RunFolder, manifest: Manifest, progress: Progress | None = None) -> None:
    """Fit the linear model of a run's pool on the training part, and the pool on the validation part.

    Of the linear models that stand beside every run (see `fit_baselines`) it is the better one on the validation part that
    a batch of the system can feed: one with neighbours only where the system sees dialogues. Both outputs are calibrated
    by a temperature, and mixed at the weight of least log-loss; of values, at that of least mean absolute error. An even
    mix is taken where it is within one standard error of it. Pictures that the system reads itself are described on a grid
    (`emofuse.nn.described_pictures`), the very ones that it is given.

    Args:
        folder: of a run whose system is trained.
        manifest: its corpus.
        progress: called with (done, total, what).
    """
    if folder.linear_file.exists():
        return
    record, split = folder.read_record(), folder.read_split()
    predictor = RowPredictor(folder, manifest, progress, alone=True)
    readers = training_features(folder, manifest, progress)
    if reads_frames(record):
        readers["video"] = _described_pictures(predictor)
    models = fit_linear_models(folder, manifest, readers)
    if not folder.baselines_file.exists():
        write_baselines(folder, manifest, models)  # the same, and fitted already
    usable = [model for model in models if _fits_batches(folder, manifest, model)]
    chosen = max(usable, key=lambda model: model.score)
    system = predictor.predict(split.val, set(split.test), "predicting the val part")
    known = np.isfinite(system.labels) & (system.labels >= 0 if chosen.fit.kind != RIDGE else True)
    weights, losses = choose_pool(
        system.logits[known],
        chosen.outputs(manifest, split.val)[known],
        system.labels[known],
        [manifest.utterance(i).dialogue for i, kept in zip(split.val, known, strict=True) if kept],
        classes=chosen.fit.kind != RIDGE,
    )
    written = LinearRecord(
        name=chosen.name,
        kind=chosen.fit.kind,
        strength=chosen.fit.strength,
        parts={
            m: StoredPart(pooling=each.part.pooling, dim=each.part.dim, marked=each.part.marked)
            for m, each in chosen.rows.modalities.items()
        },
        outputs=len(chosen.fit.bias),
        reach=chosen.rows.reach,
        components=0 if chosen.rows.components is None else len(chosen.rows.components),
        clip=CLIP,
        weight=weights.linear,
        system_temperature=weights.system_temperature,
        linear_temperature=weights.linear_temperature,
        utterances=int(known.sum()),
        losses={f"{weight:g}": loss for weight, loss in losses.items()},
    )
    folder.write_linear(written, linear_module(chosen))


def _described_pictures(predictor: RowPredictor) -> DescribedPictures:
    """Of all rows of the predictor's manifest that have pictures."""
    rows, settings = list(predictor.manifest.rows()), predictor.settings
    dataset = pictures_of(rows, predictor.model, settings.data)
    loader = make_loader(dataset, settings.optimiser.batch_size, workers=settings.data.workers)
    found: dict[str, np.ndarray] = {}
    done = 0
    with torch_threads(settings.threads), torch.inference_mode():
        for batch in loader:
            vectors = mean_spread_change(batch.inputs["frames"].to(predictor.device)).cpu().numpy()
            found |= {
                i: vector
                for i, vector, there in zip(batch.ids, vectors, batch.inputs["present"]["video"], strict=True)
                if there
            }
            done += len(batch)
            if predictor.progress is not None:
                predictor.progress(done, len(rows), "describing pictures")
    return DescribedPictures(found)


def choose_pool(
    system: np.ndarray, linear: np.ndarray, labels: np.ndarray, groups: Sequence[str], *, classes: bool
) -> tuple[PoolWeights, dict[float, float]]:
    """The weight and the temperatures that suit the validation part, and the loss at each weight.

    Args:
        system: (N, C) logits, or (N, 1) values.
        linear: (N, C) log-probabilities, or (N, 1) values.
        labels: (N,) class indices, or values.
        groups: (N,) the dialogues that they are of.
        classes: which of the two.
    """
    heat = (fit_temperature(system, labels), fit_temperature(linear, labels)) if classes else (1.0, 1.0)
    both = [torch.from_numpy(np.asarray(each, np.float64)) for each in (system, linear)]
    truth = torch.from_numpy(np.asarray(labels))
    losses: dict[float, np.ndarray] = {}
    for weight in WEIGHTS:
        pooled = pool(both[0], both[1], PoolWeights(weight, *heat), classes)
        each = (
            torch.nn.functional.cross_entropy(pooled, truth.long(), reduction="none")
            if classes
            else (pooled[:, 0] - truth.double()).abs()
        )
        losses[weight] = each.numpy()
    return PoolWeights(choose_weight(losses, groups), *heat), {
        w: float(each.mean()) for w, each in losses.items()
    }


def choose_weight(losses: Mapping[float, np.ndarray], groups: Sequence[str]) -> float:
    """The weight of least mean loss, or the even one where it costs no more than one standard error.

    Args:
        losses: weight → (N,) loss of each utterance.
        groups: (N,) the dialogues that they are of. The standard error is that of the paired difference over dialogues:
            utterances of one are not independent. Of a single dialogue it is not known, and the even weight is taken.
    """
    best = min(losses, key=lambda weight: float(losses[weight].mean()))
    more = losses[_EVEN] - losses[best]
    sums = pd.Series(more - more.mean()).groupby(np.asarray(groups)).sum()
    count = len(sums)
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum())) / len(more) if count > 1 else np.inf
    return _EVEN if float(more.mean()) <= error else best


def linear_module(model: FittedLinear) -> LinearModel:
    """A fitted linear model as a module that takes a system's batches."""
    rows, fit = model.rows, model.fit
    components = 0 if rows.components is None else len(rows.components)
    parts = {m: each.part for m, each in rows.modalities.items()}
    module = LinearModel(LinearShape(parts, len(fit.bias), fit.kind != RIDGE, rows.reach, components), CLIP)
    numbers: dict[str, Any] = {"weight": fit.weight, "bias": fit.bias, "known": fit.known}
    for m, each in rows.modalities.items():
        numbers |= {f"{m}_mean": each.mean, f"{m}_spread": each.spread}
    if components:
        numbers |= {"centre": rows.centre, "components": rows.components}
    module.load_state_dict({name: torch.from_numpy(np.asarray(n, np.float32)) for name, n in numbers.items()})
    return module


def _fits_batches(folder: RunFolder, manifest: Manifest, model: FittedLinear) -> bool:
    """Whether a batch of the system holds all that the model reads."""
    if not model.rows.reach:
        return True
    data = folder.read_settings().data
    longest = int(manifest.frame["dialogue"].value_counts().max())
    in_one_batch = longest <= data.dialogue_window or model.rows.reach <= data.dialogue_overlap
    return in_one_batch and model_info(folder.read_record().model_name).scope == "dialogue"
