"""HyCon's network, row by row, and which values are of one class."""

import pytest
import torch

from tests.models.equations import DIMS, assert_same, steps_of, system, utterances

VALUES = torch.tensor([1.2, -2.0, 0.8], dtype=torch.float64)


def reference(model, inputs):
    found, features = [], []
    for row in range(3):
        x, f = steps_of(inputs, row, model), {}
        for m in DIMS:
            f[m] = torch.zeros(8).double()
            if m in x and m == "text":
                pooled = x[m][0] if model.config.text_pooling == "first" else x[m].mean(0)
                f[m] = model.encoders[m](pooled)
            elif m in x:
                f[m] = model.encoders[m].linear_1(model.encoders[m].rnn(x[m][None])[0][0, -1])
        found.append(model.head(torch.relu(model.fusion(torch.cat(list(f.values()))))))
        features.append(f)
    return torch.stack(found), {m: torch.stack([f[m] for f in features]) for m in DIMS}


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_forward_and_loss(lacking, pooling):
    model, inputs = system("hycon", text_pooling=pooling, intra_weight=0.3), utterances(lacking=lacking)
    y, features = reference(model, inputs)
    assert_same(model(**inputs).logits, y, model)
    parts = model.contrast(features, torch.tensor([3, 0, 3]), inputs["present"])
    expected = (
        (y[:, 0] - VALUES).abs().mean() + 0.3 * parts["intra"] + 0.1 * parts["inter"] + 0.1 * parts["semi"]
    )
    found = model.training_loss(model(**inputs), VALUES)
    assert found["inter"] > 0
    assert_same(found["loss"], expected, model)


def test_values_that_round_to_the_same_are_of_one_class():
    values = torch.tensor([-2.6, torch.nan, -3.0, 0.4, -0.2, 2.9])
    assert system("hycon")._classes(values).tolist() == [0, -1, 0, 3, 3, 6]
    assert system("hycon", class_width=3.0)._classes(values).tolist() == [0, -1, 0, 1, 1, 2]
    assert system("hycon")._classes(torch.tensor([torch.nan])).tolist() == [-1]
    assert system("hycon", "classification")._classes(torch.tensor([2, -1])).tolist() == [2, -1]
