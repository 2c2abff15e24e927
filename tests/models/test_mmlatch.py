"""MMLatch against its equations, row by row and step by step."""

from itertools import combinations

import pytest
import torch

from emofuse.nn.aligned_steps import align_steps
from tests.models.equations import DIMS, assert_same, steps_of, system, utterances


def attend(attention, queries, source):
    """One query after the other."""
    found = []
    for query in queries:
        scores = (
            torch.stack([attention.query(query) @ attention.key(s) for s in source]) / len(source[0]) ** 0.5
        )
        weights = scores.exp() / scores.exp().sum()
        found.append(sum(w * attention.value(s) for w, s in zip(weights, source, strict=True)))
    return torch.stack(found)


def read(encoder, x):
    ahead = encoder.recurrent.ahead(x[None])[0][0]
    back = encoder.recurrent.back(x.flip(0)[None])[0][0].flip(0)
    states = ahead + back if encoder.recurrent.merge == "sum" else torch.cat([ahead, back], -1)
    return attend(encoder.attention, states, states)


def reference(model, inputs):
    c, found = model.config, []
    for row in range(3):
        given = steps_of(inputs, row, model)
        count = len(given["text"]) if "text" in given else c.steps
        x = {}
        for m, d in DIMS.items():
            x[m] = torch.zeros(count, d).double()
            if m in given:
                whole = torch.ones(1, len(given[m]), dtype=torch.bool)
                x[m] = align_steps(given[m][None], whole, torch.tensor([count]), count)[0]
        silent = torch.zeros(count, c.dim).double()
        h = {m: read(model.encoders[m], x[m]) if m in given else silent for m in DIMS}
        if c.feedback:
            masked = {}
            for m in DIMS:
                masks = [
                    torch.sigmoid(model.masks[f"{m}_by_{n}"].ahead(h[n][None])[0][0])
                    for n in DIMS
                    if n != m and n in given
                ]
                masked[m] = x[m] * (sum(masks) / len(masks))
            h = {m: read(model.encoders[m], masked[m]) if m in given else silent for m in DIMS}
        parts = list(h.values())
        for m, n in combinations(DIMS, 2):
            on_n = attend(model.crossed[f"{n}_on_{m}"], h[n], h[m]) + h[n]
            on_m = attend(model.crossed[f"{m}_on_{n}"], h[m], h[n]) + h[m]
            parts.append(on_n + on_m)
        parts.append(attend(model.trimodal, parts[-1], h["text"]))
        found.append(model.head(read(model.fusion, torch.cat(parts, -1)).sum(0)))
    return torch.stack(found)


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
@pytest.mark.parametrize("feedback", [True, False])
def test_forward(lacking, feedback):
    model, inputs = system("mmlatch", feedback=feedback, steps=3), utterances(lacking=lacking)
    assert_same(model(**inputs).logits, reference(model, inputs), model)


def test_feedback_masks_in_training_and_when_used():
    inputs = utterances()
    model = system("mmlatch")
    whole = model(**inputs).logits
    torch.testing.assert_close(model.train()(**inputs).logits, whole)  # no dropout in this size
    for layer in model.masks.values():
        for parameter in layer.parameters():
            parameter.data.zero_()  # sigmoid(0): everything comes in by half
    halved = model(**inputs).logits
    plain = system("mmlatch", feedback=False)
    plain.load_state_dict({n: p for n, p in model.state_dict().items() if not n.startswith("masks.")})
    for scaler in plain.scalers.values():
        scaler.std *= 2
    torch.testing.assert_close(halved, plain(**inputs).logits)
    assert (halved - whole).abs().max() > 1e-4


def test_mask_dropout_is_for_training_alone():
    model, inputs = system("mmlatch", mask_dropout=0.5), utterances()
    torch.testing.assert_close(model(**inputs).logits, model(**inputs).logits)
    assert (model.train()(**inputs).logits - model.eval()(**inputs).logits).abs().max() > 1e-6


def test_alone_there_is_no_feedback_and_one_step_will_do():
    model, inputs = system("mmlatch", modalities=("audio",)), utterances((1,))
    assert not model.masks
    assert torch.isfinite(model(**inputs).logits).all()
