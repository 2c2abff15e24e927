"""bc-LSTM against its equations, written out one utterance at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.models.dialogues import MASK, dialogue_system, dialogues, utterances_of
from tests.models.equations import assert_same


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
