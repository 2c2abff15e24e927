"""Distances under probabilistic PCA against the full covariance that it stands for."""

import numpy as np
from sklearn.metrics import roc_auc_score

from emofuse.evaluation.metrics.familiarity import fit_familiarity


def test_the_distance_is_mahalanobis_under_the_model_s_covariance() -> None:
    rng = np.random.default_rng(0)
    train, held_out = (rng.normal(size=(n, 6)) @ rng.normal(size=(6, 6)) + 3 for n in (40, 30))
    found = fit_familiarity(train, held_out)
    assert found is not None
    k, d = found.directions.shape
    assert (k, d) == (5, 6)
    covariance = found.directions.T @ np.diag(found.variances - found.noise) @ found.directions
    covariance += found.noise * np.eye(d)
    scaled = (held_out - train.mean(0)) / train.std(0)
    literal = np.einsum("nd,de,ne->n", scaled, np.linalg.inv(covariance), scaled) / d
    np.testing.assert_allclose(found.distances(held_out), literal, rtol=1e-6)


def test_all_but_a_few_held_out_rows_are_familiar_and_other_data_are_not() -> None:
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(8, 300))
    train, held_out, new = (
        rng.normal(size=(n, 8)) @ mixing + rng.normal(size=(n, 300)) for n in (400, 300, 300)
    )
    found = fit_familiarity(train, held_out)
    assert found is not None
    assert (found.novelty(held_out) > 1).mean() <= 0.01
    assert (found.novelty(new) > 1).mean() < 0.05
    other = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 300)) + rng.normal(size=(300, 300))
    truth = np.repeat([0, 1], 300)
    assert roc_auc_score(truth, np.concatenate([found.novelty(new), found.novelty(other)])) > 0.99


def test_a_constant_feature_and_too_few_rows() -> None:
    rng = np.random.default_rng(2)
    train = rng.normal(size=(20, 3))
    train[:, 1] = 4.0
    found = fit_familiarity(train, train)
    assert found is not None
    assert np.isfinite(found.novelty(train)).all()
    assert fit_familiarity(train[:5], train) is None
