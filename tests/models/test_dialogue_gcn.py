"""DialogueGCN's graph against its equations, read literally."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.models.dialogue_gcn import DialogueGCNConfig, SpeakerLevelEncoder
from emofuse.nn.dialogue_graphs import pairs_in_windows
from tests.models.literal import assert_same, lengths_mask

PAST, FUTURE, SPEAKERS, DIM = 1, 2, 2, 6
MASK = lengths_mask(4, 1, 3)
WHO = torch.tensor(
    [[0, 1, 1, 2], [0, 0, 0, 0], [0, 0, 1, 0]]
)  # the third speaker of the first counts as the second


def encoder() -> SpeakerLevelEncoder:
    torch.manual_seed(0)
    config = DialogueGCNConfig(
        num_classes=3, graph_dim=5, past=PAST, future=FUTURE, max_speakers=SPEAKERS, bases=3
    )
    return SpeakerLevelEncoder(DIM, config).double()


def relation(i: int, j: int, who: list[int]) -> int:
    p_i, p_j = min(who[i], SPEAKERS - 1), min(who[j], SPEAKERS - 1)
    return 2 * (SPEAKERS * p_i + p_j) + (1 if i < j else 0)


def literal_dialogue(e: SpeakerLevelEncoder, g: Tensor, who: list[int]) -> Tensor:
    n = len(g)
    W_e, W_0 = e.edge_attention.transform.weight, e.relational.itself.weight
    W = [
        sum(a * V for a, V in zip(row, e.relational.bases, strict=True)) for row in e.relational.coefficients
    ]
    windows = [range(max(0, i - PAST), min(n, i + FUTURE + 1)) for i in range(n)]
    first = []
    for i in range(n):
        scores = torch.stack([g[i] @ (W_e @ g[j]) for j in windows[i]])
        alpha = dict(zip(windows[i], scores.exp() / scores.exp().sum(), strict=True))  # Eq. 1
        h = alpha[i] * (W_0 @ g[i])
        for r in range(2 * SPEAKERS**2):
            neighbours = [j for j in windows[i] if j != i and relation(i, j, who) == r]
            for j in neighbours:
                h = h + alpha[j] / len(neighbours) * (g[j] @ W[r])
        first.append(F.relu(h))  # Eq. 2
    second = []
    for i in range(n):
        near = sum((first[j] for j in windows[i] if j != i), torch.zeros_like(first[0]))
        second.append(F.relu(e.second.lin_rel(near) + e.second.lin_root(first[i])))  # Eq. 3
    return torch.stack(second)


def test_it_is_equations_1_to_3():
    e = encoder()
    g = torch.randn(*MASK.shape, DIM, dtype=torch.float64, requires_grad=True)
    expected = torch.zeros(*MASK.shape, 5, dtype=torch.float64)
    for b, length in enumerate(MASK.sum(1).tolist()):
        expected[b, :length] = literal_dialogue(e, g[b, :length], WHO[b].tolist())
    assert_same(e(g, WHO, MASK), expected, [g, *e.parameters()])


def test_relations_are_speakers_and_order():
    pairs = pairs_in_windows(lengths_mask(3))
    found = {
        (int(i), int(j)): int(r)
        for i, j, r in zip(*pairs[1:], encoder().relations(pairs, WHO[:1]), strict=True)
    }
    assert found[0, 1] == 2 * (0 * 2 + 1) + 1  # the first speaker hears what the second says after
    assert found[1, 0] == 2 * (1 * 2 + 0)
    assert found[1, 2] == 2 * (1 * 2 + 1) + 1
    assert found[2, 1] == found[1, 1] == 2 * (1 * 2 + 1)


def test_one_speaker_has_two_relations():
    pairs = pairs_in_windows(MASK)
    assert set(encoder().relations(pairs, torch.zeros_like(WHO)).tolist()) == {0, 1}


def test_windows_end_at_a_dialogues_ends():
    rows, i, j = pairs_in_windows(MASK, PAST, FUTURE)
    expected = {
        (b, i, j)
        for b, length in enumerate(MASK.sum(1).tolist())
        for i in range(length)
        for j in range(max(0, i - PAST), min(length, i + FUTURE + 1))
    }
    assert set(zip(rows.tolist(), i.tolist(), j.tolist(), strict=True)) == expected
    assert rows.shape[0] == len(expected)
    assert pairs_in_windows(MASK).shape[1] == 4 * 4 + 1 + 3 * 3
    assert pairs_in_windows(MASK, 0, 0).shape[1] == 8
