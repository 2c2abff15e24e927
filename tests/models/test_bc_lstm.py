"""bc-LSTM against its equations, written out one utterance at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from emofuse.errors import EmofuseError
from emofuse.models import create_model
from tests.models.dialogues import MASK, dialogue_system, dialogues, utterances_of
from tests.models.equations import DIMS, assert_same


def lstm(cell: nn.LSTM, utterances: list[Tensor], suffix: str = "") -> list[Tensor]:
    """The states of one direction: gates i, f, o, candidate g; c = f c + i g; h = o tanh c."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    w, v, a, b = (getattr(cell, name + suffix) for name in names)
    h = c = utterances[0].new_zeros(cell.hidden_size)
    states = []
    for u in utterances:
        i, f, g, o = (w @ u + a + v @ h + b).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        states.append(h)
    return states


def test_the_system_is_the_paper_written_out() -> None:
    model, inputs = dialogue_system("bc-lstm"), dialogues(lacking="audio")
    logits = model(**inputs).logits
    expected = torch.zeros_like(logits)
    for row in range(2):
        utterances = utterances_of(inputs, row)
        before = lstm(model.lstm, utterances)
        behind = lstm(model.lstm, utterances[::-1], "_reverse")[::-1]
        for i, (ahead, back) in enumerate(zip(before, behind, strict=True)):
            expected[row, i] = model.classifier(model.dense(torch.cat([ahead, back])).relu())
    assert_same(logits, expected, model)
    assert not logits[~MASK].any()


def test_it_learns_the_values_of_dialogues_by_heart() -> None:
    inputs = dialogues(lacking="video")
    model = create_model(
        "bc-lstm", preset="tiny", task="regression", dropout=0.0, **{f"{m}_dim": d for m, d in DIMS.items()}
    )
    model, values = model.double(), torch.linspace(-3, 3, 10, dtype=torch.float64).view(2, 5)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        optimiser.zero_grad()
        model.training_loss(model(**inputs), values)["loss"].backward()  # type: ignore[operator]
        optimiser.step()
    torch.testing.assert_close(model(**inputs).value[MASK], values[MASK], rtol=0, atol=0.4)


def test_a_system_without_regression_says_so() -> None:
    with pytest.raises(EmofuseError, match="SDT does no regression; it does classification"):
        create_model("sdt", preset="tiny", num_classes=None, task="regression")
