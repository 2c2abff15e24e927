"""Pictures of a batch are described as the encoder `frame-statistics` describes those of a clip."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from emofuse.encoders.grid_statistics import describe_pictures
from emofuse.encoders.video import Moments
from emofuse.nn.described_pictures import describe_frames, mean_spread_change


def pictures(count: int, side: tuple[int, int]) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (2, count, 3, *side), np.uint8))


@pytest.mark.parametrize("count", [1, 4])
def test_moments_are_those_of_the_encoder(count: int) -> None:
    frames = pictures(count, (96, 96))
    for found, rows in zip(mean_spread_change(frames), frames, strict=True):
        moments = Moments()
        moments.add(describe_pictures(rows.permute(0, 2, 3, 1).numpy()))
        np.testing.assert_allclose(found, moments.mean_spread_change, atol=1e-5)


@pytest.mark.parametrize("side", [(48, 64), (200, 130)])
def test_other_sizes_are_resized_as_torch_does(side: tuple[int, int]) -> None:
    frames = pictures(3, side)
    resized = F.interpolate(frames.flatten(0, 1).float(), (96, 96), mode="bilinear", antialias=True)
    expected = describe_pictures(resized.round().byte().permute(0, 2, 3, 1).numpy())
    found = describe_frames(frames).flatten(0, 1).numpy()
    # A level of brightness that lies between two may be rounded either way.
    assert np.quantile(np.abs(found - expected), 0.999) < 1e-3
