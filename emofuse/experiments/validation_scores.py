"""Scores on the validation part, by which settings are chosen; the test part is hidden even as context."""

from __future__ import annotations

import json
import math

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.stored_files import is_there
from emofuse.inference.evaluate import score
from emofuse.inference.predict_rows import RowPredictor
from emofuse.runs.corpus import Progress
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_results import read_scores

VALIDATION_FILE = "validation.json"


def validation_scores(
    run: RunFolder, manifest: Manifest, progress: Progress | None = None
) -> dict[str, float]:
    """Metric → score of a fitted run on its validation part, NaN where there is none; kept in the run folder.

    Args:
        run: a fitted run.
        manifest: its corpus.
        progress: called with (done, total, what).
    """
    file = run.path / VALIDATION_FILE
    if not is_there(file):
        split, predictor = run.read_split(), RowPredictor(run, manifest, progress)
        predictions = predictor.predict(split.val, set(split.test), "predicting the val part")
        metrics = score(manifest, predictions, predictor.task).metrics
        write_text_aside(
            file, json.dumps({k: None if math.isnan(v) else v for k, v in metrics.items()}) + "\n"
        )
    return read_scores(file, "delete it; the same command makes it again")
