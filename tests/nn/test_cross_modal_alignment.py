"""Alignment against CM-MSF Eq. 1-7."""

import math

import pytest
import torch
from torch import Tensor

from emofuse.nn.cross_attention import CrossAttention
from emofuse.nn.cross_modal_alignment import CommonSpace, EncoderAlignment


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def aligned(attention: CrossAttention, A: Tensor, B: Tensor, d: int, h: int) -> Tensor:
    """C_a of one row, (n_A, d): Eq. 1, 3 and 5 as matrices of every head."""
    W_q, W_kv = attention.query.weight, attention.key_value.weight
    b_q, b_kv = attention.query.bias, attention.key_value.bias
    heads = []
    for i in range(h):
        part = slice(i * d // h, (i + 1) * d // h)
        Q_a = A @ W_q[part].T + b_q[part]
        K_b = B @ W_kv[:d][part].T + b_kv[:d][part]
        V_b = B @ W_kv[d:][part].T + b_kv[d:][part]
        scores = torch.zeros(len(A), len(B), dtype=A.dtype)
        for t in range(len(A)):
            exponents = [math.exp(Q_a[t] @ K_b[s] / math.sqrt(d // h)) for s in range(len(B))]
            scores[t] = torch.tensor([e / sum(exponents) for e in exponents])  # (1)
        heads.append(scores @ V_b)  # (3)
    return torch.cat(heads, dim=1) @ attention.out.weight.T + attention.out.bias  # (5)


@torch.no_grad()
def test_alignment_is_equations_1_to_6():
    d, h = 8, 4
    alignment = EncoderAlignment(d, heads=h).double()
    A, B = torch.randn(2, 2, 5, d).double().unbind()
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    H = alignment([A, B], mask)
    to_b, to_a = alignment.attentions
    for b, n in enumerate([5, 3]):
        C_a = aligned(to_b, A[b, :n], B[b, :n], d, h)
        C_b = aligned(to_a, B[b, :n], A[b, :n], d, h)
        for t in range(n):
            torch.testing.assert_close(H[b, t], alignment.combine.weight @ torch.cat([C_a[t], C_b[t]]))  # (6)


def test_a_single_encoder_has_nothing_to_be_aligned_with():
    alignment = EncoderAlignment(8, sequences=1).double()
    A = torch.randn(2, 5, 8).double()
    assert len(alignment.attentions) == 0
    torch.testing.assert_close(alignment([A], torch.ones(2, 5).bool()), A @ alignment.combine.weight.T)


def test_padding_changes_nothing():
    alignment = EncoderAlignment(8, heads=2).double()
    A, B = torch.randn(2, 2, 5, 8).double().unbind()
    mask = torch.arange(5) < torch.tensor([[3], [2]])
    H = alignment([A, B], mask)
    torch.testing.assert_close(alignment([A[:, :3], B[:, :3]], mask[:, :3]), H[:, :3])
    other = alignment(
        [A.masked_fill(~mask.unsqueeze(-1), 9.0), B.masked_fill(~mask.unsqueeze(-1), 9.0)], mask
    )
    torch.testing.assert_close(other[mask], H[mask])


@torch.no_grad()
def test_the_common_space_is_equation_7():
    common = CommonSpace(6, 4).double()
    H = torch.randn(2, 3, 6).double()
    U = common(H)
    W_o, b_1 = common.hidden.weight, common.hidden.bias
    for b in range(2):
        for t in range(3):
            hidden = torch.tensor([max(0.0, float(W_o[i] @ H[b, t] + b_1[i])) for i in range(4)]).double()
            expected = common.fully_connected.weight @ hidden + common.fully_connected.bias
            torch.testing.assert_close(U[b, t], expected)


def test_gradients():
    alignment, common = EncoderAlignment(4, heads=2).double(), CommonSpace(4, 3).double()
    A, B = (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert torch.autograd.gradcheck(lambda a, b: common(alignment([a, b], mask)), (A, B))
