"""Linear models of one set of rows, each with several strengths, of which the validation part takes one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from emofuse.inference.baselines.names import DISCRIMINANT, LOGISTIC, RIDGE
from emofuse.nn.linear_shape import NEVER

STRENGTHS = (3e-5, 3e-4, 3e-3, 3e-2)
SHRINKAGES = (0.1, 0.3, 0.6, 0.9)
PENALTIES = (1e1, 1e2, 1e3, 1e4, 1e5)


@dataclass(frozen=True)
class LinearFit:
    """A linear model that was fitted.

    Attributes:
        kind: logistic regression, linear discriminant analysis or ridge.
        strength: of its regularisation.
        weight: (C, D) float32, as it is stored: a row per class; one row of a value.
        bias: (C,) float32.
        known: (C,) bool, the classes that the training part has.
    """

    kind: str
    strength: float
    weight: np.ndarray
    bias: np.ndarray
    known: np.ndarray

    def outputs(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows as (n, C) log-probabilities, or as (n, 1) values."""
        scores = rows.astype(np.float64) @ self.weight.T.astype(np.float64) + self.bias
        if self.kind == RIDGE:
            return scores
        # A class that training lacks is out of the question.
        masked = np.where(self.known, scores, -np.inf)
        return np.maximum(log_softmax(masked, axis=1), NEVER)


def classifiers(rows: np.ndarray, classes: np.ndarray, count: int, balanced: bool) -> Iterator[LinearFit]:
    """Logistic regression and linear discriminant analysis, each at several strengths.

    Of a training part with one class there is a single model, which says that class of every row.

    Args:
        rows: (n, D) of the training part.
        classes: (n,) their class indices.
        count: number of classes.
        balanced: all classes weigh the same.
    """
    found, index = np.unique(classes.astype(int), return_inverse=True)
    if len(found) == 1:  # nothing to tell apart, which the libraries refuse to fit
        yield _spread(LOGISTIC, STRENGTHS[0], np.zeros((1, rows.shape[1])), np.zeros(1), found, count)
        return
    model = LogisticRegression(
        max_iter=100, tol=1e-3, warm_start=True, class_weight="balanced" if balanced else None
    )
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for a comparison
            model.set_params(C=strength).fit(rows, index)
        weight, bias = model.coef_, model.intercept_
        if len(found) == 2:  # one row, that of the second class against the first
            weight, bias = np.vstack([np.zeros_like(weight), weight]), np.concatenate([[0.0], bias])
        yield _spread(LOGISTIC, strength, weight, bias, found, count)
    for shrinkage, weight, bias in discriminants(rows, index, SHRINKAGES, balanced):
        yield _spread(DISCRIMINANT, shrinkage, weight, bias, found, count)


def ridges(rows: np.ndarray, values: np.ndarray) -> Iterator[LinearFit]:
    """Ridge regression at several penalties; (n, D) rows and (n,) values of the training part."""
    for penalty in PENALTIES:
        ridge = Ridge(penalty).fit(rows, values)
        weight, bias = np.asarray(ridge.coef_, np.float32)[None], np.array([ridge.intercept_], np.float32)
        yield LinearFit(RIDGE, penalty, weight, bias, np.ones(1, bool))


def discriminants(
    rows: np.ndarray, classes: np.ndarray, shrinkages: Sequence[float], balanced: bool
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Linear discriminant analysis, its covariance drawn towards a multiple of the identity.

    As scikit-learn's with ``solver="lsqr"``, which makes and decomposes the covariance anew for each shrinkage: 7 s each on
    9,000 rows of 2,560 columns. Here it is made once, and solved by Cholesky: 2 s for four.

    Args:
        rows: (n, D).
        classes: (n,) from 0, none left out.
        shrinkages: each between 0 and 1, not 0.
        balanced: all classes are taken to be as frequent as each other.

    Yields:
        Shrinkage, (C, D) weights and (C,) biases.
    """
    counts = np.bincount(classes)
    means = np.stack([rows[classes == c].mean(0, dtype=np.float64) for c in range(len(counts))])
    priors = np.full(len(counts), 1 / len(counts)) if balanced else counts / len(rows)
    off = (rows - means[classes]) * np.sqrt(priors / counts)[classes][:, None]
    off = off.astype(np.float32)
    within = (off.T @ off).astype(np.float64)
    diagonal = np.diag_indices_from(within)
    scale = float(within[diagonal].mean()) or 1.0
    for shrinkage in shrinkages:
        shrunk = (1 - shrinkage) * within
        shrunk[diagonal] += shrinkage * scale
        weight = cho_solve(cho_factor(shrunk, lower=True, overwrite_a=True), means.T).T
        yield shrinkage, weight, -0.5 * (means * weight).sum(1) + np.log(priors)


def _spread(
    kind: str, strength: float, weight: np.ndarray, bias: np.ndarray, found: np.ndarray, count: int
) -> LinearFit:
    """The rows of the classes that training has, in their places among all of them."""
    full, biases = np.zeros((count, weight.shape[1]), np.float32), np.zeros(count, np.float32)
    known = np.zeros(count, bool)
    full[found], biases[found], known[found] = weight, bias, True
    return LinearFit(kind, strength, full, biases, known)
