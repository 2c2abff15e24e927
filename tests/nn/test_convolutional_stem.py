"""The convolutional stem: shapes, independence of pictures, reach."""

import pytest
import torch

from emofuse.errors import EmofuseError
from emofuse.nn.convolutional_stem import ConvolutionalStem


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("patch_size", "features"), [(2, 6), (4, 24), (8, 48), (16, 64)])
def test_one_token_per_patch(patch_size, features):
    stem = ConvolutionalStem(patch_size, features)
    assert stem(torch.randn(2, 3, 64, 32)).shape == (2, features, 64 // patch_size, 32 // patch_size)


def test_pictures_do_not_disturb_each_other_in_evaluation():
    stem, pixels = ConvolutionalStem(8, 48).eval(), torch.randn(3, 3, 32, 32)
    expected = stem(pixels)
    pixels[0] = 100.0
    torch.testing.assert_close(stem(pixels)[1:], expected[1:], atol=1e-5, rtol=1e-5)


def test_it_trains_whatever_the_scale():
    stem = ConvolutionalStem(4, 24)
    pixels = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(stem(7 * pixels), stem(pixels), atol=1e-2, rtol=1e-2)
    stem(pixels).square().sum().backward()
    assert all((p.grad != 0).any() for p in stem.parameters())


@pytest.mark.parametrize(("patch_size", "features"), [(1, 8), (6, 24), (0, 8)])
def test_sizes_that_cannot_be_halved_are_refused(patch_size, features):
    with pytest.raises(EmofuseError, match="stem"):
        ConvolutionalStem(patch_size, features)
