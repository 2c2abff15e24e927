"""HFusion against its equations, utterance by utterance and feature by feature."""

from itertools import combinations

import pytest
import torch

from tests.models.dialogues import dialogue_system, dialogues
from tests.models.equations import DIMS, assert_same


def context(model, group, steps):
    if not model.config.contextual:
        return steps
    gru = model.contexts[group]
    ahead = gru.ahead(torch.stack(steps)[None])[0][0]
    if gru.back is not None:
        ahead = ahead + gru.back(torch.stack(steps[::-1])[None])[0][0].flip(0)
    return list(ahead)


def fuse(fusion, vectors):
    return torch.stack(
        [
            torch.tanh(sum(fusion.weight[k, i] * v[i] for k, v in enumerate(vectors)) + fusion.bias[i])
            for i in range(len(vectors[0]))
        ]
    )


def reference(model, inputs, row):
    count, g = int(inputs["mask"][row].sum()), {}
    for m in DIMS:
        there = inputs["present"][m][row]
        f = context(model, m, [inputs[m][row, i].clamp(-5, 5) * there[i] for i in range(count)])
        g[m] = [torch.tanh(model.dense[m](x)) * there[i] for i, x in enumerate(f)]
    pairs = []
    for m, n in combinations(DIMS, 2):
        pair = f"{m}_{n}"
        fused = context(
            model, pair, [fuse(model.fusions[pair], [a, b]) for a, b in zip(g[m], g[n], strict=True)]
        )
        pairs.append([torch.tanh(model.dense[pair](x)) for x in fused])
    whole = context(model, "all", [fuse(model.trimodal, three) for three in zip(*pairs, strict=True)])
    return [model.classifier(x) for x in whole]


@pytest.mark.parametrize("lacking", ["", "audio"])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"contextual": False}])
def test_forward(lacking, options):
    model, inputs = dialogue_system("hfusion", **options), dialogues(lacking)
    expected = reference(model, inputs, 0) + reference(model, inputs, 1)
    assert_same(model(**inputs).logits[inputs["mask"]], torch.stack(expected), model)


def test_context_comes_from_before_alone():
    for contextual in (True, False):
        model, inputs = dialogue_system("hfusion", contextual=contextual), dialogues()
        before = model(**inputs).logits
        inputs["text"] = inputs["text"].clone()
        inputs["text"][0, 2] += 1.0
        moved = (model(**inputs).logits - before)[0].abs().amax(-1)
        assert moved[:2].max() == 0
        assert moved[2] > 1e-4
        assert bool(moved[3] > 1e-6) == contextual


@pytest.mark.parametrize("modalities", [("text", "video"), ("audio",)])
def test_fewer_modalities_have_fewer_levels(modalities):
    model, inputs = dialogue_system("hfusion", modalities=modalities), dialogues()
    assert model.trimodal is None
    assert len(model.fusions) == len(modalities) - 1
    assert torch.isfinite(model(**{m: inputs[m][:1, :1] for m in modalities}).logits).all()
