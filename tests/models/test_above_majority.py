"""Each system that the registry knows beats the majority class on dialogues of the demo corpus that it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emofuse.models import create_model, list_models
from emofuse.models.system_info import ModelInfo
from tests.models.demo_features import DIM, FILE

SYSTEMS = [
    info
    for info in list_models()
    if not info.reads_frames and "tiny" in info.presets and "classification" in info.tasks
]
STEPS = 40  # at most
LEARNT = 0.95  # of the training rows, dropout included: what is learnt after that is mostly by heart


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    """Rows of the demo corpus; ``place`` and ``turn`` say where in which dialogue each stands."""
    with np.load(FILE) as content:
        arrays: dict[str, Any] = {name: content[name] for name in content.files}
    labels, arrays["y"] = np.unique(arrays["label"], return_inverse=True)
    place = arrays["place"] = np.unique(arrays["dialogue"], return_inverse=True)[1]
    arrays["turn"] = np.array([(place[:row] == place[row]).sum() for row in range(len(place))])
    arrays["classes"], arrays["longest"] = len(labels), arrays["turn"].max() + 1
    return arrays


def batch_of(info: ModelInfo, demo: dict[str, Any], train: bool) -> tuple[dict[str, Any], Tensor]:
    """All rows of a part as the system takes them, and their labels, −1 at padding."""
    rows = np.flatnonzero(demo["train"] == train)
    y = torch.from_numpy(demo["y"][rows])
    steps = {m: torch.from_numpy(demo[m][rows]).float() for m in info.inputs}
    lengths = {m: torch.from_numpy(demo[f"{m}_lengths"][rows]) for m in info.inputs}
    masks = {m: torch.arange(x.shape[1]) < lengths[m][:, None] for m, x in steps.items()}
    there = {m: torch.ones(len(rows), dtype=torch.bool) for m in info.inputs}
    if set(info.inputs.values()) == {"steps"}:
        return {**steps, "masks": masks, "present": there} | numbers(info, len(rows)), y
    vectors = {m: x.sum(1) / masks[m].sum(1, keepdim=True).clamp_min(1) for m, x in steps.items()}
    if info.scope == "utterance":
        return {**vectors, "present": there} | numbers(info, len(rows)), y
    _, place = np.unique(demo["place"][rows], return_inverse=True)
    where = torch.from_numpy(place), torch.from_numpy(demo["turn"][rows])
    mask = torch.zeros(int(where[0].max()) + 1, int(demo["longest"]), dtype=torch.bool)
    mask[where] = True
    inputs: dict[str, Any] = {"mask": mask, "present": dict.fromkeys(info.inputs, mask)}
    for m, x in vectors.items():
        inputs[m] = x.new_zeros(*mask.shape, DIM)
        inputs[m][where] = x
    if info.speakers:
        first = demo["speaker"][rows]
        said_by_first = [s == first[np.argmax(place == p)] for s, p in zip(first, place, strict=True)]
        inputs["speakers"] = torch.zeros(mask.shape, dtype=torch.int64)
        inputs["speakers"][where] = 1 - torch.tensor(said_by_first).long()
    labels = torch.full(mask.shape, -1)
    labels[where] = y
    return inputs, labels


def numbers(info: ModelInfo, count: int) -> dict[str, Tensor]:
    return {"row_numbers": torch.arange(count)} if info.row_numbers else {}


def trained(info: ModelInfo, inputs: dict[str, Any], labels: Tensor, classes: int) -> nn.Module:
    torch.manual_seed(0)
    task = {"task": "classification"} if "regression" in info.tasks else {}
    dims = {f"{m}_dim": DIM for m in info.inputs}
    model = create_model(info.name, preset="tiny", num_classes=classes, **dims, **task)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.01)
    known = labels >= 0
    for _ in range(STEPS):
        optimiser.zero_grad()
        output = model.train()(**inputs)
        if (output.logits.argmax(-1) == labels)[known].double().mean() > LEARNT:
            break
        model.training_loss(output, labels)["loss"].backward()  # type: ignore[operator]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return model.eval()


@pytest.mark.parametrize("info", SYSTEMS, ids=lambda info: info.name)
def test_it_beats_the_majority_class_on_dialogues_that_it_has_not_seen(
    info: ModelInfo, demo: dict[str, Any]
) -> None:
    inputs, labels = batch_of(info, demo, train=True)
    model = trained(info, inputs, labels, demo["classes"])
    inputs, labels = batch_of(info, demo, train=False)
    with torch.inference_mode():
        predicted = model(**inputs).logits.argmax(-1)
    known = labels >= 0
    accuracy = (predicted == labels)[known].double().mean().item()
    majority = torch.bincount(labels[known]).max().item() / int(known.sum())
    # Well above the most frequent class of the judged rows themselves, which a guesser does not know.
    assert accuracy > 1.25 * majority, f"{accuracy:.3f} beside {majority:.3f}"
