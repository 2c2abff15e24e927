"""Standardisation against numpy."""

import numpy as np
import pytest
import torch

from emofuse.errors import EmofuseError
from emofuse.nn import FeatureScaler


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_identity_until_fitted():
    x = torch.randn(4, 3)
    assert torch.equal(FeatureScaler(3)(x), x)


def test_fitted_features_have_mean_zero_and_deviation_one():
    data = np.random.default_rng(0).normal(5.0, [1.0, 100.0, 1e-3], (200, 3)).astype(np.float32)
    scaled = FeatureScaler(3).fit(data)(torch.from_numpy(data)).numpy()
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=1e-3)


def test_a_constant_feature_is_only_centred():
    scaler = FeatureScaler(2).fit(np.array([[1.0, 7.0], [3.0, 7.0]]))
    assert scaler(torch.tensor([[2.0, 8.0]])).tolist() == [[0.0, 1.0]]


def test_what_no_training_row_was_like_is_clipped():
    scaler = FeatureScaler(2, clip=5.0).fit(np.array([[1.0, 7.0], [3.0, 9.0]]))
    assert scaler(torch.tensor([[1000.0, -1000.0], [3.0, 7.0]])).tolist() == [[5.0, -5.0], [1.0, -1.0]]


def test_absent_rows_are_zero_whatever_they_hold():
    scaler = FeatureScaler(2).fit(np.array([[1.0, 2.0], [3.0, 6.0]]))
    x = torch.tensor([[1.0, 2.0], [float("nan"), float("inf")]])
    assert scaler(x, torch.tensor([True, False])).tolist() == [[-1.0, -1.0], [0.0, 0.0]]


def test_statistics_travel_in_the_state_dict():
    fitted = FeatureScaler(3).fit(torch.randn(10, 3))
    other = FeatureScaler(3)
    other.load_state_dict(fitted.state_dict())
    x = torch.randn(2, 3)
    assert torch.equal(other(x), fitted(x))


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((4, 2)), np.zeros(3)])
def test_wrong_shapes_are_refused(bad):
    with pytest.raises(EmofuseError, match="needs features"):
        FeatureScaler(3).fit(bad)


def test_values_that_are_not_finite_are_refused_by_row():
    data = np.zeros((5, 3))
    data[3, 1] = np.nan
    with pytest.raises(EmofuseError, match="row 3"):
        FeatureScaler(3).fit(data)
