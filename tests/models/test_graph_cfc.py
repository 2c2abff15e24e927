"""GraphCFC's attention, its pairs and its losses against the paper, read literally."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GATv2Conv

from emofuse.models import create_model
from emofuse.nn.gat_mlp import GATMLP, PairwiseComplement, TypedGraphAttention, edge_types
from tests.models.literal import assert_same, lengths_mask

DIM, HEADS, SPEAKERS, PAST, FUTURE = 4, 2, 2, 1, 2
MASK = lengths_mask(4, 1, 2)
WHO = torch.tensor([[0, 1, 1, 2], [0, 0, 0, 0], [0, 0, 0, 0]])  # the third speaker counts as the second


def literal_layer(layer: GATMLP, x: Tensor, near: list[list[int]], type_of: dict) -> Tensor:
    gat, rows = layer.attention, []
    left, right = (lin(x).view(len(x), HEADS, DIM) for lin in (gat.source, gat.target))
    for i in range(len(x)):
        heads = []
        for head in range(HEADS):
            scores = []
            for j in near[i]:
                e = gat.kind(type_of[i, j]).view(HEADS, DIM)[head]
                inside = F.leaky_relu(left[j, head] + right[i, head] + e, 0.2)
                scores.append(gat.vector[head] @ inside)
            alpha = torch.stack(scores).softmax(0)
            heads.append(sum(a * left[j, head] for a, j in zip(alpha, near[i], strict=True)))
        rows.append(torch.stack(heads).mean(0) + gat.bias)
    x = layer.norm(x + torch.stack(rows))
    widen, narrow = layer.feed_forward.inside[0], layer.feed_forward.inside[3]
    return layer.feed_forward.norm(x + narrow(F.gelu(widen(x))))


def test_it_is_the_pairwise_complement_of_the_paper():
    torch.manual_seed(0)
    layer = PairwiseComplement(DIM, 2, HEADS, SPEAKERS, PAST, FUTURE, 0.0).double()
    types = nn.Embedding(4, DIM).double()
    pair = [torch.randn(*MASK.shape, DIM, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    has = (MASK, MASK.clone())
    has[1][0, 2] = False

    number = {(0, 0): 0, (0, 1): 1, (1, 1): 2}
    expected = []
    for b, length in enumerate(MASK.sum(1).tolist()):
        places = [(s, i) for s in range(2) for i in range(length) if has[s][b, i]]
        near: list[list[int]] = [[] for _ in places]
        type_of = {}
        for a, (s, i) in enumerate(places):
            for c, (t, j) in enumerate(places):
                if s == t and i - PAST <= j <= i + FUTURE:
                    two = tuple(sorted(min(int(WHO[b, k]), 1) for k in (i, j)))
                    near[a].append(c)
                    type_of[a, c] = types.weight[number[two]]
                elif s != t and i == j:
                    near[a].append(c)
                    type_of[a, c] = types.weight[3]
        x = torch.stack([pair[s][b, i] for s, i in places])
        for gat_mlp in layer.layers:
            x = literal_layer(gat_mlp, x, near, type_of)
        both = torch.zeros(length, 2 * DIM, dtype=torch.float64)
        for row, (s, i) in zip(x, places, strict=True):
            both[i, s * DIM : (s + 1) * DIM] = row
        expected.append(layer.fusion(both))
    found = layer((pair[0], pair[1]), has, WHO, types)[MASK]
    assert_same(found, torch.cat(expected), [*pair, *layer.parameters(), *types.parameters()])


def test_the_attention_is_the_librarys():
    torch.manual_seed(0)
    ours = TypedGraphAttention(DIM, HEADS).double()
    theirs = GATv2Conv(DIM, DIM, HEADS, concat=False, edge_dim=DIM, add_self_loops=False).double()
    for to, of in (
        (theirs.lin_l, ours.source),
        (theirs.lin_r, ours.target),
        (theirs.lin_edge, ours.kind),
    ):
        to.load_state_dict(of.state_dict())
    theirs.att.data.copy_(ours.vector)
    x, types = torch.randn(5, DIM).double(), torch.randn(3, DIM).double()
    edges, kinds = torch.randint(0, 5, (2, 12)), torch.randint(0, 3, (12,))
    torch.testing.assert_close(ours(x, edges, kinds, types), theirs(x, edges, types[kinds]))


@pytest.mark.parametrize("speakers", [1, 2, 5])
def test_types_number_the_unordered_pairs(speakers: int):
    one, other = torch.cartesian_prod(torch.arange(speakers), torch.arange(speakers)).view(-1, 2).T
    found = edge_types(one, other, speakers)
    torch.testing.assert_close(found, edge_types(other, one, speakers))
    assert set(found.tolist()) == set(range(speakers * (speakers + 1) // 2))


def test_a_subspace_learns_from_those_who_have_its_modality():
    torch.manual_seed(0)
    sizes = {"text_dim": 3, "audio_dim": 3, "video_dim": 3}
    model = create_model("graph-cfc", preset="tiny", num_classes=3, subspace_weight=0.5, **sizes).eval()
    inputs = {m: torch.randn(*MASK.shape, 3) for m in ("text", "audio", "video")}
    has_audio = MASK.clone()
    has_audio[0] = False
    output = model(**inputs, mask=MASK, speakers=WHO, present={"audio": has_audio})
    labels = torch.arange(12).view(3, 4) % 3
    losses = model.training_loss(output, labels)

    def over(logits: Tensor, who: Tensor) -> Tensor:
        return F.cross_entropy(logits[who], labels[who])

    spaces = output.subspaces
    expected = over(spaces["audio"], has_audio) + sum(
        over(spaces[s], MASK) for s in ("text", "video", "shared")
    )
    torch.testing.assert_close(losses["subspaces"], expected)
    torch.testing.assert_close(losses["loss"], over(output.logits, MASK) + 0.5 * expected)
