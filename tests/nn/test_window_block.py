"""Blocks that run window by window against the same network run whole, with every gradient."""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from transformers import Swinv2Config

from emofuse.nn import VSCConfig, VSCSwin
from emofuse.nn.token_order import Cells, Reordering, Rows, Windows
from emofuse.nn.window_attention import WindowGeometry
from emofuse.nn.window_block import windows_at_once
from tests.nn.swin_library import SIZES, jitter

FUSED = "aten::_scaled_dot_product_flash_attention_for_cpu"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def compressing(chunk_tokens: int, vsc: dict | None = None, **options) -> VSCSwin:
    vsc = {"stage": 1, "grids": (6, 4)} | (vsc or {})
    return jitter(VSCSwin(Swinv2Config(**(SIZES | options)), VSCConfig(**vsc), chunk_tokens=chunk_tokens))


def results(swin: VSCSwin, pixels: Tensor, context: Tensor) -> dict[str, Tensor]:
    swin.zero_grad()
    context = context.clone().requires_grad_()
    torch.manual_seed(1)
    pooled = swin(pixels, context).pooled
    (pooled * torch.linspace(-1.0, 2.0, pooled.numel()).view_as(pooled)).sum().backward()
    found = {name: p.grad for name, p in swin.named_parameters() if p.grad is not None}
    return found | {"pooled": pooled.detach(), "context": context.grad}


@pytest.mark.parametrize(
    ("chunk", "vsc", "options"),
    [
        (32, {}, {}),  # two windows of an image
        (700, {}, {}),  # windows of several images
        (160, {"threshold": 0.1}, {}),
        (160, {}, {"drop_path_rate": 0.5}),
        (160, {}, {"qkv_bias": False, "gradient_checkpointing": True}),
    ],
    ids=["parts", "images", "threshold", "drop-path", "checkpointed"],
)
def test_windows_give_what_whole_blocks_give(chunk, vsc, options):
    again = options.pop("gradient_checkpointing", False)
    swin = compressing(chunk, vsc, **options).double().train()
    swin.gradient_checkpointing = again
    pixels, context = torch.randn(5, 3, 64, 64).double(), torch.randn(5, 24).double()
    got = results(swin, pixels, context)
    with torch.no_grad():
        inferred = swin.eval()(pixels, context)
    swin.runner.chunk_tokens = 0
    with torch.no_grad():
        whole = swin(pixels, context)
    expected = results(swin.train(), pixels, context)
    assert set(got) == set(expected) >= {name for name, _ in swin.named_parameters()}
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, atol=1e-9, rtol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
    torch.testing.assert_close(inferred.last_hidden_state, whole.last_hidden_state, atol=1e-10, rtol=1e-10)
    assert all(torch.equal(a.indices, b.indices) for a, b in zip(inferred.kept, whole.kept, strict=True))


def test_frozen_weights_get_no_gradient_and_hand_on_the_others():
    swin = compressing(64)
    pixels, context = torch.randn(2, 3, 64, 64), torch.randn(2, 24)
    expected = results(swin, pixels, context)
    frozen = swin.encoder.layers[1].blocks[1]
    frozen.requires_grad_(False)
    got = results(swin, pixels, context)
    assert all(p.grad is None for p in frozen.parameters())
    assert set(expected) - set(got) == {
        f"encoder.layers.1.blocks.1.{name}" for name, _ in frozen.named_parameters()
    }
    for name, value in got.items():
        torch.testing.assert_close(value, expected[name])


def events(swin: VSCSwin, learn: bool) -> dict[str, int]:
    """What torch ran, the second time: orders and biases are made once."""
    swin.train(learn)
    with torch.no_grad():
        swin(torch.randn(1, 3, 64, 64))
    with profile(activities=[ProfilerActivity.CPU]) as profiled, torch.set_grad_enabled(learn):
        pooled = swin(torch.randn(2, 3, 64, 64)).pooled
        if learn:
            pooled.sum().backward()
    return {event.key: event.count for event in profiled.key_averages()}


