"""Classification metrics as functions of sums over utterances, which is what a bootstrap resamples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from emofuse.evaluation.metrics.calibration import bin_sums, ece_from_sums


def class_statistics(
    true: np.ndarray, predicted: np.ndarray, c: int, probabilities: np.ndarray | None = None
) -> np.ndarray:
    """What each utterance adds: its cell of the confusion matrix and, with probabilities, its confidence.

    Args:
        true: (N,) class indices.
        predicted: (N,) class indices.
        c: number of classes.
        probabilities: (N, C) distributions.

    Returns:
        (N, C²), or (N, C² + 3 × bins) with probabilities.
    """
    cells = np.zeros((len(true), c * c))
    cells[np.arange(len(true)), true * c + predicted] = 1.0
    return cells if probabilities is None else np.hstack([cells, bin_sums(probabilities, true)])


def class_metrics(classes: Sequence[str], with_ece: bool) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The function from (B, K) sums of :func:`class_statistics` to metric → (B,) values.

    Besides the headline metrics it gives ``recall:<label>`` and ``f1:<label>`` for every class.
    """
    c = len(classes)

    def metrics(sums: np.ndarray) -> dict[str, np.ndarray]:
        figures = metrics_from_confusions(sums[:, : c * c].reshape(-1, c, c))
        del figures["precision"]
        for name in ("recall", "f1"):
            columns = figures.pop(name)
            figures |= {f"{name}:{label}": columns[:, i] for i, label in enumerate(classes)}
        return figures | {"ece": ece_from_sums(sums[:, c * c :])} if with_ece else figures

    return metrics


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, c: int) -> np.ndarray:
    """(C, C) counts, rows true, of (N,) class indices."""
    return np.bincount(true * c + predicted, minlength=c * c).reshape(c, c)


def metrics_from_confusions(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, UAR, weighted and macro F1 of many confusion matrices at once.

    Args:
        confusions: (B, C, C) counts, rows true.

    Returns:
        Metric → (B,), and ``precision``, ``recall`` and ``f1`` per class, (B, C), NaN where undefined.
    """
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    support, predicted = confusions.sum(axis=2), confusions.sum(axis=1)
    total = support.sum(axis=1)
    recall, f1 = _ratio(hits, support), _ratio(2 * hits, support + predicted)
    return {
        "accuracy": hits.sum(axis=1) / total,
        "uar": np.nansum(recall, axis=1) / (support > 0).sum(axis=1),
        "weighted_f1": (np.nan_to_num(f1) * support).sum(axis=1) / total,
        "macro_f1": np.nansum(f1, axis=1) / (support + predicted > 0).sum(axis=1),
        "precision": _ratio(hits, predicted),
        "recall": recall,
        "f1": f1,
    }


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    out = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out
