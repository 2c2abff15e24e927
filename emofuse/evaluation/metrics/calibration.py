"""Is a model that says "80 % sure" right 80 % of the time? Calibration error and temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emofuse.errors import EmofuseError

BINS = 15
TEMPERATURE_BOUNDS = (0.05, 20.0)


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions whose confidence lies in (low, high]; the first bin also holds a confidence of 0.

    Attributes:
        low: lower edge.
        high: upper edge.
        count: number of predictions.
        accuracy: fraction of them that is right; NaN in an empty bin.
        confidence: their mean confidence; NaN in an empty bin.
    """

    low: float
    high: float
    count: int
    accuracy: float
    confidence: float


def checked_scores(
    scores: Sequence[Sequence[float]] | np.ndarray, labels: Sequence[int] | np.ndarray, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64 (N, C) and their class indices as (N,), or one clear line.

    Raises:
        EmofuseError: the shapes do not fit, there are no rows, a score is not finite, or an index is
            not in [0, C).
    """
    table, index = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if table.ndim != 2 or index.ndim != 1 or len(table) != len(index):
        raise EmofuseError(
            f"{what} of shape {table.shape} for labels of shape {index.shape}: give (N, C) and (N,)"
        )
    if table.size == 0:
        raise EmofuseError(f"there are no {what} to judge: give at least one row and one class")
    unfit = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(unfit):
        raise EmofuseError(f"{what}, row {unfit[0] + 1}: a value is NaN or infinite")
    if not np.issubdtype(index.dtype, np.integer) or index.min() < 0 or index.max() >= table.shape[1]:
        raise EmofuseError(f"labels must be class indices from 0 to {table.shape[1] - 1}")
    return table, index


def checked_probabilities(
    probabilities: Sequence[Sequence[float]] | np.ndarray, labels: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`checked_scores`, and every row must be a distribution.

    Raises:
        EmofuseError: as there, or a row has a negative value or does not sum to 1 (within 1e-3).
    """
    table, index = checked_scores(probabilities, labels, "probabilities")
    unfit = np.flatnonzero((table < 0).any(axis=1) | (np.abs(table.sum(axis=1) - 1.0) > 1e-3))
    if len(unfit):
        raise EmofuseError(
            f"probabilities, row {unfit[0] + 1}: not a distribution (values ≥ 0 that sum to 1); "
            "pass the softmax of the logits"
        )
    return table, index


def bin_sums(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> np.ndarray:
    """What each row adds to the calibration error: (N, 3 × bins), blocks of count, right and confidence.

    Args:
        probabilities: (N, C) distributions.
        labels: (N,) true class indices.
        bins: number of equal-width bins of confidence.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    # right=True closes a bin above, as in (low, high]; the clip takes confidences of 0, or of 1 + rounding.
    edges = np.linspace(0.0, 1.0, bins + 1)
    column = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    rows = np.arange(len(labels))
    sums = np.zeros((len(labels), 3, bins))
    sums[rows, 0, column] = 1.0
    sums[rows, 1, column] = right
    sums[rows, 2, column] = confidence
    return sums.reshape(len(labels), 3 * bins)


def ece_from_sums(sums: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Calibration errors (B,) from summed rows of :func:`bin_sums` (B, 3 × bins)."""
    count, right, confidence = np.moveaxis(sums.reshape(-1, 3, bins), 1, 0)
    # |B_m|/n · |acc − conf| = |Σ right − Σ confidence| / n: no division by an empty bin.
    return np.abs(right - confidence).sum(axis=1) / count.sum(axis=1)


def expected_calibration_error(
    probabilities: Sequence[Sequence[float]] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    bins: int = BINS,
) -> float:
    """Expected calibration error of the top prediction (Guo et al. 2017, Eq. 3).

    ECE = Σ_m |B_m|/n · |acc(B_m) − conf(B_m)| over M equal-width bins ((m−1)/M, m/M], where a row falls
    into a bin by its highest probability, acc is the fraction of the bin's rows whose highest class is the
    true one, and conf the mean of their highest probabilities.

    Args:
        probabilities: (N, C) distributions.
        labels: (N,) true class indices.
        bins: M.

    Raises:
        EmofuseError: the input does not fit (see :func:`checked_probabilities`).
    """
    table, index = checked_probabilities(probabilities, labels)
    return float(ece_from_sums(bin_sums(table, index, bins).sum(axis=0), bins)[0])


def reliability_table(
    probabilities: Sequence[Sequence[float]] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    bins: int = BINS,
) -> list[ReliabilityBin]:
    """The bins behind the calibration error, lowest confidence first, empty ones included.

    Args:
        probabilities: (N, C) distributions.
        labels: (N,) true class indices.
        bins: number of equal-width bins.

    Raises:
        EmofuseError: the input does not fit (see :func:`checked_probabilities`).
    """
    table, index = checked_probabilities(probabilities, labels)
    count, right, confidence = bin_sums(table, index, bins).sum(axis=0).reshape(3, bins)
    edges = np.linspace(0.0, 1.0, bins + 1)
    filled = np.where(count > 0, count, np.nan)
    return [
        ReliabilityBin(float(low), float(high), int(n), float(accuracy), float(mean))
        for low, high, n, accuracy, mean in zip(
            edges, edges[1:], count, right / filled, confidence / filled, strict=False
        )
    ]


def fit_temperature(
    logits: Sequence[Sequence[float]] | np.ndarray, labels: Sequence[int] | np.ndarray
) -> float:
    """The temperature T > 0 that minimises the mean negative log-likelihood of softmax(logits / T).

    Fit it on validation data, never on what is then judged (Guo et al. 2017, §4.2). T > 1 softens an
    overconfident model; the predicted classes do not change. The likelihood is convex in 1/T, so the bounded
    search on log T finds the one minimum. Where every row is right T would fall to 0, and where the logits
    say nothing it would grow without end: it stays within ``TEMPERATURE_BOUNDS``.

    Args:
        logits: (N, C) scores before the softmax.
        labels: (N,) true class indices.

    Returns:
        T.

    Raises:
        EmofuseError: the input does not fit (see :func:`checked_scores`).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    table, index = checked_scores(logits, labels, "logits")
    rows = np.arange(len(index))

    def nll(log_temperature: float) -> float:
        return float(-log_softmax(table / np.exp(log_temperature), axis=1)[rows, index].mean())

    found = minimize_scalar(nll, bounds=np.log(TEMPERATURE_BOUNDS), method="bounded", options={"xatol": 1e-6})
    # A model without any information is as good at every T: leave it as it is.
    return 1.0 if nll(0.0) <= found.fun else float(np.exp(found.x))


def apply_temperature(logits: Sequence[Sequence[float]] | np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities softmax(logits / temperature), (N, C) float64.

    Raises:
        EmofuseError: the temperature is not a positive number.
    """
    from scipy.special import softmax

    if not (np.isfinite(temperature) and temperature > 0):
        raise EmofuseError(f"temperature {temperature}: it must be a positive number")
    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1))
