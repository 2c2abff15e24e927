"""Encoders of words and of voices that learn with systems of utterances, of dialogues and of sequences."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModel

from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_wav
from emofuse.errors import EmofuseError
from emofuse.inference.evaluate import evaluate_fit
from emofuse.pipeline import EmotionPipeline
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings
from emofuse.training.end_to_end import check_end_to_end
from emofuse.training.fit import fit_run
from tests.training.end_to_end.small import joint_settings
from tests.training.end_to_end.test_gradients import joined

CM_BERT = {"dim": 16}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Ten dialogues of three turns; joy is high, anger low; one sound is longer than the others."""
    folder, rng, rows = tmp_path_factory.mktemp("heard"), np.random.default_rng(0), []
    for dialogue in range(10):
        for turn in range(3):
            label = ("anger", "joy")[(dialogue + turn) % 2]
            seconds = 2.5 if (dialogue, turn) == (0, 0) else 0.4 + 0.1 * (turn % 2)
            time = np.arange(int(16_000 * seconds)) / 16_000
            tone = 0.3 * np.sin(2 * np.pi * {"anger": 200, "joy": 900}[label] * time)
            name = f"d{dialogue}t{turn}"
            write_wav(folder / f"{name}.wav", tone + rng.normal(0, 0.01, len(time)))
            word = {"anger": "sad", "joy": "happy"}[label]
            rows.append((name, f"d{dialogue}", turn, f"S{dialogue}", f"i am so {word}", f"{name}.wav", label))
    frame = pd.DataFrame(rows, columns=["id", "dialogue", "turn", "speaker", "text", "audio", "label"])
    Manifest.from_frame(frame, folder).write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv").validate()


def check_run(settings: RunSettings, manifest: Manifest, place: Path) -> None:
    """Train, and see that the validation pass is what the saved run says, and that it reads raw rows."""
    run = fit_run(settings, manifest, place)
    evaluate_fit(run, manifest)
    record = run.read_record()
    best = pd.read_csv(run.history_file).iloc[record.best_epoch]
    told = pd.read_parquet(run.predictions_file)
    val = told[told["part"] == "val"]
    p = val[[f"p_{label}" for label in manifest.labels]].to_numpy()
    truth = val["label"].map({label: i for i, label in enumerate(manifest.labels)}).to_numpy()
    loss = -np.log(p[np.arange(len(p)), truth]).mean()
    assert loss == pytest.approx(best["val_loss"], abs=2e-4)
    for modality, part in record.encoders.items():
        learnt = part.end_to_end is not None
        assert learnt == (settings.encoders[modality].end_to_end is not None)
    test = told[told["part"] == "test"].set_index("id")
    for segment in EmotionPipeline.from_pretrained(run.path).predict_manifest(
        manifest.select(list(test.index))
    ):
        wanted = list(test.loc[segment.id, [f"p_{label}" for label in manifest.labels]].to_numpy(float))
        assert list(segment.probabilities.values()) == pytest.approx(wanted, abs=2e-4)


def test_a_system_of_words_as_steps(heard: Manifest, bert_folder: Path, tmp_path: Path) -> None:
    settings = joint_settings(
        heard,
        bert_folder,
        data__features=str(tmp_path / "features"),
        model__name="mult",
        model__modalities=["text", "audio"],
        model__options={"dim": 8, "heads": 2},
        encoders__text__end_to_end={"learning_rate": 1e-3, "freeze_layers": 1},
        encoders__audio={"modality": "audio", "name": "logmel-sequence", "dim": 8},
        optimiser__epochs=2,
    )
    check_run(settings, heard, tmp_path / "run")


def test_words_and_voices_of_a_dialogue_in_one_backward_pass(
    heard: Manifest, bert_folder: Path, wavlm_folder: Path, tmp_path: Path
) -> None:
    settings = joint_settings(
        heard,
        bert_folder,
        data__features=str(tmp_path / "features"),
        model__modalities=["text", "audio"],
        encoders__audio={
            "modality": "audio",
            "name": str(wavlm_folder),
            "max_seconds": 1.0,
            "end_to_end": {"learning_rate": 1e-3, "freeze_layers": 1, "gradient_checkpointing": True},
        },
        optimiser__epochs=2,
    )
    check_run(settings, heard, tmp_path / "run")
    assert_upper_layers_learnt(wavlm_folder, tmp_path / "run" / "encoders" / "audio", frozen=1)


