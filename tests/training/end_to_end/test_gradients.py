"""The joint network against a slow one that is written out: features and gradients, rates, and pieces of a batch."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.evaluation import Split
from emofuse.inference.batches import dataset_of, rows_of
from emofuse.runs.corpus import choose_split
from emofuse.runs.features import encode_modalities
from emofuse.runs.modalities import choose_encoders
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of
from emofuse.training.assembly import assemble_model
from emofuse.training.end_to_end import JointSystem, join_encoders
from emofuse.training.end_to_end.preparing import without_end_to_end
from emofuse.training.optimisers import build_optimiser
from tests.small_corpus import SMALL_MODEL
from tests.training.end_to_end.small import joint_settings


def joined(settings: RunSettings, manifest: Manifest, place: Path) -> tuple[JointSystem, Split]:
    """The joint network as a training has it before its first step, without dropout."""
    split = choose_split(settings, manifest)
    modalities = settings.model.modalities
    assert modalities is not None
    specs = choose_encoders(settings, manifest, modalities)
    quarantine = Quarantine(place / "quarantine.csv")
    encoded = encode_modalities(settings, manifest, without_end_to_end(specs), "cpu", quarantine, None)
    torch.manual_seed(0)
    system = assemble_model(settings, task_of(settings, manifest), modalities, encoded, split.train)
    joint = join_encoders(settings, manifest, specs, encoded, system, "cpu", quarantine, None)
    assert joint is not None
    for module in joint.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return joint.train(), split


def batch_of(joint: JointSystem, settings: RunSettings, manifest: Manifest, ids: list[str]):  # type: ignore[no-untyped-def]
    rows, context = rows_of(manifest, ids, joint.system)
    task = task_of(settings, manifest)
    dataset = dataset_of(
        rows, joint.system, joint.places, settings.data, task.target, context, widths={"text": 1}
    )
    return dataset.collate([dataset[row] for row in range(len(dataset))])


def gradients(joint: JointSystem) -> dict[str, Tensor]:
    encoder = joint.joint_encoders()["text"].network
    return {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}


def loss_of(joint: JointSystem, batch) -> Tensor:  # type: ignore[no-untyped-def]
    joint.zero_grad()
    output = joint(**batch.inputs)
    loss: Tensor = joint.training_loss(output, batch.labels, present=batch.inputs["present"])["loss"]
    loss.backward()
    return loss.detach()


def literal(joint: JointSystem, folder: Path, manifest: Manifest, batch, ids: list[str]):  # type: ignore[no-untyped-def]
    """One utterance after another through the library's own model, and the system on top; loss and gradients."""
    network, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    mask = batch.inputs["mask"]
    features = torch.zeros(*mask.shape, network.config.hidden_size)
    filled = []
    turns = iter(ids)
    for row in range(mask.shape[0]):
        vectors = []
        for _ in range(int(mask[row].sum())):
            tokens = tokenizer([manifest.utterance(next(turns)).text], return_tensors="pt")
            vectors.append(network(**tokens).last_hidden_state[0].mean(dim=0))
        padding = torch.zeros(mask.shape[1] - len(vectors), features.shape[-1])
        filled.append(torch.cat([torch.stack(vectors), padding]))
    output = joint.system(text=torch.stack(filled), mask=mask, present=batch.inputs["present"])
    loss = joint.training_loss(output, batch.labels)["loss"]
    loss.backward()
    return loss.detach(), {n: p.grad for n, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"max_tokens": 30},
        {"max_tokens": 30, "gradient_checkpointing": True},
        {"freeze_front": False},
        {"freeze_layers": 2},
    ],
)
def test_features_and_gradients_are_those_of_a_literal_joint_network(
    talk: Manifest, bert_folder: Path, tmp_path: Path, how: dict[str, object]
) -> None:
    settings = joint_settings(
        talk,
        bert_folder,
        data__features=str(tmp_path),
        encoders__text__end_to_end=how,
        model__options__swfc=True,
    )
    joint, split = joined(settings, talk, tmp_path)
    batch = batch_of(joint, settings, talk, split.train[:24])
    loss = loss_of(joint, batch)
    found = gradients(joint)
    wanted_loss, wanted = literal(joint, bert_folder, talk, batch, split.train[:24])
    torch.testing.assert_close(loss, wanted_loss, atol=1e-5, rtol=1e-5)
    below = int(how.get("freeze_layers", 0))  # type: ignore[call-overload]
    expected = {
        _name_above(name, below): gradient
        for name, gradient in wanted.items()
        if _learns(name, below, how.get("freeze_front", True) is True)
    }
    assert set(found) == set(expected)
    assert max(float(gradient.abs().max()) for gradient in found.values()) > 1e-4
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3, msg=name)


