"""HAUCL's autoencoder, its convolution and its losses against their equations, pair by pair."""

import pytest
import torch
from torch.nn import functional as F

from emofuse.losses.two_views import two_view_contrast
from tests.models.dialogues import MASK, SPEAKERS, dialogue_system, dialogues
from tests.models.equations import assert_same

pytest.importorskip("torch_geometric")


def hyperedges(present):
    """Name → nodes (m, b, i): one for each modality of a dialogue, one for each utterance."""
    found = {}
    for m, x in present.items():
        for b, i in x.nonzero().tolist():
            found.setdefault(("context", m, b), []).append((m, b, i))
            found.setdefault(("utterance", b, i), []).append((m, b, i))
    return found


def posterior(layer, h):
    mean, deviation = layer.mean(h), F.softplus(layer.deviation(h)) + 1e-6
    return mean, sum(0.5 * (m**2 + s**2 - 1 - 2 * s.log()) for m, s in zip(mean, deviation, strict=True))


def autoencoder(layer, x, edges):
    """p of (node, hyperedge), and the loss of each node; means in the place of samples."""
    h_e = {e: torch.stack([layer.from_nodes(x[v]).relu() for v in of]).mean(0) for e, of in edges.items()}
    h_e = {e: layer.to_edges(h).relu() for e, h in h_e.items()}
    p, loss = {}, {}
    for v in x:
        mine = [e for e, of in edges.items() if v in of]
        h_v = layer.to_nodes(torch.stack([layer.from_edges(h_e[e]).relu() for e in mine]).mean(0)).relu()
        z_v, divergence = posterior(layer.node, h_v)
        terms = []
        for e in mine:
            z_e, of_edge = posterior(layer.edge, h_e[e])
            said = layer.decoder(z_v * z_e).softmax(0)[1]
            p[v, e] = layer.floor + (1 - layer.floor) * said
            terms.append(of_edge - said.log())
        loss[v] = sum(terms) / len(terms) + divergence
    return p, loss


def haucl(model, inputs):
    """Logits (B, N, C) and the mean loss of the autoencoder."""
    scaled = {m: inputs[m].clamp(-5, 5) * inputs["present"][m].unsqueeze(-1) for m in inputs["present"]}
    encoded = model.encoders(scaled, MASK)
    who = model.speakers(SPEAKERS)
    nodes = {}
    for m, present in inputs["present"].items():
        for b, i in present.nonzero().tolist():
            nodes[m, b, i] = encoded[m][b, i] + (who[b, i] if m == "text" else 0)
    features, edges = {v: model.first(x) for v, x in nodes.items()}, hyperedges(inputs["present"])
    p, loss = autoencoder(model.autoencoder, features, edges)
    means = {e: sum(p[v, e] * features[v] for v in of) / sum(p[v, e] for v in of) for e, of in edges.items()}
    out = {}
    for v in nodes:
        mine = [e for e, of in edges.items() if v in of]
        out[v] = F.leaky_relu(sum(p[v, e] * means[e] for e in mine) / sum(p[v, e] for e in mine))
    logits = torch.zeros(*MASK.shape, model.config.num_classes, dtype=torch.float64)
    nothing = torch.zeros(2 * model.config.dim, dtype=torch.float64)
    for b, i in MASK.nonzero().tolist():
        parts = [
            torch.cat([nodes[m, b, i], 2 * out[m, b, i]]) if (m, b, i) in nodes else nothing for m in encoded
        ]
        logits[b, i] = model.classifier(model.dense(torch.cat(parts)).relu())
    return logits, sum(loss.values()) / len(loss)


@pytest.mark.parametrize("lacking", ["", "audio"])
def test_the_system_is_its_equations_written_out(lacking):
    model, inputs = dialogue_system("haucl"), dialogues(lacking)
    output = model(**inputs, speakers=SPEAKERS)
    logits, reconstruction = haucl(model, inputs)
    assert_same(output.logits, logits, model)
    labels = torch.zeros(MASK.shape, dtype=torch.int64)
    losses = model.training_loss(output, labels)
    torch.testing.assert_close(losses["reconstruction"], reconstruction)
    torch.testing.assert_close(
        losses["loss"], losses["cross_entropy"] + 0.1 * losses["contrast"] + 0.1 * reconstruction
    )


def test_while_training_the_two_hypergraphs_differ_and_belongings_are_probabilities():
    torch.manual_seed(0)
    model = dialogue_system("haucl").train()
    output = model(**dialogues(), speakers=SPEAKERS)
    assert not torch.allclose(output.one["text"], output.other["text"])
    still = model.eval()(**dialogues(), speakers=SPEAKERS)
    torch.testing.assert_close(still.one["text"], still.other["text"])


def test_the_contrast_is_the_equation():
    torch.manual_seed(0)
    a, b = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    total = 0.0
    for one, other in ((a, b), (b, a)):
        for i in range(4):

            def e(x, y):
                return (F.cosine_similarity(x, y, dim=0) / 0.5).exp()

            rest = sum(e(one[i], one[j]) for j in range(4) if j != i)
            total = total - (e(one[i], other[i]) / (sum(e(one[i], y) for y in other) + rest)).log()
    torch.testing.assert_close(two_view_contrast(a, b, 0.5), total / 8)
    assert two_view_contrast(a[:0], b[:0], 0.5) == 0
