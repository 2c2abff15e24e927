"""Self-MM against its equations, and what it remembers."""

import pytest
import torch

from emofuse.data.quarantine import Quarantine
from emofuse.errors import EmofuseError
from emofuse.models import create_model
from emofuse.runs.regression import Regression
from emofuse.runs.settings import OptimiserSettings
from emofuse.training.module import EmotionModule
from tests.models.equations import DIMS, assert_same, steps_of, system, utterances

VALUES = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
ROWS = torch.arange(3)


def reference(model, inputs):
    c, fused, own = model.config, [], []
    for row in range(3):
        x, f = steps_of(inputs, row, model), {}
        for m, d in (("text", 6), ("audio", 8), ("video", 8)):
            if m not in x:
                f[m] = torch.zeros(d).double()
            elif m == "text":
                f[m] = x[m][0] if c.text_pooling == "first" else x[m].mean(0)
            else:
                f[m] = model.encoders[m].linear_1(model.encoders[m].rnn(x[m][None])[0][0, -1])
        fused.append(model.head(torch.relu(model.fusion(torch.cat(list(f.values()))))))
        own.append({m: model.unimodal_heads[m](torch.relu(model.unimodal[m](f[m])))[0] for m in x})
    return torch.stack(fused), own


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_forward(lacking, pooling):
    model, inputs = system("self-mm", text_pooling=pooling), utterances(lacking=lacking)
    assert_same(model(**inputs).logits, reference(model, inputs)[0], model)


def test_loss_by_the_labels_there_are():
    model, inputs = system("self-mm").train(), utterances(lacking="audio")
    for _ in range(2):
        model.training_loss(model(**inputs, row_numbers=ROWS), VALUES)
    made = {m: label.clone() for m, label in model.labels(ROWS, VALUES).items()}
    assert any((label - VALUES).abs().max() > 0.1 for label in made.values())
    found = model.training_loss(model(**inputs, row_numbers=ROWS), VALUES)
    y, own = reference(model, inputs)
    total = (y[:, 0] - VALUES).abs().sum()
    for row in range(3):
        for m, value in own[row].items():
            target = made[m][row]
            total = total + torch.tanh((target - VALUES[row]).abs()) * (value - target).abs()
    assert_same(found["loss"], total / 3, model)
    after = model.labels(ROWS, VALUES)
    assert any((after[m] - made[m]).abs().max() > 1e-6 for m in DIMS)  # they have moved on


def test_nothing_is_remembered_without_numbers_targets_or_training():
    model, inputs = system("self-mm"), utterances()
    model.training_loss(model(**inputs, row_numbers=ROWS), VALUES)
    assert not model.labels.memory.times.any()
    model.train()
    loss = model.training_loss(model(**inputs), VALUES)
    assert loss["unimodal"] == 0
    assert not model.labels.memory.times.any()
    some = torch.tensor([1.0, torch.nan, 0.5]).double()
    model.training_loss(model(**inputs, row_numbers=ROWS), some)
    assert model.labels.memory.times.tolist() == [1, 0, 1]


def test_checkpoints_hold_the_memory_and_weights_do_not():
    def module(model):
        return EmotionModule(model, Regression(), OptimiserSettings(), None, Quarantine.__new__(Quarantine))

    model, inputs = system("self-mm").train(), utterances()
    for _ in range(2):
        model.training_loss(model(**inputs, row_numbers=ROWS), VALUES)
    checkpoint = {"state_dict": model.state_dict()}
    module(model).on_save_checkpoint(checkpoint)
    assert not [name for name in model.state_dict() if "memory" in name]
    other = system("self-mm").train()
    other.load_state_dict(checkpoint["state_dict"])
    module(other).on_load_checkpoint(checkpoint)
    expected = model.training_loss(model(**inputs, row_numbers=ROWS), VALUES)
    found = other.training_loss(other(**inputs, row_numbers=ROWS), VALUES)
    assert expected["unimodal"] > 0
    torch.testing.assert_close(found["loss"], expected["loss"])
    plain = {}
    module(system("mmim")).on_save_checkpoint(plain)
    assert plain == {}


def test_classes_are_refused_in_one_line():
    with pytest.raises(EmofuseError, match="learns values and no classes"):
        create_model("self-mm", task="classification", num_classes=3)
