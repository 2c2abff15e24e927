"""AGHMN against its equations, utterance by utterance."""

import pytest
import torch

from tests.models.dialogues import dialogue_system, dialogues, utterances_of
from tests.models.equations import assert_same


def gru(layer, steps, suffix=""):
    """torch's GRU, gates r, z and candidate n, over vectors from an empty state."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    w, v, a, b = (getattr(layer, name + suffix) for name in names)
    h, states = torch.zeros(layer.hidden_size).double(), []
    for step in steps:
        (r, z, n), (r_h, z_h, n_h) = (w @ step + a).chunk(3), (v @ h + b).chunk(3)
        z = (z + z_h).sigmoid()
        h = (1 - z) * (n + (r + r_h).sigmoid() * n_h).tanh() + z * h
        states.append(h)
    return states


def attention_gru(cell, memory, weights):
    d = len(memory[0])
    W_r, W, U_r, U = cell.read.weight[:d], cell.read.weight[d:], cell.keep.weight[:d], cell.keep.weight[d:]
    b_r, b, c_r, c = cell.read.bias[:d], cell.read.bias[d:], cell.keep.bias[:d], cell.keep.bias[d:]
    h = torch.zeros(d).double()
    for m, g in zip(memory, weights, strict=True):
        r = (W_r @ m + b_r + U_r @ h + c_r).sigmoid()
        h = g * (W @ m + b + r * (U @ h + c)).tanh() + (1 - g) * h
    return h


def aghmn(model, utterances):
    u = [model.reader(x).tanh() for x in utterances]
    found = []
    for i, q in enumerate(u):
        said = u[max(0, i - model.config.window) : i]
        if said:
            memory = [m + h for m, h in zip(said, gru(model.fusion, said), strict=True)]
            if model.config.fusion == "both":
                behind = gru(model.fusion, said[::-1], "_reverse")[::-1]
                memory = [m + h for m, h in zip(memory, behind, strict=True)]
            for hop in range(model.config.hops):
                weights = torch.stack([q @ m for m in memory]).softmax(0)
                answer = attention_gru(model.ahead[hop], memory, weights)
                if model.config.attention == "both":
                    answer = answer + attention_gru(model.behind[hop], memory[::-1], weights.flip(0))
                q = q + answer
        found.append(model.classifier(q))
    return found


@pytest.mark.parametrize(
    ("fusion", "attention", "hops", "window", "lacking"),
    [("both", "forward", 1, 40, "audio"), ("forward", "both", 2, 2, ""), ("both", "both", 1, 3, "")],
)
def test_the_system_is_the_paper_written_out(fusion, attention, hops, window, lacking):
    model = dialogue_system("aghmn", fusion=fusion, attention=attention, hops=hops, window=window)
    inputs = dialogues(lacking)
    logits = model(**inputs).logits
    expected = torch.zeros_like(logits)
    for row in range(2):
        for i, found in enumerate(aghmn(model, utterances_of(inputs, row))):
            expected[row, i] = found
    assert_same(logits, expected, model)