def test_gradients_through_a_system_of_utterances_are_those_of_a_literal_one(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    """DeepMSI-MER, whose contrastive loss compares the utterances of a batch, on words whose model learns."""
    settings = joint_settings(
        talk,
        bert_folder,
        data__features=str(tmp_path),
        encoders__text__end_to_end={"max_tokens": 30, "gradient_checkpointing": True},
        model__name="deepmsi-mer",
        model__preset="tiny",
        model__options=SMALL_MODEL | {"dropout": 0.0},
    )
    joint, split = joined(settings, talk, tmp_path)
    ids = split.train[:7]
    batch = batch_of(joint, settings, talk, ids)
    loss, found = loss_of(joint, batch), gradients(joint)
    network, tokenizer = AutoModel.from_pretrained(bert_folder), AutoTokenizer.from_pretrained(bert_folder)
    network.eval()  # without dropout
    texts = [tokenizer([talk.utterance(id).text], return_tensors="pt") for id in ids]
    features = torch.stack([network(**tokens).last_hidden_state[0].mean(dim=0) for tokens in texts])
    present = batch.inputs["present"]
    wanted = joint.training_loss(joint.system(text=features, present=present), batch.labels, present=present)
    torch.testing.assert_close(loss, wanted["loss"].detach(), atol=1e-5, rtol=1e-5)
    wanted["loss"].backward()
    assert float(found["encoder.layer.0.output.dense.weight"].abs().max()) > 1e-5
    for name, p in network.named_parameters():
        if p.grad is not None and not name.startswith("embeddings."):
            torch.testing.assert_close(found[name], p.grad, atol=1e-6, rtol=1e-3, msg=name)


def _learns(name: str, below: int, front_stays: bool) -> bool:
    if name.startswith("embeddings."):
        return not front_stays and not below
    return not name.startswith("encoder.layer.") or int(name.split(".")[2]) >= below


def _name_above(name: str, below: int) -> str:
    parts = name.split(".")
    return ".".join([*parts[:2], str(int(parts[2]) - below), *parts[3:]]) if parts[0] == "encoder" else name


def test_each_layer_has_the_rate_of_the_layer_above_it_times_the_decay(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    how = {"learning_rate": 1e-4, "layer_decay": 0.5, "freeze_front": False, "weight_decay": 0.03}
    settings = joint_settings(talk, bert_folder, data__features=str(tmp_path), encoders__text__end_to_end=how)
    joint, _ = joined(settings, talk, tmp_path)
    optimiser = build_optimiser(joint, settings.optimiser)
    names = {id(p): name for name, p in joint.named_parameters()}
    rates: dict[str, set[float]] = {}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            part = "system" if name.startswith("system.") else ".".join(name.split(".")[3:6])
            part = part if part.startswith(("system", "encoder.layer")) else "embeddings"
            rates.setdefault(part, set()).add(round(group["lr"], 9))
            if part != "system":
                assert group["weight_decay"] == (0.03 if parameter.ndim > 1 else 0.0)
    assert rates == {
        "system": {settings.optimiser.learning_rate},
        "encoder.layer.2": {1e-4},
        "encoder.layer.1": {5e-5},
        "encoder.layer.0": {2.5e-5},
        "embeddings": {1.25e-5},
    }


def test_rates_of_the_layers_above_frozen_ones_are_those_of_the_whole_model(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    how = {"learning_rate": 1e-4, "layer_decay": 0.5, "freeze_layers": 1}
    settings = joint_settings(talk, bert_folder, data__features=str(tmp_path), encoders__text__end_to_end=how)
    joint, _ = joined(settings, talk, tmp_path)
    groups = joint.joint_encoders()["text"].parameter_groups(decays=True)
    assert sorted({group["lr"] for group in groups}) == pytest.approx([5e-5, 1e-4])


@pytest.mark.parametrize("context", [{}, {"context_before": 2, "speaker_names": True}])
@pytest.mark.parametrize("frozen", [0, 1])
def test_an_utterance_is_read_in_its_dialogue_as_its_encoder_reads_it(
    talk: Manifest, bert_folder: Path, tmp_path: Path, context: dict[str, object], frozen: int
) -> None:
    text = {"modality": "text", "name": str(bert_folder), "layers": [1, -1], **context}
    text["end_to_end"] = {"freeze_layers": frozen}
    settings = joint_settings(talk, bert_folder, data__features=str(tmp_path), encoders__text=text)
    joint, split = joined(settings, talk, tmp_path)
    encoder = joint.joint_encoders()["text"].eval()
    ids = split.train[:7]
    with torch.no_grad():
        steps, _ = encoder(torch.tensor([joint.places["text"].numbers[id] for id in ids]))
    specs = without_end_to_end(choose_encoders(settings, talk, ("text",)))
    quarantine = Quarantine(tmp_path / "quarantine.csv")
    reader = encode_modalities(settings, talk, specs, "cpu", quarantine, None)["text"].reader
    torch.testing.assert_close(steps[:, 0], torch.from_numpy(reader.matrix(ids)), atol=1e-4, rtol=1e-4)


@pytest.fixture
def one_step(talk: Manifest, bert_folder: Path, tmp_path: Path) -> Callable[[int, int], dict[str, Tensor]]:
    """Weights after an epoch of plain steps with so many dialogues in a batch, and so many batches for a step."""
    from emofuse.training.fit import fit_run

    def train(batch_size: int, accumulate: int) -> dict[str, Tensor]:
        settings = joint_settings(
            talk,
            bert_folder,
            data__features=str(tmp_path / "features"),
            optimiser__batch_size=batch_size,
            optimiser__accumulate=accumulate,
            optimiser__epochs=1,
            # Adam's first steps have one size, whatever the gradient; decay and clipping would hide nothing.
            optimiser__learning_rate=1e-3,
            model__options={
                "dim": 16, "heads": 2, "ff_dim": 16, "reasoning_steps": 1, "modality_encoder": False, "multi_attn": False,
                "swfc": False, "dropout": 0.0, "feature_dropout": 0.0,
            },
            encoders__text__end_to_end={"learning_rate": 1e-3, "dropout": 0.0},
        )  # fmt: skip
        run = fit_run(settings, talk, tmp_path / f"run-{batch_size}-{accumulate}")
        from safetensors.torch import load_file

        tuned = load_file(run.encoder_folder("text") / "model.safetensors")
        return tuned | load_file(run.weights_file)

    return train


def test_gradients_of_several_batches_are_those_of_one_large_batch(
    one_step: Callable[[int, int], dict[str, Tensor]],
) -> None:
    large, summed, other = one_step(6, 1), one_step(2, 3), one_step(2, 1)
    for name, values in large.items():
        # A twentieth of Adam's step: of a gradient near 0 its direction is rounding.
        torch.testing.assert_close(summed[name], values, atol=5e-5, rtol=1e-3, msg=name)
    assert any(not torch.allclose(other[name], large[name], atol=2e-4) for name in large)
