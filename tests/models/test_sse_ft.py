"""SSE-FT against its equations, row by row."""

import pytest
import torch

from emofuse.nn.sinusoids import interleaved_sinusoids
from tests.models.equations import DIMS, assert_same, steps_of, system, transformer_layer, utterances


def ask(layer, cls, steps):
    """One query on the steps of another modality, head by head."""
    attention, size = layer.attention, len(cls) // layer.attention.num_heads
    weight, bias = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    q = weight[0] @ cls + bias[0]
    k, v = (steps @ w.T + b for w, b in zip(weight[1:], bias[1:], strict=True))
    heads = []
    for at in range(0, len(cls), size):
        part = slice(at, at + size)
        weights = torch.stack([q[part] @ key[part] / size**0.5 for key in k]).softmax(0)
        heads.append(sum(w * value[part] for w, value in zip(weights, v, strict=True)))
    h = layer.norms[0](cls + attention.out_proj(torch.cat(heads)))
    return layer.norms[1](h + layer.narrow(torch.relu(layer.widen(h))))


def reference(model, inputs):
    found = []
    for row in range(3):
        x, read = steps_of(inputs, row, model), {}
        for m, s in x.items():
            h = model.inputs[m](s)
            h = torch.cat([model.cls[m][None], h + interleaved_sinusoids(len(h), h.shape[1], h)])
            for layer in model.readers[m]:
                h = transformer_layer(layer, h)
            read[m] = h[0], h[1:]
        told = []
        for m in DIMS:
            if m not in read:
                told.append(torch.zeros(16).double())
                continue
            product = torch.ones(16).double()
            for n in DIMS:
                if n != m:
                    cls = read[m][0]
                    product = product * (
                        ask(model.asked[f"{m}_asks_{n}"], cls, read[n][1]) if n in read else cls
                    )
            told.append(product)
        found.append(model.head(torch.relu(model.dense(torch.cat(told)))))
    return torch.stack(found)


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
def test_forward(lacking):
    model, inputs = system("sse-ft", layers=2), utterances(lacking=lacking)
    found = model(**inputs).logits
    assert_same(found, reference(model, inputs), model)
    with torch.inference_mode():
        torch.testing.assert_close(model(**inputs).logits, found)


def test_alone_it_is_what_sums_it_up():
    model, inputs = system("sse-ft", modalities=("audio",)), utterances((1,))
    assert not model.asked
    assert torch.isfinite(model(**inputs).logits).all()
