"""DialogueCRN against Eq. 1-3, one utterance at a time."""

import pytest
import torch
from torch import Tensor

from emofuse.nn.dialogue_crn import DialogueCRN
from emofuse.nn.simam import SimAM
from emofuse.nn.stream_memory import StreamMemory


def make(**options) -> DialogueCRN:
    torch.manual_seed(0)
    return DialogueCRN(8, heads=2, **options).double()


def by_the_equations(crn: DialogueCRN, c: Tensor) -> Tensor:
    """q⁽ᵀ⁾ of one dialogue; c: (N, dim)."""
    N = len(c)
    q = [crn.query.weight @ c_i + crn.query.bias for c_i in c]
    h = [torch.zeros_like(c_i) for c_i in c]
    for _ in range(crn.steps):
        q_tilde, state = [], None
        for i in range(N):
            x = crn.enter.weight @ q[i] + crn.enter.bias + crn.recall.weight @ h[i]
            read, state = crn.mlstm.step(crn.norm(x).unsqueeze(0), state)
            h[i] = read[0]
            q_tilde.append(x + h[i])  # (1)
        r = SimAM(crn.attention.energy_lambda)(torch.stack(q_tilde).unsqueeze(0))[0]  # (2)
        q = [torch.cat([q_tilde[i], r[i]]) for i in range(N)]  # (3)
    return torch.stack(q)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("length", [1, 6])
def test_it_is_the_equations(steps, length):
    crn = make(steps=steps)
    c = torch.randn(2, length, 8, dtype=torch.float64)
    q = crn(c)
    assert q.shape == (2, length, 16)
    for row in range(2):
        torch.testing.assert_close(q[row], by_the_equations(crn, c[row]))


def test_the_working_memory_guides_the_next_step():
    crn = make(steps=2)
    c = torch.randn(1, 4, 8, dtype=torch.float64)
    before = crn(c)
    with torch.no_grad():
        crn.recall.weight.zero_()
    assert not torch.allclose(before, crn(c))


def test_without_attention_r_is_q_tilde():
    q = make(attention=False)(torch.randn(1, 4, 8, dtype=torch.float64))
    torch.testing.assert_close(q[..., :8], q[..., 8:])


@pytest.mark.parametrize("causal", [False, True])
def test_padding_and_absence_change_nothing(causal):
    crn = make(causal=causal)
    c = torch.randn(1, 7, 8, dtype=torch.float64)
    mask = torch.tensor([[True, True, False, True, True, False, False]])
    q = crn(c, mask)
    torch.testing.assert_close(q[:, mask[0]], crn(c[:, mask[0]]))
    assert (q[:, ~mask[0]] == 0).all()


def test_causal_reasoning_does_not_look_ahead():
    c = torch.randn(1, 6, 8, dtype=torch.float64)
    changed = c.clone()
    changed[:, 4:] += 1.0
    causal, plain = make(causal=True), make()
    torch.testing.assert_close(causal(c)[:, :4], causal(changed)[:, :4])
    assert not torch.allclose(plain(c)[:, :4], plain(changed)[:, :4])


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_stream_equals_the_whole(pieces):
    crn = make(causal=True)
    c = torch.randn(2, 9, 8, dtype=torch.float64)
    mask = torch.rand(2, 9) > 0.3
    memory = StreamMemory()
    parts = [crn(c[:, a : a + pieces], mask[:, a : a + pieces], memory) for a in range(0, 9, pieces)]
    torch.testing.assert_close(torch.cat(parts, dim=1), crn(c, mask))


def test_gradients():
    torch.manual_seed(0)
    crn = DialogueCRN(4, heads=1).double()
    c = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(crn, c)


def test_every_parameter_learns():
    crn = make()
    crn(torch.randn(2, 5, 8, dtype=torch.float64)).square().sum().backward()
    still = [name for name, p in crn.named_parameters() if p.grad is None or (p.grad == 0).all()]
    assert still == []
