"""DialogueTRM against its equations, utterance by utterance."""

import pytest
import torch

from emofuse.nn.sinusoids import interleaved_sinusoids
from tests.models.dialogues import dialogue_system, dialogues
from tests.models.equations import DIMS, assert_same, transformer_layer


def contexts(model, inputs, row):
    """h of each modality, (N, dim): among the utterances that have it, or of each alone."""
    count, found = int(inputs["mask"][row].sum()), {}
    for m in DIMS:
        there = inputs["present"][m][row, :count]
        x = inputs[m][row, :count].clamp(-5, 5).masked_fill(~there[:, None], 0.0)
        x, seen = model.inputs[m](x), torch.eye(count, dtype=torch.bool)
        if m in model.config.sequential:
            x, seen = x + interleaved_sinusoids(count, x.shape[1], x), seen | there
        for layer in model.transformers[m].layers:
            x = transformer_layer(layer, x, seen)
        found[m] = x.masked_fill(~there[:, None], 0.0)
    return found


def reference(model, inputs, row):
    h, found = contexts(model, inputs, row), []
    for i in range(int(inputs["mask"][row].sum())):
        names = [m for m in DIMS if inputs["present"][m][row, i]]
        tokens = []
        for m in names:
            token = h[m][i]
            for n in names:
                if n != m:
                    gate = model.fusion.gates[f"{n}_to_{m}"](torch.cat([h[m][i], h[n][i]]))
                    token = token + torch.sigmoid(gate) * h[n][i]
            tokens.append(token)
        tokens = torch.stack(tokens)
        for layer in model.fusion.layers:
            tokens = transformer_layer(layer, tokens)
        slots = [tokens[names.index(m)] if m in names else torch.zeros(16).double() for m in DIMS]
        found.append(model.classifier(torch.cat(slots)))
    return found


@pytest.mark.parametrize("lacking", ["", "audio", "text"])
@pytest.mark.parametrize("options", [{}, {"sequential": ("text", "video"), "layers": 2, "fusion_layers": 2}])
def test_forward(lacking, options):
    model, inputs = dialogue_system("dialogue-trm", **options), dialogues(lacking)
    expected = reference(model, inputs, 0) + reference(model, inputs, 1)
    found = model(**inputs).logits
    assert_same(found[inputs["mask"]], torch.stack(expected), model)
    with torch.inference_mode():
        torch.testing.assert_close(model(**inputs).logits, found)


def test_only_sequential_modalities_have_context():
    model, inputs = dialogue_system("dialogue-trm", sequential=("text",)), dialogues()
    before = model(**inputs).logits
    for m, others_move in (("text", True), ("audio", False), ("video", False)):
        changed = {**inputs, m: inputs[m].clone()}
        changed[m][0, 2] += 1.0
        moved = (model(**changed).logits - before).abs().amax(dim=-1)[0]
        assert moved[2] > 1e-5
        assert bool((moved[[0, 1, 3, 4]] > 1e-9).all()) == others_move
        assert others_move or moved[[0, 1, 3, 4]].max() < 1e-12


def test_an_utterance_without_anything_and_a_dialogue_of_one():
    model, inputs = dialogue_system("dialogue-trm"), dialogues()
    for there in inputs["present"].values():
        there[0, 1] = False
    assert torch.isfinite(model(**inputs).logits).all()
    assert torch.isfinite(model(text=inputs["text"][:1, :1]).logits).all()
