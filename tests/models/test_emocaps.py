"""EmoCaps against its equations, utterance by utterance."""

import pytest
import torch

from tests.models.dialogues import dialogue_system, dialogues
from tests.models.equations import DIMS, assert_same, transformer_layer


def reference(model, inputs, row):
    count, emotions = int(inputs["mask"][row].sum()), []
    for m in DIMS:
        there = inputs["present"][m][row, :count]
        x = inputs[m][row, :count].clamp(-5, 5).masked_fill(~there[:, None], 0.0)
        if m == "text":
            emotions.append(x)
        former, seen = model.emoformers[m], torch.eye(count, dtype=torch.bool) | there
        e = transformer_layer(former.layer, former.input(x), seen)
        for linear in former.mapping:
            e = torch.relu(linear(e))
        emotions.append(e.masked_fill(~there[:, None], 0.0))
    capsules = torch.cat(emotions, dim=-1)
    ahead = model.context.ahead(capsules[None])[0][0]
    back = model.context.back(capsules.flip(0)[None])[0][0].flip(0)
    return list(model.classifier(torch.cat([ahead, back], dim=-1)))


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
def test_forward(lacking):
    model, inputs = dialogue_system("emocaps", mapping=(16, 12, 8)), dialogues(lacking)
    expected = reference(model, inputs, 0) + reference(model, inputs, 1)
    found = model(**inputs).logits
    assert_same(found[inputs["mask"]], torch.stack(expected), model)
    with torch.inference_mode():
        torch.testing.assert_close(model(**inputs).logits, found)


@pytest.mark.parametrize("modalities", [("text",), ("audio", "video")])
def test_one_utterance_of_fewer_modalities(modalities):
    model, inputs = dialogue_system("emocaps", modalities=modalities), dialogues()
    assert torch.isfinite(model(**{m: inputs[m][:1, :1] for m in modalities}).logits).all()