def test_every_block_takes_the_fused_kernel_and_no_step_is_left_to_the_slow_path():
    """Torch falls back without a word, so its own record of what ran is asked."""
    swin = compressing(4096)
    blocks = sum(len(stage.blocks) for stage in swin.encoder.layers)
    inference = events(swin, learn=False)
    assert inference.get(FUSED) == blocks
    assert "aten::_softmax" not in inference
    assert "aten::roll" not in inference
    training = events(swin, learn=True)
    assert training.get(FUSED) == training.get("WindowBlock") == training.get("WindowBlockBackward") == blocks
    assert "aten::_scaled_dot_product_attention_math" not in inference | training


@pytest.mark.parametrize("geometry", [WindowGeometry((8, 8), 4, 0), WindowGeometry((6, 10), 2, 1)])
def test_tokens_come_into_the_order_of_windows_and_of_cells(geometry):
    height, width = geometry.grid
    tokens = torch.randn(2, height * width, 3, requires_grad=True)
    reorder, rows, windows = Reordering(), Rows(geometry.grid), Windows(geometry)
    cut = reorder(tokens, rows, windows)
    assert torch.equal(cut, geometry.partition(tokens).flatten(1, 2))
    assert torch.equal(reorder(cut, windows, rows), tokens)
    cells = reorder(cut, windows, Cells(geometry.grid)).view(2, -1, 12)
    grid = tokens.view(2, height, width, 3)
    joined = [grid[:, 0::2, 0::2], grid[:, 1::2, 0::2], grid[:, 0::2, 1::2], grid[:, 1::2, 1::2]]
    assert torch.equal(cells, torch.cat(joined, dim=-1).view(2, -1, 12))
    weights = torch.randn_like(cells)
    (gradient,) = torch.autograd.grad((cells * weights).sum(), tokens)
    (expected,) = torch.autograd.grad((torch.cat(joined, dim=-1).view(2, -1, 12) * weights).sum(), tokens)
    assert torch.equal(gradient, expected)


def test_an_order_that_changes_nothing_copies_nothing():
    tokens = torch.randn(1, 16, 2)
    assert Reordering()(tokens, Rows((4, 4)), Windows(WindowGeometry((4, 4), 4, 0))) is tokens
    with FakeTensorMode() as without_values:  # as torch.export has it, which cannot compare indices
        assert Reordering()(fake := without_values.from_tensor(tokens), Rows((4, 4)), Rows((4, 4))) is fake


@pytest.mark.parametrize(
    ("count", "length", "tokens", "expected"),
    [(64, 64, 1024, 16), (6, 10, 45, 3), (4, 49, 1024, 20), (1, 25, 1024, 40), (16, 64, 1, 1)],
)
def test_windows_at_once_fit_images(count, length, tokens, expected):
    assert windows_at_once(count, length, tokens) == expected


def test_bfloat16_infers_window_by_window_and_stays_close():
    swin = compressing(4096).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        pixels, context = torch.randn(3, 3, 64, 64), torch.randn(3, 24)
        swin(pixels, context)  # orders and biases
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            swin(pixels, context)
    events = {event.key: event.count for event in profiled.key_averages()}
    assert events[FUSED] == sum(len(stage.blocks) for stage in swin.encoder.layers)
    assert "aten::_softmax" not in events
    assert events["aten::gelu_"] == events[FUSED]  # in place, which no other path does
    differences = sorted(rounding(swin) for _ in range(8))
    # Rounding may keep another patch of a random picture, and then much is different.
    assert differences[0] > 1e-4
    assert differences[2] < 0.02
    assert differences[-1] < 0.3


def rounding(swin: VSCSwin) -> float:
    """How far bfloat16 is from float32, of a random picture."""
    pixels, context = torch.randn(3, 3, 64, 64), torch.randn(3, 24)
    with torch.no_grad():
        exact = swin(pixels, context).pooled
        with torch.autocast("cpu", torch.bfloat16):
            rounded = swin(pixels, context).pooled
    return float((rounded.float() - exact).norm() / exact.norm())
