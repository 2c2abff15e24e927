"""The pictures of a run's report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from emofuse.data.manifest import Manifest
from emofuse.data.stored_files import DamagedFileError
from emofuse.evaluation import ClassificationReport, SentimentReport
from emofuse.evaluation.reporting.figures import (
    Bar,
    draw_confusion,
    draw_kept_patches,
    draw_learning_curves,
    draw_modalities,
    draw_per_class,
    draw_protocols,
    save_figure,
)
from emofuse.evaluation.reporting.figures.values import draw_values
from emofuse.evaluation.reporting.report import ReportFigure
from emofuse.evaluation.reporting.report_rows import class_scores
from emofuse.inference.batches import dataset_of
from emofuse.inference.outcome import Outcome
from emofuse.inference.reporting.reliability import reliability_figures
from emofuse.models import EmotionOutput
from emofuse.runs.features import readers_of
from emofuse.runs.stored_results import read_history, read_predictions


def class_figures(scores: ClassificationReport, folder: Path, *, of: str) -> Iterator[ReportFigure]:
    """Confusion matrix and scores of each class.

    Args:
        scores: of some utterances.
        folder: for the pictures.
        of: which utterances, such as "the test part".
    """
    matrix = (scores.confusion, scores.labels)
    yield ReportFigure(
        save_figure(draw_confusion(*matrix), folder, "confusion", draw_confusion(*matrix, narrow=True)),
        f"Confusion matrix of {of}: utterances counted, and each row as percent of its true class.",
        f"Confusion matrix over {', '.join(scores.labels)}; {100 * scores.accuracy:.0f} percent lie on the diagonal.",
        "classes",
    )
    rows = class_scores(scores)
    bars = (
        {r.label: r.f1 for r in rows},
        {r.label: r.recall for r in rows},
        {r.label: r.support for r in rows},
    )
    yield ReportFigure(
        save_figure(draw_per_class(*bars), folder, "per-class", draw_per_class(*bars, narrow=True)),
        f"F1 and recall of each class of {of}, with 95 % bootstrap intervals over dialogues.",
        "; ".join(f"{r.label}: F1 {r.f1.value_text()}" for r in rows),
        "classes",
    )


def certainty_figures(outcome: Outcome[ClassificationReport], folder: Path) -> Iterator[ReportFigure]:
    """How far the probabilities can be believed."""
    yield from reliability_figures(held_out_table(outcome), outcome.test.labels, outcome.folder, folder)


def value_figures(outcome: Outcome[SentimentReport], folder: Path) -> Iterator[ReportFigure]:
    """Predicted against true values."""
    table = held_out_table(outcome)
    yield ReportFigure(
        save_figure(
            draw_values(table["valence"].tolist(), table["predicted_valence"].tolist()), folder, "values"
        ),
        "Each test utterance: what was predicted against what is true.",
        f"Predicted against true values of {len(table)} utterances; correlation {outcome.test.corr:.2f}.",
        "results",
    )


def comparison_figures(
    outcome: Outcome[Any], folder: Path, modalities: Sequence[Bar], protocols: Sequence[Bar]
) -> Iterator[ReportFigure]:
    """The run beside others: with fewer modalities, under other protocols."""
    if modalities:
        floor = outcome.test.majority.weighted_f1
        yield ReportFigure(
            save_figure(
                draw_modalities(modalities, chance=floor),
                folder,
                "modalities",
                draw_modalities(modalities, chance=floor, narrow=True),
            ),
            "Each modality alone and all together on the same test utterances; the dashed mark is the best that the "
            "data allow.",
            "; ".join(f"{bar.name}: {bar.estimate.value_text()}" for bar in modalities),
            "comparison",
        )
    if protocols:
        yield ReportFigure(
            save_figure(
                draw_protocols(protocols), folder, "protocols", draw_protocols(protocols, narrow=True)
            ),
            "The same system under two protocols. The hatched one is optimistic: the test part holds speakers and "
            "dialogues that the model was trained on.",
            "; ".join(f"{bar.name}: {bar.estimate.value_text()}" for bar in protocols),
            "comparison",
        )


def training_figures(outcome: Outcome[Any], folder: Path) -> Iterator[ReportFigure]:
    """Learning curves."""
    history = read_history(outcome.folder.history_file, "train again")
    columns = {
        name: history[name].tolist()
        for name in ("train_loss", "val_loss", "val_weighted_f1")
        if name in history
    }
    chosen = (outcome.record.best_epoch or 0) + 1
    if chosen > len(history):
        raise DamagedFileError(
            outcome.folder.history_file,
            f"it ends before epoch {chosen}, whose weights were kept",
            "train again",
        )
    yield ReportFigure(
        save_figure(
            draw_learning_curves(columns, chosen=chosen),
            folder,
            "learning-curves",
            draw_learning_curves(columns, chosen=chosen, narrow=True),
        ),
        f"Learning curves; the weights of epoch {chosen} were kept. The training loss is the whole "
        "of what the system minimises; the validation loss is that of its predictions alone.",
        f"Losses and validation score over {len(history)} epochs.",
        "training",
    )


def patch_figures(
    outcome: Outcome[Any], manifest: Manifest, folder: Path, count: int
) -> Iterator[ReportFigure]:
    """Frames of some utterances, and what visual sequence compression kept of them."""
    model = outcome.folder.load_model(outcome.record)
    if "video" not in outcome.record.model_config_["modalities"] or not outcome.record.model_config_["vsc"]:
        return
    settings = outcome.folder.read_settings()
    table = held_out_table(outcome)
    shown = table[table["has_video"]].drop_duplicates("label").head(count)
    readers = readers_of(outcome.folder, outcome.record, manifest)
    rows = [manifest.utterance(i) for i in shown["id"]]
    dataset = dataset_of(rows, model, readers, settings.data)
    for position, (row, predicted) in enumerate(zip(rows, shown["predicted"], strict=True)):
        batch = dataset.collate([dataset[position]])
        with torch.inference_mode():
            output: EmotionOutput = model.eval()(**batch.inputs)
        frames = batch.inputs["frames"][0].permute(0, 2, 3, 1).numpy()
        kept: list[Any] = [_rows_of(k.indices[0]) for k in output.kept]
        grid = output.kept[0].grid
        yield ReportFigure(
            save_figure(
                draw_kept_patches(frames, kept, grid),
                folder,
                f"patches-{position + 1}",
                draw_kept_patches(frames, kept, grid, narrow=True),
            ),
            f"“{row.text or row.id}” — true {row.label}, predicted {predicted}: the frames, and the patches that "
            "visual sequence compression kept.",
            f"{len(frames)} frames of utterance {row.id} with the dropped patches dimmed.",
            "frames",
        )


def _rows_of(indices: torch.Tensor) -> list[np.ndarray]:
    """(F, L) indices as a row per frame, without the padding of threshold mode."""
    return [row[row >= 0].numpy() for row in indices]


def held_out_table(outcome: Outcome[Any]) -> pd.DataFrame:
    """The test part of predictions.parquet."""
    record = outcome.record
    advice = f"run `emofuse evaluate {outcome.folder.path}`"
    table = read_predictions(outcome.folder.predictions_file, record.task, record.labels, advice)
    return table[table["part"] == "test"].reset_index(drop=True)
