"""CFN-ESA's encoders and its emotion shifts against the paper, read literally."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.models import create_model
from emofuse.models.cfn_esa import shift_labels
from emofuse.nn.dialogue_attention import DialogueAttention
from emofuse.nn.emotion_shift import ACMELayer, EmotionShift, RUMELayer
from tests.models.literal import assert_same, lengths_mask

DIM, HEADS = 4, 2
MASK = lengths_mask(3, 1)


def attend(layer: DialogueAttention, query: Tensor, source: Tensor, seen: list[int]) -> Tensor:
    """Of one utterance (DIM,) to those of (N, DIM) that it sees, head by head."""
    q, size = layer.query(query), DIM // HEADS
    k, v = layer.key_value(source).chunk(2, dim=-1)
    out = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = torch.stack([q[part] @ k[j, part] / size**0.5 for j in seen]).softmax(0)
        out.append(sum(a * v[j, part] for a, j in zip(scores, seen, strict=True)))
    return layer.out(torch.cat(out))


def test_it_is_the_recurrent_encoder_of_the_paper():
    torch.manual_seed(0)
    layer = RUMELayer(DIM, 0.0).double()
    x = torch.randn(*MASK.shape, DIM, dtype=torch.float64, requires_grad=True)
    widen, narrow = layer.feed_forward[0], layer.feed_forward[3]
    rows = []
    for dialogue, n in zip(x, MASK.sum(1).tolist(), strict=True):
        u = dialogue[:n]
        r = layer.recurrent_norm(u + layer.narrow(layer.recurrent.cell(u)[0]))
        rows.append(layer.norm(u + r + narrow(F.relu(widen(r)))))
    assert_same(layer(x, MASK)[MASK], torch.cat(rows), [x, *layer.parameters()])


def test_it_is_the_cross_modal_encoder_of_the_paper():
    torch.manual_seed(0)
    names = ("text", "audio", "video")
    layer = ACMELayer(names, DIM, HEADS, 0.0).double()
    x = {m: torch.randn(*MASK.shape, DIM, dtype=torch.float64, requires_grad=True) for m in names}
    has = {m: MASK.clone() for m in names}
    has["audio"][0, 1] = False
    found = layer(x, has)
    for b, n in enumerate(MASK.sum(1).tolist()):
        seen = {m: [j for j in range(n) if has[m][b, j]] for m in names}
        u = {m: x[m][b, :n] for m in names}
        s = {
            m: torch.stack(
                [
                    layer.norms[m][0](u[m][i] + attend(layer.selves[m], u[m][i], u[m], seen[m]))
                    for i in range(n)
                ]
            )
            for m in names
        }
        for i in range(n):
            heard = [attend(layer.to_primary[m], s["text"][i], s[m], seen[m]) for m in ("audio", "video")]
            across = {"text": F.relu(layer.combine(torch.cat(heard)))}
            for m in ("audio", "video"):
                across[m] = attend(layer.from_primary[m], s[m][i], s["text"], seen["text"])
            for m in names:
                c = layer.norms[m][1](u[m][i] + s[m][i] + across[m])
                out = layer.norms[m][2](u[m][i] + c + layer.feed_forward[m](c))
                torch.testing.assert_close(found[m][b, i], out)
    # An utterance without sound is nobody's neighbour there.
    (gradient,) = torch.autograd.grad(found["text"][has["text"]].sum(), x["audio"])
    assert not gradient[0, 1].any()
    assert gradient[0, 0].any()


def test_shifts_are_told_of_pairs():
    torch.manual_seed(0)
    layer = EmotionShift(DIM, 5, 0.0).double()
    z, again = (torch.randn(2, 3, DIM, dtype=torch.float64, requires_grad=True) for _ in range(2))
    W_1 = torch.cat([layer.one.weight, layer.other.weight], dim=1)
    expected = torch.zeros(2, 3, 3, 2, dtype=torch.float64)
    for b in range(2):
        for i in range(3):
            for j in range(3):
                both = torch.cat([z[b, i], again[b, j]])
                expected[b, i, j] = layer.classifier(F.relu(W_1 @ both + layer.one.bias))
    assert_same(layer(*layer.halves(z, again)), expected, [z, again, *layer.parameters()])


def test_labels_of_shifts():
    found = shift_labels(torch.tensor([[2, 1, 2, -1]]))[0]
    assert found.tolist() == [[0, 1, 0, -1], [1, 0, 1, -1], [0, 1, 0, -1], [-1, -1, -1, -1]]


def test_shifts_count_while_training_alone():
    torch.manual_seed(0)
    model = create_model(
        "cfn-esa", preset="tiny", num_classes=3, text_dim=3, modalities=("text",), shift_dropout=0.0
    )
    text, labels = torch.randn(2, 3, 3), torch.tensor([[0, 1, 0], [2, -1, -1]])
    output = model.train()(text=text, mask=MASK)
    losses = model.training_loss(output, labels)
    y = shift_labels(labels)
    logits = model.shift(output.shift_first, output.shift_second)
    expected = F.cross_entropy(logits[y >= 0], y[y >= 0])
    torch.testing.assert_close(losses["shift"], expected)
    torch.testing.assert_close(losses["loss"], losses["cross_entropy"] + 0.9 * expected)
    judged = model.eval()(text=text, mask=MASK)
    assert judged.shift_first is judged.shift_second is None
    assert set(model.training_loss(judged, labels)) == {"loss", "cross_entropy"}
