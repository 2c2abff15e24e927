"""Eq. 1-3 of DeepMSI-MER against loops over images and tokens."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emofuse.errors import EmofuseError
from emofuse.nn import VisualSequenceCompression


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def cosine(a: Tensor, b: Tensor) -> float:
    norms = max(float(a.norm()), 1e-12) * max(float(b.norm()), 1e-12)
    return float(a @ b) / norms


def literal(
    tokens: Tensor,
    context: Tensor | None,
    keep: int | None = None,
    threshold: float | None = None,
    alpha: float = 0.9,
    temperature: float = 1.0,
    merge: bool = True,
) -> tuple[list[Tensor], list[list[int]]]:
    """The equations, one image and one token at a time."""
    outputs, positions = [], []
    for image, v in enumerate(tokens):
        m_cls = sum(v) / len(v) + (0 if context is None else context[image])
        scores = [cosine(token, m_cls) / temperature for token in v]
        ranked = sorted(range(len(v)), key=lambda i: (-scores[i], i))
        kept = (
            sorted(ranked[:keep])
            if threshold is None
            else [i for i in range(len(v)) if scores[i] >= threshold] or ranked[:1]
        )
        assigned: dict[int, list[int]] = {j: [] for j in kept}
        for i in set(range(len(v))) - set(kept):
            assigned[max(kept, key=lambda j, i=i: (cosine(v[i], v[j]), -j))].append(i)
        rows = []
        for j in kept:
            if merge and assigned[j]:
                mean = sum(v[i] for i in assigned[j]) / len(assigned[j])
                rows.append(alpha * v[j] + (1 - alpha) * mean)
            else:
                rows.append(v[j])
        outputs.append(torch.stack(rows))
        positions.append(kept)
    return outputs, positions


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    count=st.integers(1, 12),
    keep=st.integers(1, 14),
    alpha=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    merge=st.booleans(),
    steered=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_keep_matches_the_equations(batch, count, keep, alpha, merge, steered, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch, count, 5, generator=generator, dtype=torch.float64)
    context = torch.randn(batch, 5, generator=generator, dtype=torch.float64) if steered else None
    block = VisualSequenceCompression(5, keep=keep, alpha=alpha, merge=merge)
    got, kept = block(tokens, context)
    expected, positions = literal(tokens, context, keep=min(keep, count), alpha=alpha, merge=merge)
    assert kept.tolist() == positions
    torch.testing.assert_close(got, torch.stack(expected))


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 4),
    count=st.integers(1, 10),
    threshold=st.floats(-1.5, 1.5),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
    merge=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_threshold_matches_the_equations(batch, count, threshold, temperature, merge, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch, count, 4, generator=generator, dtype=torch.float64)
    context = torch.randn(batch, 4, generator=generator, dtype=torch.float64)
    block = VisualSequenceCompression(4, threshold=threshold, temperature=temperature, merge=merge)
    got, kept = block(tokens, context)
    expected, positions = literal(tokens, context, threshold=threshold, temperature=temperature, merge=merge)
    longest = max(map(len, positions))
    assert got.shape == (batch, longest, 4)
    for image, (rows, where) in enumerate(zip(expected, positions, strict=True)):
        assert kept[image].tolist() == where + [-1] * (longest - len(where))
        torch.testing.assert_close(got[image, : len(where)], rows)
        assert (got[image, len(where) :] == 0).all()


def test_invalid_tokens_count_for_nothing():
    tokens = torch.randn(1, 6, 4, dtype=torch.float64)
    valid = torch.tensor([[True, True, False, True, False, True]])
    block = VisualSequenceCompression(4, threshold=0.1)
    got, kept = block(tokens, None, valid)
    alone, among_valid = block(tokens[:, valid[0]], None)
    torch.testing.assert_close(got, alone)
    assert kept.tolist() == torch.tensor([0, 1, 3, 5])[among_valid].tolist()
    louder = torch.where(valid.unsqueeze(-1), tokens, 100.0 + tokens)
    torch.testing.assert_close(block(louder, None, valid)[0], got)


def test_equal_scores_keep_the_earlier_token():
    tokens = torch.ones(2, 7, 3)
    assert VisualSequenceCompression(3, keep=3)(tokens, None)[1].tolist() == [[0, 1, 2]] * 2


def test_tokens_of_zeros_score_zero_and_stay_finite():
    tokens = torch.zeros(1, 4, 3)
    tokens[0, 2] = 1.0
    out, kept = VisualSequenceCompression(3, keep=2)(tokens, torch.zeros(1, 3))
    assert kept.tolist() == [[0, 2]]
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_as_many_as_there_are_is_the_identity(count):
    tokens = torch.randn(2, count, 3)
    out, kept = VisualSequenceCompression(3, keep=5)(tokens, torch.randn(2, 3))
    assert torch.equal(out, tokens)
    assert kept.tolist() == [list(range(count))] * 2


def test_an_image_does_not_depend_on_its_neighbours():
    tokens, context = torch.randn(4, 9, 6), torch.randn(4, 6)
    for block in (VisualSequenceCompression(6, keep=4), VisualSequenceCompression(6, threshold=0.2)):
        out, kept = block(tokens, context)
        for i in range(4):
            alone, where = block(tokens[i : i + 1], context[i : i + 1])
            torch.testing.assert_close(out[i, : alone.shape[1]], alone[0])
            assert kept[i, : where.shape[1]].tolist() == where[0].tolist()


def test_permuting_tokens_permutes_what_is_kept():
    tokens, context = torch.randn(1, 8, 5, dtype=torch.float64), torch.randn(1, 5, dtype=torch.float64)
    block = VisualSequenceCompression(5, keep=5)
    out, kept = block(tokens, context)
    order = torch.randperm(8)
    moved, where = block(tokens[:, order], context)
    assert sorted(order[where[0]].tolist()) == kept[0].tolist()
    back = torch.argsort(order[where[0]])
    torch.testing.assert_close(moved[0, back], out[0])


@pytest.mark.parametrize("options", [{"keep": 3}, {"threshold": 0.1}, {"keep": 3, "merge": False}])
def test_gradient_of_the_equations(options):
    block = VisualSequenceCompression(4, straight_through=False, **options)
    tokens = torch.randn(2, 6, 4, dtype=torch.float64, requires_grad=True)
    context = torch.randn(2, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda t: block(t, context)[0], (tokens,))


def test_straight_through_keeps_values_and_sends_each_token_s_gradient_to_its_score():
    tokens = torch.randn(2, 6, 4, dtype=torch.float64)
    context = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 3, 4, dtype=torch.float64)
    through = VisualSequenceCompression(4, keep=3)
    plain = VisualSequenceCompression(4, keep=3, straight_through=False)
    out, kept = through(tokens, context)
    assert torch.equal(out, plain(tokens, context)[0])
    assert not plain(tokens, context)[0].requires_grad
    (got,) = torch.autograd.grad(out, context, upstream)
    score_gradient = (upstream * out.detach()).sum(dim=-1)
    scores = through.scores(tokens, context).gather(1, kept)
    (expected,) = torch.autograd.grad(scores, context, score_gradient)
    torch.testing.assert_close(got, expected)


def test_mixed_precision_ranks_in_float32():
    tokens, context = torch.randn(2, 64, 32), torch.randn(2, 32)
    block = VisualSequenceCompression(32, keep=40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, kept = block(tokens, context)
    assert torch.equal(kept, block(tokens, context)[1])
    assert torch.equal(out, block(tokens, context)[0])
    half, where = block(tokens.bfloat16(), context.bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.equal(where, block(tokens.bfloat16().float(), context.bfloat16().float())[1])


@pytest.mark.parametrize("options", [{"keep": 0}, {"alpha": 1.1}, {"alpha": -0.1}, {"temperature": 0.0}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(EmofuseError):
        VisualSequenceCompression(4, **options)


def test_shapes_that_do_not_fit_are_refused():
    block = VisualSequenceCompression(4, keep=2)
    with pytest.raises(ValueError, match="tokens"):
        block(torch.randn(2, 5, 3))
    with pytest.raises(ValueError, match="context"):
        block(torch.randn(2, 5, 4), torch.randn(1, 4))
    with pytest.raises(ValueError, match="threshold"):
        block(torch.randn(2, 5, 4), None, torch.ones(2, 5, dtype=torch.bool))
