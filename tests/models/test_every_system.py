"""What every system must show, whatever it is: found by the registry, so a new one is tested without a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emofuse.errors import EmofuseError
from emofuse.models import create_model, list_models, model_info
from emofuse.models.system_info import ModelInfo

SYSTEMS = [info for info in list_models() if not info.reads_frames and "tiny" in info.presets]
DIMS = {"text": 6, "audio": 5, "video": 4}
CLASSES = 3
# These have tests of their own in which they learn.
LEARNERS = [info for info in SYSTEMS if info.name not in ("cm-msf", "mfcre")]
# A system of values alone is asked for those.
TELLERS = [info for info in SYSTEMS if "classification" in info.tasks]
by_name = pytest.mark.parametrize("info", SYSTEMS, ids=lambda info: info.name)


def build(info: ModelInfo, task: str | None = None, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    task = task or info.tasks[0]
    found: dict[str, Any] = {f"{m}_dim": d for m, d in DIMS.items() if m in info.inputs}
    found |= {"task": task} if "regression" in info.tasks else {}
    found |= {"num_classes": CLASSES} if task == "classification" else {}
    return create_model(info.name, preset="tiny", **found, **options)


def batch(info: ModelInfo, lengths: tuple[int, ...] = (4, 2, 3), seed: int = 0) -> dict[str, Any]:
    """Utterances as vectors or sequences, or dialogues, padded; with what else the system takes."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    inputs: dict[str, Any] = {
        m: torch.randn(len(lengths), longest, DIMS[m], generator=generator) for m in info.inputs
    }
    if info.scope == "dialogue":
        present = {m: mask.clone() for m in info.inputs}
        inputs |= {"mask": mask, "present": present}
        if info.speakers:
            speakers = torch.randint(0, 2, mask.shape, generator=generator)
            inputs["speakers"] = speakers.masked_fill(~mask, 0)
    elif reads_vectors(info):
        inputs |= {m: inputs[m][:, 0] for m in info.inputs}
    else:
        inputs |= {"masks": dict.fromkeys(info.inputs, mask)}
    if info.scope == "utterance":
        inputs |= {"present": {m: torch.ones(len(lengths), dtype=torch.bool) for m in info.inputs}}
        if info.row_numbers:
            inputs["row_numbers"] = torch.arange(len(lengths))
    return inputs


def reads_vectors(info: ModelInfo) -> bool:
    return info.scope == "utterance" and set(info.inputs.values()) == {"vector"}


def targets(info: ModelInfo, inputs: Mapping[str, Any]) -> Tensor:
    if info.scope == "dialogue":
        mask = inputs["mask"]
        labels = torch.arange(mask.numel()).view(mask.shape) % CLASSES
        return labels.masked_fill(~mask, -1)
    return torch.arange(len(next(iter(inputs["present"].values())))) % CLASSES


def real(info: ModelInfo, inputs: Mapping[str, Any], logits: Tensor) -> Tensor:
    return logits[inputs["mask"]] if info.scope == "dialogue" else logits


def _second_row(x: Tensor) -> Tensor:
    return x[1:2, :2] if x.dim() > 1 else x[1:2]


def _second_vector(x: Tensor) -> Tensor:
    return x[1:2]


@by_name
def test_padding_and_other_rows_say_nothing(info: ModelInfo) -> None:
    model = build(info).double().eval()
    inputs = batch(info)
    inputs |= {m: inputs[m].double() for m in info.inputs}
    expected = model(**inputs).logits
    changed = dict(inputs)
    for m in () if reads_vectors(info) else info.inputs:
        mask = inputs["mask"] if info.scope == "dialogue" else inputs["masks"][m]
        changed[m] = inputs[m].masked_fill(~mask.unsqueeze(-1), torch.nan)
    found = model(**changed).logits
    torch.testing.assert_close(real(info, inputs, found), real(info, inputs, expected), rtol=1e-9, atol=1e-9)
    # The second row alone, without its padding, says what it said in the batch.
    alone: dict[str, Any] = {}
    for name, value in inputs.items():
        row = _second_vector if reads_vectors(info) else _second_row
        held = {m: row(v) for m, v in value.items()} if isinstance(value, dict) else None
        alone[name] = held or row(value)
    single = model(**alone).logits
    rows = expected[1:2, :2] if info.scope == "dialogue" else expected[1:2]
    torch.testing.assert_close(single, rows, rtol=1e-7, atol=1e-7)


@by_name
def test_what_stands_in_place_of_an_absent_modality_is_never_read(info: ModelInfo) -> None:
    if len(info.inputs) == 1:
        pytest.skip("it has one modality")
    model = build(info).double().eval()
    inputs = batch(info)
    inputs |= {m: inputs[m].double() for m in info.inputs}
    m = next(iter(info.inputs))
    inputs["present"][m] = inputs["present"][m].clone()
    inputs["present"][m][0] = False
    found = []
    for value in (0.0, 7.0, torch.nan):
        x = inputs[m].clone()
        x[0] = value
        found.append(real(info, inputs, model(**{**inputs, m: x}).logits))
    assert torch.isfinite(found[0]).all()
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])
    # A modality that nobody has may be left out altogether.
    inputs["present"][m] = torch.zeros_like(inputs["present"][m])
    absent = model(**inputs).logits
    torch.testing.assert_close(
        real(info, inputs, model(**{**inputs, m: None}).logits), real(info, inputs, absent)
    )


