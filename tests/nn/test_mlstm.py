"""The mLSTM against the xLSTM equations, against transformers' xLSTM, and against itself."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emofuse.nn.mlstm import MLSTM, MLSTMState
from tests.nn.tensor_sizes import largest_tensor


def make(dim=12, heads=3, dtype=torch.float64, seed=0, **options) -> MLSTM:
    torch.manual_seed(seed)
    layer = MLSTM(dim, heads, **options).to(dtype)
    with torch.no_grad():  # gates that look at the input, so that a test of them can fail
        layer.gates.weight.normal_(0, 0.7)
        layer.gates.bias.normal_(0, 1.0)
        layer.head_norm.weight.normal_(1, 0.3)
        layer.head_norm.bias.normal_(0, 0.3)
    return layer


def hidden_by_the_equations(layer: MLSTM, x: Tensor) -> Tensor:
    """h before the output gate, (N, heads, d_head): Beck et al., Eq. 19-27, as printed, with the sigmoid for the forget
    gate: no stabiliser, one head and one step at a time. x: (N, dim)."""
    d, heads = layer.head_dim, layer.heads
    W_q, W_k, W_v = layer.query_key_value.weight.split(layer.dim)
    b_q, b_k, b_v = layer.query_key_value.bias.split(layer.dim)
    steps = []
    C = [torch.zeros(d, d, dtype=x.dtype) for _ in range(heads)]
    n = [torch.zeros(d, dtype=x.dtype) for _ in range(heads)]
    for x_t in x:
        hidden = []
        for head in range(heads):
            rows = slice(head * d, (head + 1) * d)
            q = W_q[rows] @ x_t + b_q[rows]
            k = (W_k[rows] @ x_t) / math.sqrt(d) + b_k[rows] / math.sqrt(d)
            v = W_v[rows] @ x_t + b_v[rows]
            i = torch.exp(layer.gates.weight[head] @ x_t + layer.gates.bias[head])
            f = torch.sigmoid(layer.gates.weight[heads + head] @ x_t + layer.gates.bias[heads + head])
            C[head] = f * C[head] + i * torch.outer(v, k)
            n[head] = f * n[head] + i * k
            hidden.append(C[head] @ q / torch.clamp((n[head] @ q).abs(), min=1.0))
        steps.append(torch.stack(hidden))
    return torch.stack(steps)


def by_the_equations(layer: MLSTM, x: Tensor) -> Tensor:
    """The layer's output: h normalised in each head, which Eq. 19-27 lack, then the output gate and a linear map."""
    d, heads = layer.head_dim, layer.heads
    outputs = []
    for x_t, h_t in zip(x, hidden_by_the_equations(layer, x), strict=True):
        hidden = []
        for head in range(heads):
            rows = slice(head * d, (head + 1) * d)
            centred = h_t[head] - h_t[head].mean()
            h = centred / torch.sqrt((centred**2).mean() + layer.head_norm.eps)
            hidden.append(h * layer.head_norm.weight[rows] + layer.head_norm.bias[rows])
        o = torch.sigmoid(layer.output_gate.weight @ x_t + layer.output_gate.bias)
        outputs.append(layer.out.weight @ (o * torch.cat(hidden)) + layer.out.bias)
    return torch.stack(outputs)


@pytest.mark.parametrize("length", [1, 2, 17])
def test_the_layer_is_the_equations(length):
    layer = make()
    x = torch.randn(2, length, 12, dtype=torch.float64)
    y, _ = layer(x)
    for row in range(2):
        torch.testing.assert_close(y[row], by_the_equations(layer, x[row]), rtol=1e-9, atol=1e-9)


def test_what_is_read_from_the_memory_is_the_equations(monkeypatch):
    """The norm of a head takes the scale of h away, and with it nearly all that the normaliser does."""
    layer = make(chunk_size=5)
    x = 2 * torch.randn(2, 17, 12, dtype=torch.float64)
    expected = torch.stack([hidden_by_the_equations(layer, row) for row in x])
    monkeypatch.setattr(layer, "_emit", lambda x, h, mask: h.transpose(1, 2))
    in_chunks, _ = layer(x)
    state, steps = None, []
    for x_t in x.unbind(1):
        h, state = layer.step(x_t, state)
        steps.append(h)
    torch.testing.assert_close(in_chunks, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(torch.stack(steps, 1), expected, rtol=1e-9, atol=1e-9)
    monkeypatch.setattr(layer, "_denominator", lambda normaliser, m: torch.exp(-m))
    assert not torch.allclose(layer(x)[0], expected, rtol=0.1)  # the normaliser counts here


def all_forms(layer: MLSTM, x: Tensor, chunk: int) -> list[tuple[Tensor, MLSTMState]]:
    """Parallel, chunked and recurrent."""
    layer.chunk_size = x.shape[1]
    parallel = layer(x)
    layer.chunk_size = chunk
    chunked = layer(x)
    state, steps = None, []
    for x_t in x.unbind(1):
        y, state = layer.step(x_t, state)
        steps.append(y)
    return [parallel, chunked, (torch.stack(steps, 1), state)]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 1000))
def test_parallel_chunked_and_recurrent_forms_agree(length, chunk, seed):
    layer = make(seed=seed)
    parallel, *others = all_forms(layer, torch.randn(2, length, 12, dtype=torch.float64), chunk)
    for other in others:
        torch.testing.assert_close(other, parallel, rtol=1e-9, atol=1e-9)


