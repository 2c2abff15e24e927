import numpy as np
import pytest

from emofuse.encoders import grid_statistics
from emofuse.encoders.grid_statistics import CELLS, CHANNELS, DIM, ORIENTATIONS, SIZE, describe_pictures


def cells(picture: np.ndarray) -> np.ndarray:
    return describe_pictures(picture[None])[0].reshape(CELLS, CELLS, CHANNELS)


def stripes(degrees: float) -> np.ndarray:
    """Waves whose brightness rises in a direction, counted from the x axis towards the y axis (down)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    return np.repeat((128 + 100 * np.sin(along / 2))[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("bin_", range(ORIENTATIONS))
def test_a_gradient_is_counted_in_its_direction(bin_):
    histograms = cells(stripes(bin_ * 180 / ORIENTATIONS))[1:-1, 1:-1, :ORIENTATIONS]
    assert (histograms.argmax(axis=-1) == bin_).all()
    assert (histograms.max(axis=-1) > 0.9).all()


def test_a_gradient_between_two_directions_is_shared():
    histograms = cells(stripes(1.5 * 180 / ORIENTATIONS))[2, 2, :ORIENTATIONS]
    assert histograms[1] == pytest.approx(histograms[2], rel=0.1)


def test_lighting_matters_little_to_edges():
    picture = stripes(30)
    darker = (picture // 2 + 40).astype(np.uint8)
    found, dim = cells(picture)[..., :ORIENTATIONS], cells(darker)[..., :ORIENTATIONS]
    np.testing.assert_allclose(found, dim, atol=0.1)


def test_noise_in_a_flat_picture_is_no_edge():
    noisy = (128 + np.random.default_rng(0).integers(-1, 2, (SIZE, SIZE, 3))).astype(np.uint8)
    assert cells(noisy)[..., :ORIENTATIONS].max() < 0.15


def test_brightness_spread_and_colour_are_those_of_the_cell():
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[16:32, 32:48] = (255, 0, 0)
    picture[80:, 80:] = (0, 0, 255)
    picture[0:16, 0:8] = 255
    found = cells(picture)[..., ORIENTATIONS:]
    np.testing.assert_allclose(found[1, 2], [0.299, 0, 1, 0], atol=1e-3)
    np.testing.assert_allclose(found[5, 5], [0.114, 0, 0, 1], atol=1e-3)
    np.testing.assert_allclose(found[0, 0], [0.5, 0.5, 0, 0], atol=1e-3)
    np.testing.assert_allclose(found[3, 3], 0, atol=1e-5)


def test_what_happens_in_one_corner_is_not_seen_in_another():
    base, other = stripes(0), stripes(0)
    other[:16, :16] = 255
    changed = np.abs(cells(base) - cells(other)).max(axis=-1) > 1e-6
    assert changed[0, 0]
    assert not changed[3:, :].any()
    assert not changed[:, 3:].any()


def test_pictures_are_described_one_by_one(monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    together = describe_pictures(pictures)
    assert together.shape == (5, DIM)
    assert together.dtype == np.float32
    monkeypatch.setattr(grid_statistics, "_BLOCK", 2)
    np.testing.assert_allclose(describe_pictures(pictures), together, atol=1e-6)
    np.testing.assert_allclose(describe_pictures(pictures[3:4])[0], together[3], atol=1e-6)
    assert describe_pictures(pictures[:0]).shape == (0, DIM)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_blank_picture_is_finite(grey):
    assert np.isfinite(cells(np.full((SIZE, SIZE, 3), grey, np.uint8))).all()
