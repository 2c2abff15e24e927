"""How unlike the training data a feature vector is: its Mahalanobis distance under probabilistic PCA.

Lee et al. 2018 (Mahalanobis distance of features); Tipping and Bishop 1999 (a Gaussian whose variance outside of the
leading directions is one number, so that wide features of few utterances have a covariance that can be inverted).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DIRECTIONS = 128
_FLOOR = 1e-6


@dataclass(frozen=True)
class Familiarity:
    """A Gaussian of features, and how far from it held-out utterances lie.

    Attributes:
        mean: (d,) of the training features.
        scale: (d,) their standard deviations.
        directions: (k, d) leading directions of the scaled features.
        variances: (k,) along them.
        noise: variance in every other direction.
        threshold: the distance that all but a few held-out utterances stay below.
    """

    mean: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    noise: float
    threshold: float

    def distances(self, features: np.ndarray) -> np.ndarray:
        """(N,) squared Mahalanobis distances of features (N, d), each divided by d."""
        scaled = (np.asarray(features, np.float64) - self.mean) / self.scale
        along = scaled @ self.directions.T
        rest = np.square(scaled).sum(axis=1) - np.square(along).sum(axis=1)
        inside = (np.square(along) / self.variances).sum(axis=1)
        distance: np.ndarray = (inside + np.maximum(rest, 0.0) / self.noise) / scaled.shape[1]
        return distance

    def novelty(self, features: np.ndarray) -> np.ndarray:
        """(N,) distances in units of the threshold: above 1 is unlike the training data."""
        return self.distances(features) / self.threshold


def fit_familiarity(train: np.ndarray, held_out: np.ndarray, quantile: float = 0.99) -> Familiarity | None:
    """Fit the Gaussian to training features and the threshold to held-out ones; None where there are too few.

    Args:
        train: (N, d), N at least 8.
        held_out: (M, d), M at least 8.
        quantile: share of the held-out distances that the threshold is above.
    """
    from sklearn.decomposition import PCA

    if min(len(train), len(held_out)) < 8:
        return None
    values = np.asarray(train, np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale < _FLOOR, 1.0, scale)
    scaled = (values - mean) / scale
    count = max(1, min(DIRECTIONS, len(values) // 4, values.shape[1] - 1))
    pca = PCA(count, svd_solver="auto", random_state=0).fit(scaled)
    found = Familiarity(
        mean=mean,
        scale=scale,
        directions=pca.components_,
        variances=np.maximum(pca.explained_variance_, _FLOOR),
        noise=max(float(pca.noise_variance_), _FLOOR),
        threshold=1.0,
    )
    distances = np.sort(found.distances(held_out))
    # One more than all of them where there are too few for the share.
    rank = min(int(np.ceil((len(distances) + 1) * quantile)), len(distances))
    return Familiarity(**{**vars(found), "threshold": max(float(distances[rank - 1]), _FLOOR)})
