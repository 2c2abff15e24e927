from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForAudioClassification

from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_wav
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.fine_tuning import RECORD_FILE, FineTuneSettings
from emofuse.encoders.pretrained import locate
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.training.finetuning import fine_tune
from emofuse.training.finetuning.batches import Draw
from emofuse.training.finetuning.network import load_classifier
from emofuse.training.finetuning.sounds import SoundRows, feature_extractor

QUICK = {"epochs": 6, "patience": 6, "learning_rate": 3e-3, "head_learning_rate": 2e-2, "batch_size": 4}


def spec_of(folder: Path, **tuning: object) -> EncoderSpec:
    return EncoderSpec.model_validate(
        {"modality": "audio", "name": str(folder), "finetune": QUICK | tuning, "max_seconds": 1.0}
    )


SPLIT = Split(
    [f"u{n}" for n in range(14)] + ["u24"], [f"u{n}" for n in range(14, 18)], [f"u{n}" for n in range(18, 24)]
)


@pytest.mark.parametrize("kind", ["wavlm_folder", "wav2vec2_folder"])
def test_it_learns_and_stage_two_reads_it(
    kind: str, request: pytest.FixtureRequest, tones: Manifest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(kind)
    options = {"layer_drop": 0.0, "noise_snr": 25.0, "gain": 3.0, "time_shift": 0.02}
    found = fine_tune(spec_of(folder, **options), tones, SPLIT, tmp_path / "run", workers=0)
    assert found.record.scores["test"]["accuracy"] == 1.0
    assert found.record.reading == {"pooling": "mean"}
    assert pd.read_csv(tmp_path / "run" / "quarantine.csv")["id"].tolist() == ["u24"]

    model = AutoModelForAudioClassification.from_pretrained(tmp_path / "run").eval()
    assert model.config.id2label == {0: "anger", 1: "joy"}
    encoder = create_encoder(EncoderSpec(modality="audio", name=str(tmp_path / "run")))
    rows = [tones.utterance(id) for id in SPLIT.test]
    from emofuse.data.audio import read_audio

    features = torch.from_numpy(np.asarray(encoder.encode([read_audio(row.audio) for row in rows])))
    with torch.no_grad():
        told = model.classifier(model.projector(features)).argmax(-1)
    assert [found.record.labels[i] for i in told] == [row.label for row in rows]


def test_the_convolutions_stay_and_the_layers_above_the_frozen_ones_change(
    wavlm_folder: Path, tones: Manifest, tmp_path: Path
) -> None:
    fine_tune(spec_of(wavlm_folder, epochs=1, freeze_layers=1), tones, SPLIT, tmp_path / "run")
    before, after = (
        load_file(wavlm_folder / "model.safetensors"),
        load_file(tmp_path / "run/model.safetensors"),
    )
    changed = {
        name for name, weight in before.items() if not torch.equal(weight, after.get(f"wavlm.{name}", weight))
    }
    assert any(name.startswith("encoder.layers.1.") for name in changed)
    assert not any(name.startswith(("feature_extractor.", "encoder.layers.0.")) for name in changed)


def test_layer_drop_dropout_and_spec_augment_reach_the_model(wavlm_folder: Path) -> None:
    settings = FineTuneSettings(layer_drop=0.3, dropout=0.25, spec_augment=0.1)
    network = load_classifier(locate(str(wavlm_folder)), "audio", ["a", "b"], settings).network
    config = network.config
    assert (config.layerdrop, config.hidden_dropout, config.mask_time_prob) == (0.3, 0.25, 0.1)
    assert config.apply_spec_augment
    assert not load_classifier(
        locate(str(wavlm_folder)), "audio", ["a", "b"], FineTuneSettings()
    ).network.config.apply_spec_augment


def test_padding_changes_nothing_where_the_model_knows_of_it(wavlm_folder: Path, tones: Manifest) -> None:
    source = locate(str(wavlm_folder))
    classifier = load_classifier(source, "audio", tones.labels, FineTuneSettings()).eval()
    rows = [tones.utterance(f"u{n}") for n in range(5)]
    sounds = SoundRows(
        rows, [0] * 5, feature_extractor(source), True, spec_of(wavlm_folder), FineTuneSettings(), 0
    )
    with torch.no_grad():
        together = classifier(sounds.batch(Draw(0, (0, 1, 2, 3, 4)), training=False))
        for row in range(5):
            alone = classifier(sounds.batch(Draw(0, (row,)), training=False))
            torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)


def test_augmentation_depends_on_seed_epoch_and_row_alone(wavlm_folder: Path, tones: Manifest) -> None:
    extractor = feature_extractor(locate(str(wavlm_folder)))
    rows = [tones.utterance(f"u{n}") for n in range(3)]
    settings = FineTuneSettings(time_shift=0.1, noise_snr=5.0)

    def heard(epoch: int, draw: tuple[int, ...], seed: int = 0, training: bool = True) -> torch.Tensor:
        sounds = SoundRows(rows, [0] * 3, extractor, True, spec_of(wavlm_folder), settings, seed)
        return sounds.batch(Draw(epoch, draw), training=training).inputs["input_values"][-1][:4000]

    torch.testing.assert_close(heard(1, (0, 2)), heard(1, (2,)))
    assert not torch.equal(heard(1, (2,)), heard(2, (2,)))
    assert not torch.equal(heard(1, (2,)), heard(1, (2,), seed=1))
    assert torch.equal(heard(1, (2,), training=False), heard(2, (2,), seed=1, training=False))


