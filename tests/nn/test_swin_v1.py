"""Swin V1 in VSC-Swin: against transformers' SwinModel, and against plain loops for the windows that it was not made for."""

import pytest
import torch
from transformers import SwinConfig, SwinModel
from transformers.models.swin.modeling_swin import SwinAttention, SwinLayer

from emofuse.errors import EmofuseError
from emofuse.nn import VSCConfig, VSCSwin
from emofuse.nn.swin_plan import BlockPlan
from emofuse.nn.swin_v1 import run_v1_block, table_attention_bias, table_bias
from emofuse.nn.window_attention import WindowGeometry
from tests.nn.swin_library import SIZES, compare_gradients_with_library, compare_with_library, jitter


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def config(**options) -> SwinConfig:
    return SwinConfig(**(SIZES | options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patch_size": 8},
        {"window_size": 5},  # 16 = 3 x 5 + 1: padded windows, shifted by 2
        {"window_size": 8},  # the second stage is one window, and its blocks do not shift
        {"image_size": 56, "patch_size": 8},  # 7 x 7: padded patch merging
        {"qkv_bias": False, "hidden_act": "relu"},
    ],
    ids=str,
)
def test_without_compression_it_is_the_librarys(options):
    compare_with_library(config(**options))


def test_gradients_are_the_librarys():
    compare_gradients_with_library(config())


def test_a_library_checkpoint_loads_whole_and_another_version_does_not(tmp_path):
    library = jitter(SwinModel(config()))
    library.save_pretrained(tmp_path)
    ours = VSCSwin.from_pretrained(tmp_path, vsc=VSCConfig(stage=1, grids=(6,)), version=1)
    expected = library.state_dict()
    assert set(ours.state_dict()) == set(expected)
    assert all(torch.equal(value, expected[name]) for name, value in ours.state_dict().items())
    with pytest.raises(EmofuseError, match="Swin V2"):
        VSCSwin.from_pretrained(tmp_path)


@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_the_middle_of_the_table_serves_a_smaller_window(window):
    """Each pair of tokens has the bias of its offset, as in the window that the table was made for."""
    attention = SwinAttention(config(), 12, 3, window_size=5)
    table = torch.randn_like(attention.relative_position_bias.relative_position_bias_table)
    attention.relative_position_bias.relative_position_bias_table.data = table
    bias = table_bias(attention, window)
    assert bias.shape == (3, window**2, window**2)
    for query in range(window**2):
        for key in range(window**2):
            down = query // window - key // window
            right = query % window - key % window
            expected = table[(down + 4) * 9 + right + 4]
            assert torch.equal(bias[:, query, key], expected)
    with pytest.raises(ValueError, match="windows of 5 cannot serve one of 6"):
        table_bias(attention, 6)


@pytest.mark.parametrize(("window", "shift"), [(3, 0), (3, 1)])
def test_a_block_in_smaller_windows_is_the_librarys_block_made_for_them(window, shift):
    made_for = jitter(SwinLayer(config(), 12, (6, 6), 3, shift_size=2)).eval()
    smaller = SwinLayer(config(window_size=window), 12, (6, 6), 3, shift_size=shift).eval()
    weights = made_for.state_dict()
    name = "attention.relative_position_bias.relative_position_bias_table"
    weights[name] = weights[name].unflatten(0, (7, 7))[1:6, 1:6].flatten(0, 1)
    smaller.load_state_dict(weights)
    plan = BlockPlan(WindowGeometry((6, 6), window, shift), window)
    values = torch.randn(2, 36, 12)
    with torch.no_grad():
        got = run_v1_block(made_for, plan, values, table_attention_bias(made_for, plan.geometry), None)
        expected = smaller(values, (6, 6))[0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"threshold": 0.2}], ids=["keep", "threshold"])
def test_it_compresses_and_learns(options):
    swin = jitter(VSCSwin(config(), VSCConfig(**({"stage": 1, "grids": (6, 3)} | options)))).eval()
    pixels, context = torch.randn(4, 3, 64, 64), torch.randn(4, 24, requires_grad=True)
    out = swin(pixels, context)
    if not options:
        assert [kept.indices.shape for kept in out.kept] == [(4, 36), (4, 9)]
    out.pooled.square().sum().backward()
    assert context.grad.abs().sum() > 0
    table = swin.encoder.layers[1].blocks[0].attention.relative_position_bias.relative_position_bias_table
    assert table.grad.abs().sum() > 0
    with torch.no_grad():
        alone = swin(pixels[2:3], context[2:3])
    torch.testing.assert_close(out.pooled[2:3], alone.pooled, atol=1e-5, rtol=1e-5)


def test_biases_held_for_inference_follow_the_table():
    swin = VSCSwin(config()).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = swin(pixels).pooled
        for layer in swin.encoder.layers[1].blocks:
            layer.attention.relative_position_bias.relative_position_bias_table.normal_()
        assert not torch.allclose(swin(pixels).pooled, before)
