"""Fit a run's temperature (Guo et al. 2017, §4.2) on its validation part, and on nothing else."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax

from emofuse.errors import EmofuseError
from emofuse.evaluation import expected_calibration_error, fit_temperature
from emofuse.inference.calibration import Calibration
from emofuse.runs.predictions import Predictions
from emofuse.runs.run_folder import RunFolder


def check_calibratable(folder: RunFolder) -> None:
    """Refuse, before any work, what has no probabilities.

    Raises:
        EmofuseError: the run predicts no classes.
    """
    if folder.read_record().task != "classification":
        raise EmofuseError(f"{folder.path}: predicts no classes, so there is nothing to calibrate")


def fit_calibration(val: Predictions) -> Calibration:
    """The temperature for a run's validation part; it is not kept yet.

    The validation part has chosen the epoch, so the model is a little surer of it than of new data, and the
    temperature a little too low.

    Args:
        val: predictions for the validation part, with bare logits and without the test part in sight.

    Raises:
        EmofuseError: no utterance of it has a label.
    """
    known = val.labels >= 0
    return calibration_of(val.logits[known], val.labels[known])


def calibration_of(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """The temperature for these logits, and their figures before and after.

    Args:
        logits: (N, C) of the validation part.
        labels: (N,) true class indices.

    Raises:
        EmofuseError: there are none.
    """
    temperature = fit_temperature(logits, labels)
    scores = np.asarray(logits, dtype=np.float64)
    return Calibration(
        temperature=temperature,
        utterances=len(labels),
        nll_before=_nll(scores, labels),
        nll_after=_nll(scores / temperature, labels),
        ece_before=expected_calibration_error(softmax(scores, axis=1), labels),
        ece_after=expected_calibration_error(softmax(scores / temperature, axis=1), labels),
    )


def _nll(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