def test_the_recipe_of_words_and_sound(
    heard: Manifest, bert_folder: Path, wav2vec2_folder: Path, tmp_path: Path
) -> None:
    """DeepMSI-MER as its recipe has it, with small checkpoints in the places of the pretrained ones."""
    recipe = RunSettings.from_yaml(find_recipe("deepmsi-mer/meld-words-sound-end-to-end"))
    settings = recipe.with_changes(
        {
            "data.manifest": str(heard.root / "manifest.csv"),
            "data.features": str(tmp_path / "features"),
            "data.protocol": "dialogue",
            "data.folds": 3,
            "data.val_fraction": 0.25,
            "device": "cpu",
            "threads": 1,
            "encoders.text.name": str(bert_folder),
            "encoders.text.max_length": 40,
            "encoders.text.end_to_end.freeze_layers": 2,
            "encoders.audio.name": str(wav2vec2_folder),
            "encoders.audio.max_seconds": 1.0,
            "encoders.audio.end_to_end.freeze_layers": 1,
            "optimiser.epochs": 2,
            "optimiser.batch_size": 8,
        }
    )
    check_run(settings, heard, tmp_path / "run")
    for folder, modality, frozen in ((bert_folder, "text", 2), (wav2vec2_folder, "audio", 1)):
        assert_upper_layers_learnt(folder, tmp_path / "run" / "encoders" / modality, frozen)


def assert_upper_layers_learnt(before: Path, after: Path, frozen: int) -> None:
    """All layers above those that are frozen have other weights, and nothing else has."""
    first, last = tuned(before), tuned(after)
    changed = {name for name, values in last.items() if not torch.equal(values, first[name])}
    layers = {
        int(name.split(".")[2]) for name in changed if name.startswith(("encoder.layer.", "encoder.layers."))
    }
    assert layers == {layer for layer in all_layers(last) if layer >= frozen}
    assert all(name.startswith(("encoder.layer.", "encoder.layers.")) for name in changed)


def all_layers(weights: dict[str, Tensor]) -> set[int]:
    return {
        int(name.split(".")[2]) for name in weights if name.startswith(("encoder.layer.", "encoder.layers."))
    }


def tuned(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def test_an_encoder_that_another_process_is_handed_still_learns(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    frozen = {"encoders__text__end_to_end": {"freeze_layers": 1}}
    settings = joint_settings(talk, bert_folder, data__features=str(tmp_path), **frozen)
    joint, _ = joined(settings, talk, tmp_path)
    again = pickle.loads(pickle.dumps(joint)).eval()
    own, other = joint.eval().joint_encoders()["text"], again.joint_encoders()["text"]
    number = torch.tensor([joint.places["text"].numbers[talk.ids[3]]])
    torch.testing.assert_close(own(number)[0], other(number)[0])
    other(number)[0].sum().backward()
    assert any(p.grad is not None for p in other.network.parameters())
    assert all(p.grad is None for p in own.network.parameters())


def test_a_voice_that_learns_is_for_one_device(
    heard: Manifest, bert_folder: Path, wavlm_folder: Path
) -> None:
    audio = {"modality": "audio", "name": str(wavlm_folder), "end_to_end": True}
    settings = joint_settings(heard, bert_folder, encoders__audio=audio, devices=2)
    with pytest.raises(EmofuseError, match="start them with torchrun"):
        check_end_to_end(settings, settings.encoders)


@pytest.mark.parametrize("pieces", [60.0, 0.6])
def test_gradients_of_a_voice_are_those_of_a_literal_network(
    heard: Manifest, bert_folder: Path, wavlm_folder: Path, tmp_path: Path, pieces: float
) -> None:
    how = {"dropout": 0.0, "freeze_front": False, "max_seconds": pieces}
    settings = joint_settings(
        heard,
        bert_folder,
        data__features=str(tmp_path),
        model__modalities=["audio"],
        encoders={"audio": {"modality": "audio", "name": str(wavlm_folder), "end_to_end": how}},
    )
    joint, _ = joined(settings, heard, tmp_path)
    encoder, ids = joint.joint_encoders()["audio"], heard.ids[:5]
    for name in ("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout"):
        setattr(encoder.network.config, name, 0.0)
    encoder.eval()  # what is left of chance lies in the library's own functions
    weights = torch.randn(len(ids), encoder.dim, generator=torch.Generator().manual_seed(1))
    steps, _ = encoder(torch.tensor([joint.places["audio"].numbers[id] for id in ids]))
    (steps[:, 0] * weights).sum().backward()
    found = {n: p.grad for n, p in encoder.network.named_parameters() if p.grad is not None}
    network = AutoModel.from_pretrained(wavlm_folder).eval()
    from emofuse.data.audio import read_audible

    total = torch.zeros(())
    for id, weight in zip(ids, weights, strict=True):
        path = heard.utterance(id).audio
        assert path is not None
        sound = torch.from_numpy(read_audible(path).samples)
        scaled = (sound - sound.mean()) / torch.sqrt(sound.var(correction=0) + 1e-7)
        total = total + (network(scaled[None]).last_hidden_state[0].mean(dim=0) * weight).sum()
    total.backward()
    wanted = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=2e-4, rtol=2e-3, msg=name)