def test_long_sounds_are_cut_short_ones_filled_up_and_silent_ones_set_aside(
    wavlm_folder: Path, tones: Manifest, tmp_path: Path
) -> None:
    from tests.training.finetuning.conftest import write_wav

    write_wav(tmp_path / "long.wav", np.sin(np.arange(48_000) / 9))
    write_wav(tmp_path / "short.wav", np.sin(np.arange(200) / 9))
    write_wav(tmp_path / "zeros.wav", np.zeros(8000))
    names = ["long", "short", "zeros"]
    frame = pd.DataFrame({"id": names, "audio": [f"{name}.wav" for name in names]})
    manifest = Manifest.from_frame(frame, tmp_path)
    sounds = SoundRows(
        list(manifest.rows()),
        [0, 0, 0],
        feature_extractor(locate(str(wavlm_folder))),
        True,
        spec_of(wavlm_folder),
        FineTuneSettings(),
        0,
    )
    batch = sounds.batch(Draw(0, (0, 1, 2)), training=True)
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == [16_000, 4_000]
    assert [(failure.utterance_id, failure.reason) for failure in batch.decode_failures] == [
        ("zeros", "silent")
    ]


def test_a_text_model_is_no_speech_model(bert_folder: Path, tones: Manifest, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"encoder .* cannot be loaded"):
        fine_tune(spec_of(bert_folder), tones, SPLIT, tmp_path / "run")


def _unreadable(tmp_path: Path) -> tuple[EncoderSpec, Manifest, Split]:
    """A fine-tuning whose training part is no sound."""
    rows = []
    for n in range(6):
        rows.append((f"u{n}", f"d{n}", 0, f"u{n}.wav", ("anger", "joy")[n % 2]))
        write_wav(tmp_path / f"u{n}.wav", np.sin(np.arange(8000) * (0.1 + 0.2 * (n % 2))))
    for n in range(4):
        (tmp_path / f"u{n}.wav").write_bytes(b"no sound")
    frame = pd.DataFrame(rows, columns=["id", "dialogue", "turn", "audio", "label"])
    broken = Manifest.from_frame(frame, tmp_path).validate()
    split = Split(["u0", "u1", "u2", "u3"], ["u4", "u5"], [])
    tuning = {"epochs": 2, "batch_size": 4}
    return (
        EncoderSpec.model_validate({"modality": "audio", "name": "voice-cnn", "finetune": tuning}),
        broken,
        split,
    )


def test_a_training_part_that_cannot_be_read_leaves_no_encoder(tmp_path: Path) -> None:
    spec, broken, split = _unreadable(tmp_path)
    run = tmp_path / "run"
    with pytest.raises(EmofuseError, match="none of the 4 utterances of the training part could be read"):
        fine_tune(spec, broken, split, run)
    assert not [
        run / name for name in ("config.json", "model.safetensors", "checkpoints") if (run / name).exists()
    ]
    for n in range(4):
        write_wav(tmp_path / f"u{n}.wav", np.sin(np.arange(8000) * (0.1 + 0.2 * (n % 2))))
    assert fine_tune(spec, broken, split, run, resume=True).record.scores
    assert (run / "model.safetensors").is_file()


@pytest.mark.parametrize("mended", [False, True])
def test_an_earlier_versions_checkpoint_that_had_read_nothing_is_no_learning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mended: bool
) -> None:
    spec, broken, split = _unreadable(tmp_path)
    run = tmp_path / "run"
    if mended:
        for n in range(4):
            write_wav(tmp_path / f"u{n}.wav", np.sin(np.arange(8000) * (0.1 + 0.2 * (n % 2))))

    def killed(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("emofuse.training.finetuning.job.drop_checkpoints", killed)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(spec, broken, split, run)
    for file in (run / "checkpoints").iterdir():
        kept = torch.load(file, weights_only=True)
        assert bool(kept.pop("rows_read")) == mended  # what earlier versions did not write
        torch.save(kept, file)
    (run / RECORD_FILE).unlink(missing_ok=True)  # of the one that was killed after saving
    if mended:
        assert fine_tune(spec, broken, split, run, resume=True).record.scores
    else:
        with pytest.raises(EmofuseError, match="none of the 4 utterances of the training part could be read"):
            fine_tune(spec, broken, split, run, resume=True)
        assert not (run / "model.safetensors").exists()


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_a_seed_that_no_generator_takes_is_refused_before_any_work(
    tones: Manifest, tmp_path: Path, seed: float
) -> None:
    spec = EncoderSpec(modality="audio", name="voice-cnn")
    with pytest.raises(EmofuseError, match=f"seed {seed}: give a whole number from 0 to 4294967295"):
        fine_tune(spec, tones, SPLIT, tmp_path / "run", seed=seed)
    assert not (tmp_path / "run").exists()


def test_a_small_network_of_voices_learns_from_nothing(tones: Manifest, tmp_path: Path) -> None:
    changes = {"pitch": 0.5, "tempo": 0.05, "noise_snr": 25.0, "spec_augment": 0.05}
    tuning = {"epochs": 6, "patience": 6, "batch_size": 4, **changes}
    spec = EncoderSpec.model_validate({"modality": "audio", "name": "voice-cnn", "finetune": tuning})
    found = fine_tune(spec, tones, SPLIT, tmp_path / "run", workers=0)
    assert (found.record.base, found.record.base_revision) == ("voice-cnn", "untrained")
    assert found.record.settings is not None
    assert (found.record.settings.gain, found.record.settings.learning_rate) == (10.0, 1e-3)  # the usual
    assert found.record.scores["test"]["accuracy"] == 1.0
    assert found.record.seen
    model = AutoModelForAudioClassification.from_pretrained(tmp_path / "run")
    assert model.config.id2label == {0: "anger", 1: "joy"}
    with pytest.raises(EmofuseError, match="voice-cnn: reads audio, not video"):
        fine_tune(spec.model_copy(update={"modality": "video"}), tones, SPLIT, tmp_path / "other")
