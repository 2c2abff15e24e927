"""Fit a run's temperature (Guo et al. 2017, §4.2) on its validation part, and on nothing else."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import expected_calibration_error, fit_temperature
from emofuse.inference.calibration import Calibration, set_calibration
from emofuse.inference.own_corpus import change_of_corpus
from emofuse.inference.predict_rows import predict_rows
from emofuse.runs.corpus import Progress
from emofuse.runs.run_folder import RunFolder


def calibrate_run(folder: RunFolder, manifest: Manifest, *, progress: Progress | None = None) -> Calibration:
    """Fit the temperature and keep it in the run folder; evaluation and prediction use it from then on.

    Arguments and errors as of `fitted_calibration`. A temperature that the run has stays until there is another, which
    an interruption must not lose; scores of another temperature are removed, see `set_calibration`.
    """
    calibration = fitted_calibration(folder, manifest, progress=progress)
    set_calibration(folder, calibration)
    return calibration


def fitted_calibration(
    folder: RunFolder, manifest: Manifest, *, progress: Progress | None = None
) -> Calibration:
    """The run's temperature, which is not kept yet.

    The validation part has chosen the epoch, so the model is a little surer of it than of new data, and the
    temperature a little too low. The test part is never looked at.

    Args:
        folder: a fitted run.
        manifest: its corpus.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: the run predicts no classes, or no utterance of its validation part has a label.
    """
    if folder.read_record().task != "classification":
        raise EmofuseError(f"{folder.path}: predicts no classes, so there is nothing to calibrate")
    split, what = folder.read_split(), "predicting the val part"
    change_of_corpus(folder, manifest, split)
    predictions = predict_rows(
        folder, manifest, split.val, hidden=set(split.test), progress=progress, what=what, calibrated=False
    )
    known = predictions.labels >= 0
    return calibration_of(predictions.logits[known], predictions.labels[known])


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
