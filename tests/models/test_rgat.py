"""RGAT's attention against its equations, read literally."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.models.rgat import RELATIONS, relations_of
from emofuse.nn.dialogue_graphs import edges_of, pairs_in_windows, put_back
from emofuse.nn.relational_attention import RelationalGraphAttention
from tests.models.literal import assert_same, lengths_mask

PAST, FUTURE, DIM, HEADS = 2, 1, 6, 2
MASK = lengths_mask(4, 1, 3)
WHO = torch.tensor([[0, 1, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0]])


def literal_dialogue(layer: RelationalGraphAttention, h: Tensor, who: list[int]) -> Tensor:
    n, size = len(h), DIM // HEADS
    out = torch.zeros_like(h)
    for i in range(n):
        window = range(max(0, i - PAST), min(n, i + FUTURE + 1))
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores, heard = [], []
            for j in window:
                r = 2 * (who[i] != who[j]) + (j > i)
                W = layer.weight[r][:, part]
                a = torch.cat([layer.attention[0, r, head], layer.attention[1, r, head]])
                score = a @ torch.cat([h[i] @ W, h[j] @ W])
                if layer.positions is not None:
                    score = score + layer.positions[r, min(abs(i - j), layer.positions.shape[1] - 1), head]
                scores.append(F.leaky_relu(score, 0.2))
                heard.append(h[j] @ W)
            alpha = torch.stack(scores).softmax(0)
            out[i, part] = sum(weight * z for weight, z in zip(alpha, heard, strict=True))
    return out


@pytest.mark.parametrize("positions", [0, 2, 3])
def test_it_is_the_attention_of_the_paper(positions: int):
    torch.manual_seed(0)
    layer = RelationalGraphAttention(DIM, HEADS, RELATIONS, positions).double()
    if layer.positions is not None:
        layer.positions.data.normal_()
    h = torch.randn(*MASK.shape, DIM, dtype=torch.float64, requires_grad=True)
    pairs = pairs_in_windows(MASK, PAST, FUTURE)
    found = layer(h[MASK], edges_of(pairs, MASK), relations_of(pairs, WHO), (pairs[1] - pairs[2]).abs())
    expected = torch.zeros_like(h)
    for b, length in enumerate(MASK.sum(1).tolist()):
        expected[b, :length] = literal_dialogue(layer, h[b, :length], WHO[b].tolist())
    assert_same(put_back(found, MASK), expected, [h, *layer.parameters()])


def test_relations_are_the_same_speaker_or_another_before_or_after():
    pairs = pairs_in_windows(lengths_mask(3))
    found = {
        (int(i), int(j)): int(r) for i, j, r in zip(*pairs[1:], relations_of(pairs, WHO[:1]), strict=True)
    }
    assert found[0, 0] == found[2, 0] == 0
    assert found[0, 2] == 1
    assert found[1, 0] == found[2, 1] == 2
    assert found[0, 1] == found[1, 2] == 3
