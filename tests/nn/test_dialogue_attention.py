"""Attention against a literal softmax, and a layer against torch's own Transformer layer."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from emofuse.nn import dialogue_attention
from emofuse.nn.dialogue_attention import AttentionLayer, DialogueAttention
from emofuse.nn.stream_memory import StreamMemory
from tests.nn.tensor_sizes import largest_tensor


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def by_the_equations(attention: DialogueAttention, query: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """One head, one query and one key at a time; (N, dim)."""
    N, dim = query.shape
    d = dim // attention.heads
    q = query @ attention.query.weight.T + attention.query.bias
    W_k, W_v = attention.key_value.weight.split(dim)
    b_k, b_v = attention.key_value.bias.split(dim)
    k, v = source @ W_k.T + b_k, source @ W_v.T + b_v
    out = torch.zeros_like(query)
    for i in range(N):
        seen = [
            j
            for j in range(N)
            if mask[j]
            and not (attention.causal and j > i)
            and not (attention.window is not None and abs(i - j) >= attention.window)
        ]
        if not seen:
            continue
        heads = []
        for h in range(attention.heads):
            part = slice(h * d, (h + 1) * d)
            scores = torch.stack([q[i, part] @ k[j, part] / math.sqrt(d) for j in seen])
            weights = torch.softmax(scores, 0)
            heads.append(sum(w * v[j, part] for w, j in zip(weights, seen, strict=True)))
        out[i] = attention.out.weight @ torch.cat(heads) + attention.out.bias
    return out


@pytest.mark.parametrize(
    ("causal", "window", "block"), list(itertools.product([False, True], [None, 1, 3], [256, 2, 5]))
)
def test_it_is_the_equations(causal, window, block, monkeypatch):
    monkeypatch.setattr(dialogue_attention, "QUERY_BLOCK", block)
    attention = DialogueAttention(8, 2, causal=causal, window=window).double()
    query, source = torch.randn(2, 2, 9, 8, dtype=torch.float64)
    mask = torch.tensor([[True] * 9, [False, False, True, True, False, True, False, False, False]])
    y = attention(query, source, mask)
    for row in range(2):
        torch.testing.assert_close(y[row], by_the_equations(attention, query[row], source[row], mask[row]))


def test_an_utterance_that_sees_nothing_gets_nothing_and_no_nan():
    attention = DialogueAttention(8, 2)
    x = torch.randn(2, 4, 8, requires_grad=True)
    mask = torch.tensor([[True] * 4, [False] * 4])
    y = attention(x, x, mask)
    y.sum().backward()
    assert (y[1] == 0).all()
    assert (y[0] != 0).any()
    assert torch.isfinite(x.grad).all()
    assert (x.grad[1] == 0).all()


def test_gradients():
    attention = DialogueAttention(4, 2, causal=True, window=2).double()
    query = torch.randn(1, 4, 4, dtype=torch.float64, requires_grad=True)
    source = torch.randn(1, 4, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[False, True, True, True]])
    assert torch.autograd.gradcheck(lambda q, s: attention(q, s, mask), (query, source))


@pytest.mark.parametrize("pieces", [1, 4, 13])
def test_a_stream_equals_the_whole(pieces):
    attention = DialogueAttention(8, 2, causal=True, window=5).double()
    query, source = torch.randn(2, 2, 40, 8, dtype=torch.float64)
    mask = torch.rand(2, 40) > 0.3
    memory = StreamMemory()
    parts = [
        attention(query[:, a : a + pieces], source[:, a : a + pieces], mask[:, a : a + pieces], memory)
        for a in range(0, 40, pieces)
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), attention(query, source, mask))
    assert memory.numel() == 2 * 4 * (8 + 8 + 1)  # rows, window - 1 places, key and value and presence


@pytest.mark.parametrize("options", [{"causal": True}, {"window": 3}])
def test_only_a_causal_window_streams(options):
    x = torch.randn(1, 2, 8)
    attention = DialogueAttention(8, 2, **options)
    with pytest.raises(ValueError, match="causal and within a window"):
        attention(x, x, torch.ones(1, 2, dtype=torch.bool), StreamMemory())


def test_memory_grows_linearly_with_the_length():
    attention = DialogueAttention(8, 2, window=16)

    def attend(n: int) -> None:
        x = torch.randn(1, n, 8)
        attention(x, x, torch.ones(1, n, dtype=torch.bool))

    sizes = [largest_tensor(lambda n=n: attend(n)) for n in (1000, 4000)]
    assert sizes[1] < 8 * sizes[0]
    assert sizes[1] < 4000 * 4000 / 8


def test_with_one_source_a_layer_is_a_transformer_layer():
    layer = AttentionLayer(16, 1, heads=4, ff_dim=32).double()
    theirs = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, dtype=torch.float64)
    attention = layer.attentions[0]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([attention.query.weight, attention.key_value.weight]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([attention.query.bias, attention.key_value.bias]))
        theirs.self_attn.out_proj.load_state_dict(attention.out.state_dict())
        theirs.linear1.load_state_dict(layer.feed_forward[0].state_dict())
        theirs.linear2.load_state_dict(layer.feed_forward[3].state_dict())
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    ours = layer(x, [(x, mask)])
    torch.testing.assert_close(ours[mask], theirs(x, src_key_padding_mask=~mask)[mask])


def test_a_layer_visits_its_sources_in_order():
    torch.manual_seed(0)
    layer = AttentionLayer(8, 2, heads=2, ff_dim=16).double()
    query, first, second = torch.randn(3, 1, 5, 8, dtype=torch.float64)
    everyone = torch.ones(1, 5, dtype=torch.bool)
    stage = query
    for attention, norm, source in zip(layer.attentions, layer.norms, [first, second], strict=True):
        stage = norm(stage + attention(stage, source, everyone))
    expected = layer.feed_forward_norm(stage + layer.feed_forward(stage))
    torch.testing.assert_close(layer(query, [(first, everyone), (second, everyone)]), expected)
    assert not torch.allclose(layer(query, [(second, everyone), (first, everyone)]), expected)


def test_heads_must_divide_the_size():
    with pytest.raises(ValueError, match="multiple of heads"):
        DialogueAttention(10, 3)