@by_name
def test_each_modality_alone_will_do(info: ModelInfo) -> None:
    for m in info.inputs:
        model = build(info, modalities=(m,)).eval()
        logits = model(**batch(info)).logits
        assert torch.isfinite(logits).all()


def all_right(model: nn.Module, inputs: Mapping[str, Any], labels: Tensor, known: Tensor) -> bool:
    predicted = model.eval()(**inputs).logits.argmax(-1)
    return bool((predicted[known] == labels[known]).all())


@pytest.mark.parametrize("info", [i for i in LEARNERS if i in TELLERS], ids=lambda info: info.name)
def test_it_learns_a_handful_by_heart(info: ModelInfo) -> None:
    still = [name for name in type(build(info).config).model_fields if name.endswith("dropout")]
    model = build(info, **dict.fromkeys(still, 0.0))
    inputs, optimiser = batch(info), torch.optim.Adam(model.parameters(), lr=0.01)
    labels = targets(info, inputs)
    known = labels >= 0
    for step in range(200):
        optimiser.zero_grad()
        losses = model.train().training_loss(model(**inputs), labels)  # type: ignore[operator]
        losses["loss"].backward()
        optimiser.step()
        if step % 10 == 9 and all_right(model, inputs, labels, known):
            break
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all_right(model, inputs, labels, known)
    unused = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None and ".0.norm." not in n
    ]
    assert not unused


@pytest.mark.parametrize("info", TELLERS, ids=lambda info: info.name)
def test_rows_without_a_target_and_weights_of_classes(info: ModelInfo) -> None:
    model = build(info).eval()
    inputs = batch(info)
    labels = targets(info, inputs)
    output = model(**inputs)
    weighted = model.training_loss(output, labels, torch.tensor([1.0, 2.0, 0.5]))["loss"]  # type: ignore[operator]
    assert torch.isfinite(weighted)
    nothing = model.training_loss(output, torch.full_like(labels, -1))["loss"]  # type: ignore[operator]
    assert torch.isfinite(nothing)


@pytest.mark.parametrize(
    "info",
    [i for i in LEARNERS if "regression" in i.tasks and i.scope == "utterance"],
    ids=lambda info: info.name,
)
def test_a_value_is_learnt_too(info: ModelInfo) -> None:
    model = build(info, task="regression")
    inputs, optimiser = batch(info), torch.optim.Adam(model.parameters(), lr=0.02)
    values = torch.tensor([-1.5, torch.nan, 0.5])
    for step in range(200):
        optimiser.zero_grad()
        loss = model.train().training_loss(model(**inputs), values)["loss"]  # type: ignore[operator]
        loss.backward()
        optimiser.step()
        if step % 10 == 9:
            found = model.eval()(**inputs).value
            if abs(found[0] + 1.5) < 0.3 and abs(found[2] - 0.5) < 0.3:
                break
    assert found.shape == (3,)
    assert abs(found[0] + 1.5) < 0.3
    assert abs(found[2] - 0.5) < 0.3


@pytest.mark.parametrize("kind", ["l1", "mse"])
@pytest.mark.parametrize(
    "info",
    [i for i in SYSTEMS if "regression" in i.tasks and i.scope == "dialogue"],
    ids=lambda info: info.name,
)
def test_a_dialogue_of_values_has_the_error_of_those_that_are_known(info: ModelInfo, kind: str) -> None:
    model = build(info, task="regression", regression_loss=kind).double().eval()
    inputs = batch(info)
    inputs |= {m: inputs[m].double() for m in info.inputs}
    values = torch.linspace(-3, 3, 12, dtype=torch.float64).view(3, 4)
    known = inputs["mask"].clone()
    known[0, 1] = False
    output = model(**inputs)
    assert output.value.shape == (3, 4)
    assert not output.value[~inputs["mask"]].any()
    # Of padding a target counts for nothing, of an utterance without one it is NaN.
    losses = model.training_loss(output, values.masked_fill(inputs["mask"] & ~known, torch.nan))  # type: ignore[operator]
    errors = output.value[known] - values[known]
    torch.testing.assert_close(
        losses["loss"], errors.abs().mean() if kind == "l1" else errors.square().mean()
    )
    assert set(losses) == {"loss", kind}
    wanted = torch.zeros_like(values)
    wanted[known] = (errors.sign() if kind == "l1" else 2 * errors).detach() / known.sum()
    (found,) = torch.autograd.grad(losses["loss"], output.value, retain_graph=True)
    torch.testing.assert_close(found, wanted)
    losses["loss"].backward()
    unused = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None and ".0.norm." not in n
    ]
    assert not unused
    nothing = model.training_loss(output, torch.full_like(values, torch.nan))["loss"]  # type: ignore[operator]
    assert nothing.item() == 0.0
    with pytest.raises(EmofuseError, match="leave class_weights out"):
        model.training_loss(output, values, torch.ones(3))  # type: ignore[operator]
    with pytest.raises(EmofuseError, match="a value and no probabilities"):
        output.probabilities  # noqa: B018


@by_name
def test_the_registry_makes_it_and_its_weights_travel(info: ModelInfo) -> None:
    assert model_info(info.name) == info
    model, other = build(info).eval(), build(info).eval()
    for parameter in other.parameters():
        parameter.data.add_(0.1)
    other.load_state_dict(model.state_dict())
    inputs = batch(info)
    torch.testing.assert_close(model(**inputs).logits, other(**inputs).logits)
    assert info.citation.startswith("@")
