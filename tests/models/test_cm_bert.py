"""CM-BERT against its equations, row by row and word by word."""

import pytest
import torch

from emofuse.nn.aligned_steps import align_steps
from tests.models.equations import assert_same, steps_of, system, utterances


def reference(model, inputs):
    found, attention = [], model.attention
    for row in range(3):
        x = steps_of({m: v for m, v in inputs.items() if m != "video"}, row, model)
        if "text" not in x:
            found.append(model.head.bias)
            continue
        words = x["text"]
        t = attention.projections["text"](words)
        t = t / t.square().sum().sqrt().sqrt()
        a = torch.zeros(len(words), model.config.dim).double()
        if "audio" in x:
            whole = torch.ones(1, len(x["audio"]), dtype=torch.bool)
            a = attention.projections["audio"](
                align_steps(x["audio"][None], whole, torch.tensor([len(words)]), len(words))[0]
            )
        out = []
        for i in range(len(words)):
            scores = torch.stack(
                [
                    attention.weights["text"][0] * torch.relu(t[i] @ t[j])
                    + attention.weights["audio"][0] * torch.relu(a[i] @ a[j])
                    + attention.bias[0]
                    for j in range(len(words))
                ]
            )
            weights = scores.exp() / scores.exp().sum()
            attended = sum(w * word for w, word in zip(weights, words, strict=True)) + words[i]
            out.append(model.norm(model.dense(attended)))
        told = out[0] if model.config.pooling == "first" else sum(out) / len(out)
        found.append(model.head(told))
    return torch.stack(found)


def given(lengths=(4, 2, 1), lacking=""):
    inputs = utterances(lengths, lacking=lacking)
    del inputs["video"]
    return inputs


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_forward(lacking, pooling):
    model, inputs = system("cm-bert", pooling=pooling), given(lacking=lacking)
    for weight, value in zip(model.attention.weights.values(), (0.7, 1.3), strict=True):
        weight.data.fill_(value)
    assert_same(model(**inputs).logits, reference(model, inputs), model)


def test_what_is_absent_has_finite_gradients():
    model, inputs = system("cm-bert").train(), given(lacking="text")
    model.training_loss(model(**inputs), torch.ones(3).double())["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_sound_changes_which_words_count():
    model, inputs = system("cm-bert"), given()
    louder = {**inputs, "audio": 3 * inputs["audio"]}
    moved = (model(**inputs).logits - model(**louder).logits).abs()
    assert (moved[:2] > 1e-6).all()
    assert moved[2] < 1e-9  # of one word the weight is 1


def test_sound_goes_to_the_words_it_falls_on():
    model, inputs = system("cm-bert"), given((4,))
    twice = {**inputs, "audio": inputs["audio"].repeat_interleave(2, dim=1)}
    twice["masks"] = {**inputs["masks"], "audio": torch.ones(1, 8, dtype=torch.bool)}
    torch.testing.assert_close(model(**twice).logits, model(**inputs).logits)
