import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.encoders import EncoderSpec
from emofuse.encoders.fine_tuning import RECORD_FILE, read_fine_tuned
from emofuse.errors import EmofuseError
from emofuse.experiments.cross_corpus.evaluate import evaluate_on
from emofuse.experiments.cross_validation.run import cross_validate
from emofuse.inference.evaluate import evaluate_fit
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.corpus import choose_split
from emofuse.runs.settings import RunSettings
from emofuse.training.finetuning import fine_tune
from emofuse.training.fit import fit_run
from emofuse.training.stage_one import seen_by
from tests.small_corpus import SMALL_MODEL

TUNING = {
    "epochs": 4,
    "patience": 4,
    "learning_rate": 3e-3,
    "head_learning_rate": 1e-2,
    "batch_size": 8,
    "dropout": 0.0,
}


def settings_of(manifest: Manifest, encoder: dict[str, object], **changes: object) -> RunSettings:
    return RunSettings().with_changes(
        {
            "data.manifest": str(manifest.root / "manifest.csv"),
            "data.folds": 3,
            "data.val_fraction": 0.25,
            "data.workers": 0,
            "device": "cpu",
            "encoders.text": {"modality": "text", **encoder},
            "model.modalities": ["text"],
            "model.options": SMALL_MODEL,
            "optimiser.epochs": 4,
            "optimiser.patience": 4,
            "optimiser.learning_rate": 0.01,
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
    )


@pytest.fixture(scope="module")
def tuned_here(talk: Manifest, bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fine-tuned on fold 0."""
    settings = settings_of(talk, {"name": str(bert_folder), "finetune": TUNING})
    folder = tmp_path_factory.mktemp("tuned") / "encoder"
    fine_tune(settings.encoder("text"), talk, choose_split(settings, talk), folder)  # type: ignore[arg-type]
    return folder


def test_an_encoder_may_be_used_on_its_own_split_and_is_kept_in_the_run(
    talk: Manifest, tuned_here: Path, tmp_path: Path
) -> None:
    run = fit_run(settings_of(talk, {"name": str(tuned_here)}), talk, tmp_path / "run")
    outcome = evaluate_fit(run, talk)
    assert outcome.test.weighted_f1 > 0.85
    assert (run.path / "encoders" / "text" / RECORD_FILE).exists()
    assert outcome.record.encoders["text"].identity.pooling == "mean"
    segment = EmotionPipeline.from_pretrained(run.path)(text="you are very happy")[0]
    assert segment.label == "joy"


def test_a_run_that_is_judged_on_what_the_encoder_has_seen_is_refused(
    talk: Manifest, tuned_here: Path, tmp_path: Path
) -> None:
    other = settings_of(talk, {"name": str(tuned_here)}, data__fold=1)
    test = choose_split(other, talk).test
    seen = seen_by(EncoderSpec(modality="text", name=str(tuned_here)), talk, test)
    split = choose_split(settings_of(talk, {"name": str(tuned_here)}), talk)
    assert seen == sorted({*split.train, *split.val} & set(test))
    assert seen
    with pytest.raises(EmofuseError, match=rf"leak: the text encoder .* {len(seen)} of the {len(test)} "):
        fit_run(other, talk, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_other_ids_do_not_hide_the_leak(talk: Manifest, tuned_here: Path, tmp_path: Path) -> None:
    renamed = Manifest.from_frame(talk.frame.assign(id=[f"x{n}" for n in range(len(talk))]), tmp_path)
    renamed.write(tmp_path / "manifest.csv")
    renamed = Manifest.read(tmp_path / "manifest.csv").validate()
    with pytest.raises(EmofuseError, match="leak"):
        fit_run(settings_of(renamed, {"name": str(tuned_here)}, data__fold=1), renamed, tmp_path / "run")


def test_scoring_another_manifest_names_what_the_encoder_has_seen(
    talk: Manifest, tuned_here: Path, tmp_path: Path
) -> None:
    settings = settings_of(talk, {"name": str(tuned_here)}, optimiser__epochs=1)
    run = fit_run(settings, talk, tmp_path / "run")
    renamed = Manifest.from_frame(talk.frame.assign(id=[f"x{n}" for n in range(len(talk))]), tmp_path)
    [warning] = evaluate_on(run, renamed).shared
    assert warning.startswith("the text encoder was fine-tuned on ")
    split = run.read_split()
    unseen = talk.select(split.test)
    assert evaluate_on(run, unseen).shared == []


def test_an_encoder_for_words_is_none_for_voices(talk: Manifest, tuned_here: Path) -> None:
    from emofuse.encoders import create_encoder

    with pytest.raises(EmofuseError, match="was fine-tuned for text, not audio"):
        create_encoder(EncoderSpec(modality="audio", name=str(tuned_here)))


def test_a_damaged_record_is_one_line(talk: Manifest, tuned_here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    for file in tuned_here.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / RECORD_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(EmofuseError, match=r"damaged .*fine-tune again"):
        fit_run(settings_of(talk, {"name": str(folder)}), talk, tmp_path / "run")


def test_stage_one_runs_inside_every_fold_on_its_own_training_part(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    settings = settings_of(talk, {"name": str(bert_folder), "finetune": TUNING}, data__folds=2)
    outcome = cross_validate(settings, talk, tmp_path / "cv")
    assert not outcome.failed
    revisions = set()
    for fold in outcome.folds:
        encoder = fold.folder.path / "encoders" / "text"
        record = read_fine_tuned(encoder)
        assert record is not None
        assert record.fold == fold.number
        split = fold.folder.read_split()
        parts = json.loads((encoder / "split.json").read_text(encoding="utf-8"))
        assert sorted(parts["train"]) == sorted(split.train)
        assert not seen_by(EncoderSpec(modality="text", name=str(encoder)), talk, split.test)
        revisions.add(fold.folder.read_record().encoders["text"].identity.revision)
    assert len(revisions) == 2
    assert outcome.means is not None
    assert outcome.means.metrics["weighted_f1"].mean > 0.85


def test_runs_on_one_fold_share_stage_one_where_they_are_told_to(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    encoder = {"name": str(bert_folder), "finetune": TUNING | {"epochs": 1}}
    shared = {"data__stage_one": str(tmp_path / "shared"), "optimiser__epochs": 1}
    one = fit_run(settings_of(talk, encoder, **shared), talk, tmp_path / "one")
    [folder] = (tmp_path / "shared").iterdir()
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    two = fit_run(
        settings_of(talk, encoder, optimiser__learning_rate=0.001, **shared), talk, tmp_path / "two"
    )
    assert list((tmp_path / "shared").iterdir()) == [folder]
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    identities = [run.read_record().encoders["text"].identity for run in (one, two)]
    assert identities[0] == identities[1]
    fit_run(settings_of(talk, encoder, data__fold=1, **shared), talk, tmp_path / "three")
    assert len(list((tmp_path / "shared").iterdir())) == 2
    # A run folder is enough by itself.
    for file in folder.iterdir():
        file.unlink()
    assert EmotionPipeline.from_pretrained(two.path)(text="not happy")


def test_an_untuned_encoder_is_not_taken_for_a_tuned_one(bert_folder: Path, talk: Manifest) -> None:
    from emofuse.encoders import create_encoder

    spec = EncoderSpec.model_validate({"modality": "text", "name": str(bert_folder), "finetune": TUNING})
    with pytest.raises(EmofuseError, match="must be fine-tuned first"):
        create_encoder(spec)
    assert seen_by(EncoderSpec(modality="text", name="hashed-ngrams"), talk, talk.ids) == []
    assert seen_by(EncoderSpec(modality="text", name=str(bert_folder)), talk, talk.ids) == []


def test_the_command_fine_tunes_and_train_takes_its_folder(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    runner, manifest, folder = CliRunner(), str(talk.root / "manifest.csv"), str(tmp_path / "tuned")
    command = [
        "finetune",
        "text",
        manifest,
        "--model",
        str(bert_folder),
        "-o",
        folder,
        "--folds",
        "3",
        "--quiet",
    ]
    command += ["--epochs", "3", "--lr", "3e-3", "--batch-size", "8", "--set", "head_learning_rate=0.01"]
    found = runner.invoke(app, [*command, "--context-before", "1", "--speakers", "--json"])
    assert found.exit_code == 0, found.output
    assert set(json.loads(found.stdout)["scores"]) == {"val", "test"}
    taken = runner.invoke(app, command)
    assert isinstance(taken.exception, EmofuseError)
    again = runner.invoke(app, [*command, "--context-before", "1", "--speakers", "--resume"])
    assert "emofuse train DATA --text-encoder" in again.stdout
    train = ["train", manifest, "--modalities", "text", "--text-encoder", folder, "--folds", "3", "--quiet"]
    train += ["--epochs", "1", "--device", "cpu"]
    found = runner.invoke(app, [*train, "--out", str(tmp_path / "run"), "--json"])
    assert found.exit_code == 0, found.output
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["encoders"]["text"]["identity"]["sampling"]["context_before"] == 1
    leaky = runner.invoke(app, [*train, "--fold", "1", "--out", str(tmp_path / "leaky")])
    assert isinstance(leaky.exception, EmofuseError)
    assert "leak" in str(leaky.exception)
    assert pd.read_parquet(tmp_path / "run" / "predictions.parquet")["part"].isin(["val", "test"]).all()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["smell", "m.csv", "--model", "x"], "give text, audio or video"),
        (["text", "m.csv", "--model", "hashed-ngrams"], "has no use for finetune"),
        (["text", "m.csv", "--model", "x", "--set", "epoch=3"], "encoders.text.finetune.epoch"),
        (["text", "m.csv", "--model", "x", "--set", "noise_snr"], "write it as name=value"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], line: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["finetune", *arguments, "-o", str(tmp_path / "x")])
    assert isinstance(result.exception, EmofuseError)
    assert line in str(result.exception)
