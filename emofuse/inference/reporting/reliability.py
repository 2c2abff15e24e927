"""How far the probabilities of a run can be believed, before and after calibration, as figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from emofuse.evaluation.metrics.calibration import expected_calibration_error, reliability_table
from emofuse.evaluation.reporting.figures import draw_reliability, save_figure
from emofuse.evaluation.reporting.report import ReportFigure
from emofuse.inference.calibration import read_calibration
from emofuse.runs.run_folder import RunFolder


def reliability_figures(
    table: pd.DataFrame, labels: Sequence[str], run: RunFolder, folder: Path
) -> Iterator[ReportFigure]:
    """The reliability plot of the test part; of a calibrated run the one before calibration comes first.

    Args:
        table: test rows of predictions.parquet.
        labels: the C classes.
        run: where the predictions are from.
        folder: for the figures.
    """
    probabilities = table[[f"p_{label}" for label in labels]].to_numpy()
    truth = table["label"].map({label: i for i, label in enumerate(labels)}).to_numpy()
    calibration = read_calibration(run)
    if calibration is None:
        yield _figure(probabilities, truth, folder, "reliability", "")
        return
    bare = uncalibrated(probabilities, calibration.temperature)
    yield _figure(bare, truth, folder, "reliability-before", "before calibration")
    after = f"after calibration (temperature {calibration.temperature:.2f}, fitted on the validation part)"
    yield _figure(probabilities, truth, folder, "reliability", after)


def uncalibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """What the probabilities were before logits were divided by the temperature, (N, C)."""
    # softmax(z) is softmax(z / T) to the power of T, made to sum to 1 again.
    powers = np.asarray(probabilities, dtype=np.float64) ** temperature
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _figure(probabilities: np.ndarray, truth: np.ndarray, folder: Path, name: str, when: str) -> ReportFigure:
    error = expected_calibration_error(probabilities, truth)
    drawn = draw_reliability(
        reliability_table(probabilities, truth),
        calibration_error=error,
        title=when.split(" (")[0].capitalize() or None,
    )
    suffix = f", {when}" if when else ""
    return ReportFigure(
        save_figure(drawn, folder, name),
        f"How often the model is right when it is this sure{suffix}; on the diagonal it would be well calibrated.",
        f"Reliability plot{suffix}; expected calibration error {100 * error:.1f} percent.",
        "classes",
    )
