"""Predictions as a table, and metrics of such a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from emofuse.data.manifest import Manifest, Utterance
from emofuse.evaluation import classification_report, sentiment_report
from emofuse.runs.predictions import Predictions
from emofuse.runs.tasks import Task


def prediction_table(manifest: Manifest, predictions: Predictions, task: Task, part: str) -> pd.DataFrame:
    """One row per utterance: who, what was true, what was said, from what."""
    rows: list[Utterance] = [manifest.utterance(i) for i in predictions.ids]
    columns = {
        "id": predictions.ids,
        "part": part,
        "dialogue": [row.dialogue for row in rows],
        "turn": [row.turn for row in rows],
        "speaker": [row.speaker for row in rows],
        "label": [row.label for row in rows],
        **task.columns(predictions),
    }
    present = {f"has_{modality}": flags for modality, flags in predictions.present.items()}
    return pd.DataFrame(columns | present)


def report_on(table: pd.DataFrame, task: Task, bootstrap: int) -> Any:
    """Metrics of rows of predictions.parquet; intervals resample dialogues."""
    groups: Sequence[str] = table["dialogue"].tolist()
    if task.name == "regression":
        values = (table["valence"].to_numpy(), table["predicted_valence"].to_numpy())
        return sentiment_report(*values, groups=groups, bootstrap=bootstrap)
    return classification_report(
        table["label"].tolist(),
        table["predicted"].tolist(),
        task.labels,
        probabilities=table[[f"p_{label}" for label in task.labels]].to_numpy(),
        groups=groups,
        bootstrap=bootstrap,
    )
