"""MISA against its equations, row by row."""

import pytest
import torch

from emofuse.losses.central_moments import central_moment_discrepancy
from emofuse.losses.difference import difference
from tests.models.equations import DIMS, assert_same, steps_of, system, transformer_layer, utterances


def encode(model, m, x):
    """u_m of one utterance: two layers, each read both ways, of whose states the last are kept."""
    if m not in model.encoders:
        return model.projections[m](x.mean(0))
    encoder, ends = model.encoders[m], []
    for layers in (encoder.first, encoder.second):
        ahead, back = layers.ahead(x[None])[0][0], layers.back(x.flip(0)[None])[0][0].flip(0)
        ends += [ahead[-1], back[0]]
        x = encoder.norm(torch.cat([ahead, back], dim=-1))
    return model.projections[m](torch.cat(ends))


def reference(model, inputs):
    """y, and u, h^c, h^p, û of each row."""
    outputs, parts = [], []
    for row in range(3):
        u = {m: encode(model, m, x) for m, x in steps_of(inputs, row, model).items()}
        shared = {m: torch.sigmoid(model.shared(e)) for m, e in u.items()}
        private = {m: torch.sigmoid(model.private[m](e)) for m, e in u.items()}
        rebuilt = {m: model.decoders[m](private[m] + shared[m]) for m in u}
        fused = transformer_layer(model.transformer, torch.stack([*private.values(), *shared.values()]))
        places = [i for i, m in enumerate(DIMS) if m in u] + [3 + i for i, m in enumerate(DIMS) if m in u]
        slots = [torch.zeros(model.config.dim).double()] * 6
        for place, vector in zip(places, fused, strict=True):
            slots[place] = vector
        outputs.append(model.linear_2(torch.relu(model.linear_1(torch.cat(slots)))))
        parts.append((u, shared, private, rebuilt))
    return torch.stack(outputs), parts


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
@pytest.mark.parametrize("text_lstm", [False, True])
def test_forward(lacking, text_lstm):
    model, inputs = system("misa", text_lstm=text_lstm), utterances(lacking=lacking)
    assert_same(model(**inputs).logits, reference(model, inputs)[0], model)


@pytest.mark.parametrize("lacking", ["", "audio"])
def test_losses(lacking):
    model, inputs = system("misa", moments=3), utterances(lacking=lacking)
    values = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    found = model.training_loss(model(**inputs), values)
    y, parts = reference(model, inputs)

    def rows(kind, m, *others):
        return torch.stack([p[kind][m] for p in parts if all(n in p[kind] for n in (m, *others))])

    pairs = [("text", "audio"), ("text", "video"), ("audio", "video")]
    similarity = sum(central_moment_discrepancy(rows(1, m, n), rows(1, n, m), 3) for m, n in pairs) / 3
    orthogonal = sum(difference(rows(1, m), rows(2, m)) for m in DIMS)
    orthogonal = orthogonal + sum(difference(rows(2, m, n), rows(2, n, m)) for m, n in pairs)
    rebuilt = sum((rows(0, m) - rows(3, m)).square().mean() for m in DIMS) / 3
    task = (y.squeeze(-1) - values).square().mean()
    assert_same(found["similarity"], similarity, model)
    assert_same(found["difference"], orthogonal, model)
    assert_same(found["reconstruction"], rebuilt, model)
    assert_same(found["loss"], task + similarity + 0.3 * orthogonal + rebuilt, model)


def test_one_row_of_one_step_has_a_loss():
    model, inputs = system("misa"), utterances((1,))
    losses = model.training_loss(model(**inputs), torch.tensor([1.0]).double())
    losses["loss"].backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_row_without_anything_is_no_nan():
    model, inputs = system("misa"), utterances()
    for there in inputs["present"].values():
        there[1] = False
    assert torch.isfinite(model(**inputs).logits).all()


def test_inference_says_the_same():
    model, inputs = system("misa"), utterances(lacking="audio")
    expected = model(**inputs).logits
    with torch.inference_mode():
        torch.testing.assert_close(model(**inputs).logits, expected)
