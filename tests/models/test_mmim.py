"""MMIM against its equations, row by row, and what each half of it learns."""

import pytest
import torch

from tests.models.equations import DIMS, assert_same, steps_of, system, utterances

VALUES = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def reference(model, inputs):
    c, ys, zs, hs = model.config, [], [], []
    for row in range(3):
        x, h = steps_of(inputs, row, model), {}
        for m, d in (("text", 6), ("audio", 8), ("video", 8)):
            if m not in x:
                h[m] = torch.zeros(d).double()
            elif m == "text":
                h[m] = x[m][0] if c.text_pooling == "first" else x[m].mean(0)
            else:
                h[m] = model.encoders[m].linear_1(model.encoders[m].rnn(x[m][None])[0][0, -1])
        z = torch.tanh(model.linear_2(torch.tanh(model.linear_1(torch.cat(list(h.values()))))))
        ys.append(model.head(z))
        zs.append(z)
        hs.append(h)
    return torch.stack(ys), torch.stack(zs), {m: torch.stack([h[m] for h in hs]) for m in DIMS}


@pytest.mark.parametrize("lacking", ["", "text", "video"])
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_forward(lacking, pooling):
    model, inputs = system("mmim", text_pooling=pooling), utterances(lacking=lacking)
    assert_same(model(**inputs).logits, reference(model, inputs)[0], model)


@pytest.mark.parametrize("lacking", ["", "audio"])
@pytest.mark.parametrize("video_audio", [False, True])
def test_loss(lacking, video_audio):
    model, inputs = system("mmim", video_audio=video_audio), utterances(lacking=lacking)
    found = model.training_loss(model(**inputs), VALUES)
    y, z, h = reference(model, inputs)
    there = {m: [0, 2] if m == lacking else [0, 1, 2] for m in DIMS}
    cpc = sum(model.predictions[m](h[m][there[m]], z[there[m]]) for m in DIMS)
    pairs = [("text", "video"), ("text", "audio")] + [("video", "audio")] * video_audio
    both = {(a, b): sorted({*there[a]} & {*there[b]}) for a, b in pairs}
    fit = -sum(
        model.conditionals[f"{a}_{b}"](h[a][i].detach(), h[b][i].detach()) for (a, b), i in both.items()
    )
    bound = sum(model.conditionals[f"{a}_{b}"].frozen(h[a][i], h[b][i]) for (a, b), i in both.items())
    task = (y.squeeze(-1) - VALUES).abs().mean()
    assert found["entropy"] == 0  # one row below 0 in two dimensions
    assert_same(found["loss"], task + 0.1 * cpc - 0.1 * bound + fit, model)


def test_the_memory_fills_in_training_alone():
    model, inputs = system("mmim"), utterances((2, 2, 1, 3, 1, 2, 2, 2))
    values = torch.tensor([1.0, -1.0] * 4).double()
    model.training_loss(model(**inputs), values)
    assert model.entropies["text_video"].counts.tolist() == [0, 0]
    first = model.train().training_loss(model(**inputs), values)
    assert model.entropies["text_video"].counts.tolist() == [4, 4]
    second = model.training_loss(model(**utterances((2, 2, 1, 3, 1, 2, 2, 2), seed=1)), values)
    assert first["entropy"] != 0
    assert second["entropy"] != first["entropy"]
    grown = torch.autograd.grad(second["entropy"], model.encoders["video"].linear_1.weight)[0]
    assert (grown != 0).any()


def test_a_value_of_0_is_in_no_class_and_classes_are_their_own():
    model = system("mmim")
    assert model._classes(torch.tensor([0.0, -1.0, 2.0, torch.nan])).tolist() == [-1, 0, 1, -1]
    model = system("mmim", "classification")
    assert model._classes(torch.tensor([2, -1])).tolist() == [2, -1]
    assert model.entropies["text_audio"].rows.shape[0] == 3


def test_one_row_of_one_step():
    model, inputs = system("mmim").train(), utterances((1,))
    losses = model.training_loss(model(**inputs), torch.tensor([1.0]).double())
    losses["loss"].backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