def test_the_forms_agree_in_single_precision():
    torch.manual_seed(0)
    layer = MLSTM(64, 4)
    with torch.no_grad():
        layer.gates.weight.normal_(0, 0.1)
    parallel, *others = all_forms(layer, torch.randn(4, 200, 64), 32)
    for y, _ in others:
        torch.testing.assert_close(y, parallel[0], rtol=0, atol=1e-5)


def test_it_agrees_with_transformers_xlstm():
    xlstm = pytest.importorskip("transformers.models.xlstm.modeling_xlstm")
    from transformers import xLSTMConfig

    dim, heads = 32, 4
    config = xLSTMConfig(
        hidden_size=dim,
        num_heads=heads,
        num_blocks=1,
        qk_dim_factor=1.0,
        v_dim_factor=1.0,
        use_bias=True,
        gate_soft_cap=1e4,
        norm_eps=1e-5,
        eps=1e-9,
        chunk_size=16,
        mode="inference",
        autocast_kernel_dtype="float32",
        inference_state_dtype="float32",
        weight_mode="single",
    )
    theirs = xlstm.xLSTMLayer(config)
    ours = make(dim, heads, dtype=torch.float32)
    weights = {
        "q": ours.query_key_value.weight[:dim],
        "k": ours.query_key_value.weight[dim : 2 * dim],
        "v": ours.query_key_value.weight[2 * dim :],
        "ogate_preact": ours.output_gate.weight,
        "igate_preact": ours.gates.weight[:heads],
        "fgate_preact": ours.gates.weight[heads:],
        "out_proj": ours.out.weight,
        "multihead_norm": ours.head_norm.weight,
    }
    biases = {
        "q": ours.query_key_value.bias[:dim],
        "k": ours.query_key_value.bias[dim : 2 * dim],
        "v": ours.query_key_value.bias[2 * dim :],
        "ogate_preact": ours.output_gate.bias,
        "igate_preact": ours.gates.bias[:heads],
        "fgate_preact": ours.gates.bias[heads:],
        "out_proj": ours.out.bias,
        "multihead_norm": ours.head_norm.bias,
    }
    with torch.no_grad():
        for name in weights:
            getattr(theirs, name).weight.copy_(weights[name])
            getattr(theirs, name).bias.copy_(biases[name])
        x = torch.randn(2, 37, dim)
        expected, state = theirs(x)
        y, ours_state = ours(x)
    torch.testing.assert_close(y, expected, rtol=0, atol=2e-5)
    # They keep k unscaled and scale q, so that C and n differ by that factor.
    torch.testing.assert_close(ours_state.C * (dim / heads) ** 0.5, state[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours_state.m, state[2].squeeze(-1), rtol=1e-4, atol=1e-4)


def test_gradients():
    layer = make(dim=4, heads=2)
    x = torch.randn(1, 5, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False, True, True]])
    state = MLSTMState(*(torch.randn_like(s) for s in layer.initial_state(1, x.device, x.dtype)))
    assert torch.autograd.gradcheck(lambda x: layer(x, mask, state)[0], x)
    assert torch.autograd.gradcheck(lambda x: layer.step(x[:, 0], state)[0], x)


@pytest.mark.parametrize("chunk", [2, 64])
def test_a_masked_element_changes_nothing(chunk):
    layer = make(chunk_size=chunk)
    x = torch.randn(1, 6, 12, dtype=torch.float64)
    mask = torch.tensor([[True, False, True, True, False, False]])
    y, state = layer(x, mask)
    alone, state_alone = layer(x[:, mask[0]])
    torch.testing.assert_close(y[:, mask[0]], alone)
    assert (y[:, ~mask[0]] == 0).all()
    for a, b in zip(state, state_alone, strict=True):
        torch.testing.assert_close(a, b)


def test_a_sequence_may_begin_with_nothing():
    layer = make()
    y, state = layer(torch.randn(1, 3, 12, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.bool))
    assert (y == 0).all()
    assert all((s == 0).all() for s in state)


def test_it_is_causal():
    layer = make()
    x = torch.randn(1, 9, 12, dtype=torch.float64)
    changed = x.clone()
    changed[:, 5:] += 1.0
    torch.testing.assert_close(layer(x)[0][:, :5], layer(changed)[0][:, :5])


@pytest.mark.parametrize("gate", [-200.0, 200.0])
@pytest.mark.parametrize("forget", [-200.0, 200.0])
def test_extreme_gates_stay_finite(gate, forget):
    layer = make(dtype=torch.float32)
    with torch.no_grad():
        layer.gates.bias[:3] = gate
        layer.gates.bias[3:] = forget
    x = torch.randn(2, 30, 12, requires_grad=True)
    y, state = layer(x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(s).all() for s in state)


def test_it_remembers_in_float32_under_autocast():
    layer = make(dtype=torch.float32)
    x = torch.randn(2, 20, 12)
    expected, _ = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = layer(x)
    assert all(s.dtype == torch.float32 for s in state)
    assert (y.float() - expected).abs().max() < 0.15  # three digits of bfloat16 through five products


def test_memory_grows_linearly_with_the_length():
    layer = make(dtype=torch.float32)
    sizes = [largest_tensor(lambda n=n: layer(torch.randn(1, n, 12))) for n in (1000, 2000)]
    assert sizes[1] <= 2 * sizes[0]
    assert sizes[1] < 2000 * 100


def test_the_state_does_not_grow():
    layer = make()
    _, short = layer(torch.randn(1, 3, 12, dtype=torch.float64))
    _, long = layer(torch.randn(1, 300, 12, dtype=torch.float64))
    assert [s.shape for s in short] == [s.shape for s in long]


def test_heads_must_divide_the_size():
    with pytest.raises(ValueError, match="multiple of heads"):
        MLSTM(10, 3)
