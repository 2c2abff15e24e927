"""GraphSmile's graphs and its tasks of sentiment against the paper, read literally."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from emofuse.errors import EmofuseError
from emofuse.models import create_model
from emofuse.nn.heterogeneous_graph import HeterogeneousConvolution
from tests.models.literal import assert_same, lengths_mask

DIM, PAST, FUTURE = 4, 1, 2
MASK = lengths_mask(4, 1, 2)


def test_it_is_the_convolution_of_the_paper():
    torch.manual_seed(0)
    layer = HeterogeneousConvolution(DIM, 2, PAST, FUTURE, 0.0).double()
    layer.edge_weights.data.normal_()
    present = torch.stack([MASK, MASK])
    present[1, 0, 2] = False
    pair = torch.randn(2, *MASK.shape, DIM, dtype=torch.float64, requires_grad=True)
    expected = torch.zeros_like(pair)
    for b in range(len(MASK)):
        places = [(m, i) for m in range(2) for i in range(4) if present[m, b, i]]
        A = torch.zeros(len(places), len(places), dtype=torch.float64)
        for t, (m, i) in enumerate(places):
            for s, (n, j) in enumerate(places):
                if m != n and i - PAST <= j <= i + FUTURE:
                    A[t, s] = layer.edge_weights[m, j - i + PAST].exp()
        degrees = A.sum(1)
        D = torch.diag(torch.where(degrees > 0, degrees, 1.0) ** -0.5 * (degrees > 0))
        x = total = torch.stack([pair[m, b, i] for m, i in places])
        for gcn, output in zip(layer.layers, layer.outputs, strict=True):
            x = D @ A @ D @ x @ gcn.lin.weight.T + gcn.bias
            total = total + F.leaky_relu(output[0](x))
        for row, (m, i) in zip(total, places, strict=True):
            expected[m, b, i] = row
    assert_same(layer(pair, present), expected, [pair, *layer.parameters()])


def test_tasks_of_sentiment():
    torch.manual_seed(0)
    options = {"sentiments": (0, 1, 0), "shift_window": 2, "sentiment_weight": 0.5, "shift_weight": 0.2}
    sizes = {"text_dim": 3, "audio_dim": 3, "video_dim": 3}
    model = create_model("graph-smile", preset="tiny", num_classes=3, **options, **sizes).eval()
    output = model(**{m: torch.randn(*MASK.shape, 3) for m in ("text", "audio", "video")}, mask=MASK)
    labels = torch.tensor([[0, 1, 2, 0], [1, -1, -1, -1], [2, 0, -1, -1]])
    felt = [[0, 1, 0, 0], [1, -1, -1, -1], [0, 0, -1, -1]]
    losses = model.training_loss(output, labels)
    torch.testing.assert_close(
        losses["sentiment"],
        F.cross_entropy(output.sentiment.flatten(0, 1), torch.tensor(felt).flatten(), ignore_index=-1),
    )
    terms = []
    for b, row in enumerate(felt):
        for i, one in enumerate(row):
            for j, other in enumerate(row):
                if one >= 0 and other >= 0 and i // 2 == j // 2:
                    logits = output.shift_from[b, i] + output.shift_to[b, j]
                    terms.append(-logits.log_softmax(-1)[int(one != other)])
    torch.testing.assert_close(losses["shift"], torch.stack(terms).mean())
    whole = losses["cross_entropy"] + 0.5 * losses["sentiment"] + 0.2 * losses["shift"]
    torch.testing.assert_close(losses["loss"], whole)


def test_sentiments_that_do_not_fit_are_told():
    with pytest.raises(EmofuseError, match="for each of 3 classes"):
        create_model("graph-smile", preset="tiny", num_classes=3, sentiments=(0, 1))
