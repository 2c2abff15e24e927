"""CMN and ICON against their equations, utterance by utterance."""

import pytest
import torch

from tests.models.dialogues import SPEAKERS, dialogue_system, dialogues, utterances_of
from tests.models.equations import assert_same


def run(gru, steps):
    """States of a GRU over vectors, from an empty state."""
    h, states = torch.zeros(gru.cell.hidden_size).double(), []
    for step in steps:
        h = gru.cell(step[None], h[None])[0]
        states.append(h)
    return states


def read(q, keys, values):
    if not keys:
        return torch.zeros_like(q)
    weights = torch.stack([q @ k for k in keys]).softmax(0)
    return sum(w * v for w, v in zip(weights, values, strict=True))


def cmn(model, u, speakers):
    found = []
    for i, now in enumerate(u):
        first = max(0, i - model.config.window)
        own = [u[j] for j in range(first, i) if speakers[j] == speakers[i]]
        other = [u[j] for j in range(first, i) if speakers[j] != speakers[i]]
        q = torch.tanh(model.query(now))
        for hop in range(model.config.hops):
            o = [
                read(q, run(grus[hop], said), run(grus[hop + 1], said))
                for grus, said in ((model.own, own), (model.other, other))
            ]
            q = torch.tanh(q + o[0] + o[1])
        found.append(model.classifier(q))
    return found


def icon(model, u, speakers):
    found = []
    for i, now in enumerate(u):
        past = range(max(0, i - model.config.window), i)
        own, other = ([j for j in past if (speakers[j] == speakers[i]) is side] for side in (True, False))
        states = dict(zip(own, run(model.own, [u[j] for j in own]), strict=True))
        states |= dict(zip(other, run(model.other, [u[j] for j in other]), strict=True))
        memory = run(model.influence, [torch.tanh(states[j]) for j in past])
        q = torch.tanh(model.query(now))
        for hop in range(model.config.hops):
            memory = run(model.memory, memory) if hop else memory
            q = torch.tanh(q + read(q, memory, memory))
        found.append(model.classifier(q))
    return found


@pytest.mark.parametrize("lacking", ["", "audio"])
@pytest.mark.parametrize("window", [2, 40])
@pytest.mark.parametrize(("name", "slow"), [("cmn", cmn), ("icon", icon)])
def test_forward(name, slow, window, lacking):
    model, inputs = dialogue_system(name, window=window), dialogues(lacking)
    found = model(**inputs, speakers=SPEAKERS)
    expected = []
    for row in range(2):
        expected += slow(model, utterances_of(inputs, row), SPEAKERS[row].tolist())
    assert_same(found.logits[inputs["mask"]], torch.stack(expected), model)
    assert (found.logits[~inputs["mask"]] == 0).all()


@pytest.mark.parametrize("name", ["cmn", "icon"])
def test_nobody_knows_what_comes_later(name):
    model, inputs = dialogue_system(name), dialogues()
    before = model(**inputs, speakers=SPEAKERS).logits
    inputs["text"] = inputs["text"].clone()
    inputs["text"][0, 3] += 1.0
    after = model(**inputs, speakers=SPEAKERS).logits
    torch.testing.assert_close(after[0, :3], before[0, :3])
    assert (after[0, 3:] - before[0, 3:]).abs().min() > 0


@pytest.mark.parametrize("name", ["cmn", "icon"])
def test_it_matters_who_spoke(name):
    model, inputs = dialogue_system(name), dialogues()
    several, one = model(**inputs, speakers=SPEAKERS).logits, model(**inputs).logits
    torch.testing.assert_close(several[:, 0], one[:, 0])
    assert (several[0, 1:] - one[0, 1:]).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["cmn", "icon"])
def test_one_utterance(name):
    model, inputs = dialogue_system(name, hops=1), dialogues()
    single = {m: inputs[m][:1, :1] for m in ("text", "audio", "video")}
    assert torch.isfinite(model(**single).logits).all()
