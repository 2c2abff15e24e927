"""Attention between sequences of any lengths, against its definition."""

import math

import pytest
import torch
from torch import Tensor

from emofuse.nn.cross_attention import CrossAttention


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def literal(attention: CrossAttention, query: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """One row: (T, d_q), (S, d_s), (S,) bool to (T, d), by loops over heads, queries and keys."""
    inner = attention.query.out_features
    size = inner // attention.heads
    W_k, W_v = attention.key_value.weight[:inner], attention.key_value.weight[inner:]
    b_k, b_v = attention.key_value.bias[:inner], attention.key_value.bias[inner:]
    rows = []
    for t in range(len(query)):
        heads = []
        for i in range(attention.heads):
            part = slice(i * size, (i + 1) * size)
            q = attention.query.weight[part] @ query[t] + attention.query.bias[part]
            seen = [s for s in range(len(source)) if mask[s]]
            scores = [q @ (W_k[part] @ source[s] + b_k[part]) / math.sqrt(size) for s in seen]
            weights = [score.exp() / sum(other.exp() for other in scores) for score in scores]
            values = [W_v[part] @ source[s] + b_v[part] for s in seen]
            heads.append(sum(w * v for w, v in zip(weights, values, strict=True)))
        rows.append(attention.out.weight @ torch.cat(heads) + attention.out.bias)
    return torch.stack(rows)


@pytest.mark.parametrize("heads", [1, 2, 5])
def test_it_is_its_definition(heads):
    attention = CrossAttention(3, 4, 8, heads).double()
    query, source = torch.randn(2, 5, 3).double(), torch.randn(2, 7, 4).double()
    mask = torch.rand(2, 7) > 0.4
    out = attention(query, source, mask)
    assert out.shape == (2, 5, 8)
    for b in range(2):
        torch.testing.assert_close(out[b], literal(attention, query[b], source[b], mask[b]))


def test_what_is_masked_has_no_influence():
    attention = CrossAttention(4, 4, 4, 2).double()
    query, source = torch.randn(2, 3, 4).double(), torch.randn(2, 6, 4).double()
    mask = torch.tensor([[True] * 4 + [False] * 2, [False, True, False, True, True, False]])
    other = source.masked_fill(~mask.unsqueeze(-1), 1e6)
    torch.testing.assert_close(attention(query, other, mask), attention(query, source, mask))


def test_a_query_that_sees_nothing_gets_zeros_and_finite_gradients():
    attention = CrossAttention(4, 4, 4, 2)
    query, source = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 6, 4, requires_grad=True)
    mask = torch.tensor([[False] * 6, [True] * 6])
    out = attention(query, source, mask)
    out.square().sum().backward()
    assert (out[0] == 0).all()
    assert (query.grad[0] == 0).all()
    assert (source.grad[0] == 0).all()
    assert all(torch.isfinite(p.grad).all() for p in attention.parameters())


def test_the_order_of_the_source_does_not_matter():
    attention = CrossAttention(4, 4, 4, 2).double()
    query, source = torch.randn(1, 3, 4).double(), torch.randn(1, 6, 4).double()
    mask, order = torch.rand(1, 6) > 0.3, torch.randperm(6)
    torch.testing.assert_close(
        attention(query, source[:, order], mask[:, order]), attention(query, source, mask)
    )


def test_gradients():
    attention = CrossAttention(2, 3, 4, 2).double()
    query = torch.randn(2, 2, 2, dtype=torch.float64, requires_grad=True)
    source = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, True, True]])
    assert torch.autograd.gradcheck(lambda q, s: attention(q, s, mask), (query, source))
