"""What the systems on graphs share beyond `test_every_system`: their smallest dialogues, speakers, half precision."""

from __future__ import annotations

import pytest
import torch

from emofuse.models import model_info
from tests.models.test_every_system import batch, build, targets

NAMES = (
    *("dialogue-gcn", "rgat", "mmgcn", "mm-dfn", "m3net"),
    *("graph-cfc", "gs-mcc", "cfn-esa", "graph-smile"),
)
each = pytest.mark.parametrize("name", NAMES)


@each
def test_one_utterance_by_one_speaker(name: str):
    info = model_info(name)
    model, inputs = build(info).double().train(), batch(info, lengths=(1,))
    inputs |= {m: inputs[m].double() for m in info.inputs}
    inputs.pop("speakers", None)
    loss = model.training_loss(model(**inputs), torch.tensor([[2]]))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.parameters())


@each
def test_dialogues_of_which_one_has_nothing_but_words(name: str):
    info = model_info(name)
    model, inputs = build(info).double().eval(), batch(info, lengths=(3, 1))
    inputs |= {m: inputs[m].double() for m in info.inputs}
    for m in ("audio", "video"):
        inputs["present"][m] = inputs["present"][m].clone()
        inputs["present"][m][1] = False
    whole = model(**inputs).logits
    alone = {m: inputs[m][1:, :1] for m in info.inputs} | {"mask": inputs["mask"][1:, :1]}
    alone |= {"present": {m: p[1:, :1] for m, p in inputs["present"].items()}}
    alone |= {"speakers": inputs["speakers"][1:, :1]} if info.speakers else {}
    torch.testing.assert_close(model(**alone).logits, whole[1:, :1])


@pytest.mark.parametrize("name", [name for name in NAMES if model_info(name).speakers])
def test_speakers_count_where_there_are_utterances(name: str):
    info = model_info(name)
    model, inputs = build(info).double().eval(), batch(info)
    inputs |= {m: inputs[m].double() for m in info.inputs}
    mask, speakers = inputs["mask"], inputs["speakers"]
    found = model(**inputs).logits
    padded = model(**{**inputs, "speakers": speakers.masked_fill(~mask, -1)}).logits
    torch.testing.assert_close(padded, found)
    one_for_all = model(**{**inputs, "speakers": torch.zeros_like(speakers)}).logits
    torch.testing.assert_close(model(**{**inputs, "speakers": None}).logits, one_for_all)
    assert not torch.allclose(one_for_all[mask], found[mask])


@each
def test_half_precision_is_finite(name: str):
    info = model_info(name)
    model, inputs = build(info).train(), batch(info)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.training_loss(model(**inputs), targets(info, inputs))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
