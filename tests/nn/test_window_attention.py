"""Window geometry and position bias against the library's Swin V2 and against plain loops."""

import math

import pytest
import torch
from torch.nn.attention import SDPBackend
from transformers import Swinv2Config
from transformers.models.swinv2.modeling_swinv2 import Swinv2Layer, Swinv2SelfAttention

from emofuse.nn.window_attention import (
    WindowGeometry,
    attention_bias,
    cosine_attention,
    relative_coordinates,
    relative_position_bias,
)

GEOMETRIES = [
    WindowGeometry((8, 8), 4, 0),
    WindowGeometry((8, 8), 4, 2),
    WindowGeometry((10, 10), 5, 2),
    WindowGeometry((6, 9), 3, 1),
    WindowGeometry((7, 5), 4, 0),
    WindowGeometry((7, 5), 4, 2),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_windows_hold_their_tokens_and_go_back(geometry):
    height, width = geometry.grid
    tokens = torch.arange(1.0, height * width + 1).view(1, -1, 1)
    windows = geometry.partition(tokens)
    rows, columns = geometry.windows
    assert windows.shape == (1, rows * columns, geometry.window**2, 1)
    for number in range(rows * columns):
        for place in range(geometry.window**2):
            y = (number // columns) * geometry.window + place // geometry.window + geometry.shift
            x = (number % columns) * geometry.window + place % geometry.window + geometry.shift
            y, x = y % (rows * geometry.window), x % (columns * geometry.window)
            expected = float(tokens[0, y * width + x, 0]) if y < height and x < width else 0.0
            assert float(windows[0, number, place, 0]) == expected
    assert torch.equal(geometry.merge(windows), tokens)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_shift_mask_parts_what_the_shift_made_neighbours(geometry):
    mask = geometry.shift_mask()
    if geometry.shift == 0:
        assert mask is None
        return
    rows, columns = geometry.windows
    size = torch.tensor([rows * geometry.window, columns * geometry.window])
    for number in range(rows * columns):
        corner = torch.tensor([number // columns, number % columns]) * geometry.window
        for a in range(geometry.window**2):
            for b in range(geometry.window**2):
                here, there = (
                    torch.tensor([i // geometry.window, i % geometry.window]) + corner + geometry.shift
                    for i in (a, b)
                )
                wrapped_apart = ((here >= size) != (there >= size)).any()
                assert bool(mask[number, a, b] < 0) == bool(wrapped_apart)


@pytest.mark.parametrize(("window", "pretrained"), [(4, 0), (8, 0), (4, 8), (7, 8)])
def test_position_bias_is_the_librarys(window, pretrained):
    config = Swinv2Config(embed_dim=12, num_heads=[3])
    attention = Swinv2SelfAttention(config, 12, 3, window, (pretrained, pretrained))
    table = attention.continuous_position_bias_mlp(attention.relative_coords_table).view(-1, 3)
    expected = table[attention.relative_position_index.view(-1)].view(window**2, window**2, 3)
    expected = 16 * torch.sigmoid(expected.permute(2, 0, 1))
    got = relative_position_bias(attention, window, pretrained or window)
    torch.testing.assert_close(got, expected)


def test_a_step_means_the_same_in_a_smaller_window():
    large, small = relative_coordinates(8, 8), relative_coordinates(5, 8)
    assert torch.equal(large.view(15, 15, 2)[3:12, 3:12], small.view(9, 9, 2))
    assert large.abs().max() == pytest.approx(math.log2(9) / 3)


def test_a_window_of_one_has_no_offsets():
    assert relative_coordinates(1, 1).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("scale", [0.0, 10.0])
def test_attention_is_the_librarys(shift, scale):
    """Also where the logit scale is at its ceiling, where one pass of the shift mask would be too weak."""
    config = Swinv2Config(embed_dim=12, num_heads=[3], window_size=4)
    layer = Swinv2Layer(config, 12, (8, 8), 3, shift_size=shift).eval()
    attention = layer.attention.self
    torch.nn.init.constant_(attention.logit_scale, scale)
    geometry = WindowGeometry((8, 8), 4, shift)
    windows = geometry.partition(torch.randn(2, 64, 12))
    mask = layer.get_attn_mask(8, 8, torch.float32)
    (expected,) = attention(windows.flatten(0, 1), mask)
    bias = attention_bias(attention, geometry, 4)
    got = cosine_attention(attention, windows, bias)
    torch.testing.assert_close(got.flatten(0, 1), expected, atol=2e-5, rtol=1e-4)


def test_tokens_that_are_not_alive_are_seen_by_none():
    attention = Swinv2SelfAttention(Swinv2Config(), 12, 3, 4).eval()
    geometry = WindowGeometry((8, 8), 4, 2)
    windows, bias = torch.randn(2, 4, 16, 12), attention_bias(attention, geometry, 4)
    alive = torch.rand(2, 4, 16) < 0.6
    alive[0, 0] = False
    noisy = torch.where(alive.unsqueeze(-1), windows, torch.randn_like(windows))
    before, after = (cosine_attention(attention, x, bias, alive) for x in (windows, noisy))
    assert torch.isfinite(after).all()
    # Row by row the queries of tokens that are alive are the same, so must their outputs be.
    seen = alive & alive.any(dim=-1, keepdim=True)
    torch.testing.assert_close(before[seen], after[seen])


@pytest.mark.parametrize("masked", [False, True])
def test_inference_takes_the_fused_kernel(monkeypatch, masked):
    """The processor's fused kernel declines silently: ask torch itself what it will take for these very tensors."""
    attention = Swinv2SelfAttention(Swinv2Config(), 12, 3, 4).eval()
    geometry = WindowGeometry((8, 8), 4, 2)
    windows = torch.randn(2, 4, 16, 12)
    alive = torch.rand(2, 4, 16) < 0.6 if masked else None
    chosen = []

    def ask(query, key, value, attn_mask, dropout_p, scale):
        kernel = torch._fused_sdp_choice(query, key, value, attn_mask, dropout_p, False, scale=scale)
        chosen.append(SDPBackend(kernel))
        return torch.zeros_like(value)

    with torch.inference_mode():
        bias = attention_bias(attention, geometry, 4)
        monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", ask)
        cosine_attention(attention, windows, bias, alive)
    assert chosen == [SDPBackend.FLASH_ATTENTION]
