"""Random variation of clips: when it acts, what it may change, and that a clip stays a clip."""

import pytest
import torch

from emofuse.nn.frame_augmentation import FrameAugmentation


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_it_acts_in_training_only():
    pixels = torch.randn(6, 3, 8, 8)
    vary = FrameAugmentation(1.0)
    assert not torch.equal(vary(pixels, 3), pixels)
    assert torch.equal(vary.eval()(pixels, 3), pixels)
    assert torch.equal(FrameAugmentation(0.0)(pixels, 3), pixels)


def test_all_frames_of_a_clip_change_alike_and_clips_differ():
    clip = torch.randn(1, 3, 8, 8).expand(12, -1, -1, -1)
    out = FrameAugmentation(1.0)(clip, 4).unflatten(0, (3, 4))
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    assert not torch.allclose(out[0], out[1])


def test_each_pixel_stays_in_place_or_is_mirrored():
    pixels = torch.zeros(40, 3, 4, 4)
    pixels[..., 1, 0] = 5.0
    out = FrameAugmentation(0.1)(pixels, 1)
    spots = (out - out[..., :1, 1:2]).abs().amax(dim=1) > 1.0
    assert torch.equal(spots.sum(dim=(1, 2)), torch.ones(40, dtype=torch.long))
    left, right = spots[:, 1, 0].sum(), spots[:, 1, 3].sum()
    assert left + right == 40
    assert 8 < left < 32


def test_colours_change_by_a_map_that_is_affine_in_them():
    a, b = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    out = FrameAugmentation(1.0)(torch.cat([a, b, (a + b) / 2]), 3)
    torch.testing.assert_close((out[0] + out[1]) / 2, out[2])


def test_the_strength_is_the_spread():
    grey = torch.zeros(4000, 3, 1, 1)
    assert FrameAugmentation(0.5)(grey, 1).std().item() == pytest.approx(0.15, rel=0.05)
