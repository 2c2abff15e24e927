"""MultiAttn against §3.4."""

import pytest
import torch
from torch import Tensor

from emofuse.nn.multi_attn import MultiAttn
from emofuse.nn.stream_memory import StreamMemory

NAMES = ("text", "audio", "video")


def make(modalities=NAMES, **options) -> MultiAttn:
    torch.manual_seed(0)
    return MultiAttn(8, modalities, heads=2, ff_dim=16, **options).double()


def batch(length=6, modalities=NAMES) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    features = {m: torch.randn(2, length, 8, dtype=torch.float64) for m in modalities}
    return features, {m: torch.rand(2, length) > 0.3 for m in modalities}


def test_visual_visits_text_then_audio_then_the_feed_forward_network():
    fusion = make(layers=2)
    x, present = batch()
    f = x["video"]
    for layer in fusion.stacks["video"]:
        to_text, to_audio = layer.attentions
        f = layer.norms[0](f + to_text(f, x["text"], present["text"]))
        f = layer.norms[1](f + to_audio(f, x["audio"], present["audio"]))
        f = layer.feed_forward_norm(f + layer.feed_forward[3](torch.relu(layer.feed_forward[0](f))))
    torch.testing.assert_close(fusion(x, present)["video"], f)


@pytest.mark.parametrize(
    ("m", "first", "second"),
    [("text", "audio", "video"), ("audio", "text", "video"), ("video", "text", "audio")],
)
def test_each_modality_visits_both_others(m, first, second):
    fusion = make(layers=1)
    x, present = batch()
    (layer,) = fusion.stacks[m]
    expected = layer(x[m], [(x[first], present[first]), (x[second], present[second])])
    torch.testing.assert_close(fusion(x, present)[m], expected)


@pytest.mark.parametrize("modalities", [("text",), ("text", "video")])
def test_fewer_modalities_have_fewer_stages(modalities):
    fusion = make(modalities)
    x, present = batch(modalities=modalities)
    fused = fusion(x, present)
    assert set(fused) == set(modalities)
    assert all(
        len(layer.attentions) == len(modalities) - 1 for stack in fusion.stacks.values() for layer in stack
    )


def test_the_order_in_which_features_are_given_does_not_matter():
    fusion = make()
    x, present = batch()
    turned = fusion(dict(reversed(x.items())), dict(reversed(present.items())))
    for m, f in fusion(x, present).items():
        torch.testing.assert_close(turned[m], f)


def test_every_modality_may_be_missing_everywhere():
    fusion = make()
    x, present = batch()
    for m in NAMES:
        x[m].requires_grad_()
        present[m][:] = False
    fused = fusion(x, present)
    sum(f.sum() for f in fused.values()).backward()
    assert all(torch.isfinite(f).all() for f in fused.values())
    assert all(torch.isfinite(x[m].grad).all() for m in NAMES)


def test_a_dialogue_alone_and_in_a_padded_batch():
    fusion = make()
    x, present = batch(4)
    long = {m: torch.cat([v, torch.randn(2, 5, 8, dtype=torch.float64)], 1) for m, v in x.items()}
    long_present = {m: torch.cat([p, torch.zeros(2, 5, dtype=torch.bool)], 1) for m, p in present.items()}
    padded = fusion(long, long_present)
    for m, f in fusion(x, present).items():
        torch.testing.assert_close(padded[m][:, :4], f)


def test_a_stream_equals_the_whole():
    fusion = make(causal=True, window=3, layers=3)
    x, present = batch(12)
    memory = StreamMemory()
    steps = [
        fusion(
            {m: v[:, i : i + 1] for m, v in x.items()},
            {m: p[:, i : i + 1] for m, p in present.items()},
            memory,
        )
        for i in range(12)
    ]
    for m, f in fusion(x, present).items():
        torch.testing.assert_close(torch.cat([s[m] for s in steps], dim=1), f)


def test_gradients():
    torch.manual_seed(0)
    fusion = MultiAttn(4, heads=2, ff_dim=4, layers=1).double()
    x = torch.randn(3, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    present = {m: torch.tensor([[True, m != "audio", True]]) for m in NAMES}
    assert torch.autograd.gradcheck(
        lambda x: tuple(fusion(dict(zip(NAMES, x, strict=True)), present).values()), x
    )
