import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.cross_fitted import CROSS_FIT_FILE, part_folder, read_cross_fit
from emofuse.encoders.fine_tuning import FineTuneSettings, read_fine_tuned
from emofuse.errors import EmofuseError
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.runs.corpus import choose_split
from emofuse.runs.features import encode, feature_store_of
from emofuse.training.finetuning import cross_fit_job, fine_tune
from emofuse.training.finetuning.cross_fitting import cross_fit_groups
from emofuse.training.fit import fit_run
from tests.training.finetuning.test_stage_one import TUNING, settings_of

QUICK = {**TUNING, "epochs": 3}


@pytest.fixture(scope="module")
def cross_fitted(talk: Manifest, bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interrupted when the first of two groups was done, and taken up."""
    settings = settings_of(talk, {"name": str(bert_folder), "finetune": {**QUICK, "cross_fit": 2}})
    split, folder = choose_split(settings, talk), tmp_path_factory.mktemp("crossed") / "encoder"
    spec = settings.encoder("text")
    assert isinstance(spec, EncoderSpec)

    def stop(done: int, total: int, what: str) -> None:
        if (part_folder(folder, 1) / "history.csv").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(spec, talk, split, folder, protocol="speaker", progress=stop)
    assert read_fine_tuned(part_folder(folder, 0)) is not None
    assert read_fine_tuned(folder) is None
    first = (part_folder(folder, 0) / "model.safetensors").stat().st_mtime_ns
    fine_tune(spec, talk, split, folder, protocol="speaker", resume=True)
    assert (part_folder(folder, 0) / "model.safetensors").stat().st_mtime_ns == first
    return folder


def test_several_at_once_make_the_same_encoders(
    talk: Manifest, bert_folder: Path, cross_fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(talk, {"name": str(bert_folder), "finetune": {**QUICK, "cross_fit": 2}})
    asked = []

    def run_here(tasks, jobs, *, finished):  # type: ignore[no-untyped-def]
        """What a process of its own would be handed, without the seconds that it takes to start."""
        asked.append(jobs)
        for folder, task in tasks.items():
            pickle.loads(pickle.dumps(task))(folder)
            finished(folder, 0)

    monkeypatch.setattr(cross_fit_job, "run_in_processes", run_here)
    spec = settings.encoder("text")
    assert isinstance(spec, EncoderSpec)
    told = []
    fine_tune(
        spec,
        talk,
        choose_split(settings, talk),
        tmp_path,
        protocol="speaker",
        jobs=2,
        progress=lambda done, total, what: told.append((done, total, what)),
    )
    assert asked == [2]
    assert (2, 2, "encoders of the cross-fitting") in told
    for number in (0, 1):
        one, other = (
            load_file(part_folder(folder, number) / "model.safetensors")
            for folder in (cross_fitted, tmp_path)
        )
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert read_cross_fit(tmp_path) == read_cross_fit(cross_fitted)


def test_each_training_utterance_is_encoded_by_an_encoder_that_has_not_seen_it(
    talk: Manifest, cross_fitted: Path, tmp_path: Path
) -> None:
    settings = settings_of(talk, {"name": str(cross_fitted)}, data__features=str(tmp_path / "features"))
    split, record = choose_split(settings, talk), read_cross_fit(cross_fitted)
    assert record is not None
    assert set(record.held_out) == set(split.train)
    encoded = encode(
        talk,
        settings.encoder("text"),
        feature_store_of(settings, talk),
        device="cpu",
        quarantine=Quarantine(tmp_path / "quarantine.csv"),
        workers=0,
    )
    for number in (0, 1):
        part = json.loads((part_folder(cross_fitted, number) / "split.json").read_text())
        held = [id for id, group in record.held_out.items() if group == number]
        assert not set(part["train"]) & set(held)
        assert not {*part["train"], *part["val"], *part["test"]} & set(split.test)
        own = create_encoder(EncoderSpec(modality="text", name=str(part_folder(cross_fitted, number))))
        np.testing.assert_allclose(
            encoded.reader[held[0]], own.encode([talk.utterance(held[0]).text])[0], atol=1e-5
        )
    whole = create_encoder(EncoderSpec(modality="text", name=str(cross_fitted)))
    for id in (split.val[0], split.test[0]):
        np.testing.assert_allclose(encoded.reader[id], whole.encode([talk.utterance(id).text])[0], atol=1e-5)
    assert encoded.identity.digest == whole.identity.digest


def test_the_rest_may_be_read_by_the_mean_of_their_weights(
    talk: Manifest, bert_folder: Path, cross_fitted: Path, tmp_path: Path
) -> None:
    """The encoders of the groups are those of the other way, so only the last one differs."""
    folder = tmp_path / "encoder"
    shutil.copytree(part_folder(cross_fitted, 0).parent, part_folder(folder, 0).parent)
    finetune = {**QUICK, "cross_fit": 2, "cross_fit_rest": "mean"}
    settings = settings_of(talk, {"name": str(bert_folder), "finetune": finetune})
    spec = settings.encoder("text")
    assert isinstance(spec, EncoderSpec)
    tuned = fine_tune(spec, talk, choose_split(settings, talk), folder, protocol="speaker", resume=True)
    assert tuned.record.best_epoch is None
    parts = [load_file(part_folder(folder, number) / "model.safetensors") for number in (0, 1)]
    mean = load_file(folder / "model.safetensors")
    assert mean.keys() == parts[0].keys()
    for name, weight in mean.items():
        torch.testing.assert_close(weight, (parts[0][name] + parts[1][name]) / 2)
    record = read_cross_fit(folder)
    assert record is not None
    assert "by the mean of the encoders' weights" in record.line
    assert record.held_out == read_cross_fit(cross_fitted).held_out  # type: ignore[union-attr]
    with pytest.raises(ValidationError, match="set cross_fit too"):
        FineTuneSettings(cross_fit_rest="mean")


def test_a_run_says_how_much_surer_the_encoder_is_of_what_it_has_seen(
    talk: Manifest, cross_fitted: Path, tmp_path: Path
) -> None:
    run = fit_run(settings_of(talk, {"name": str(cross_fitted)}), talk, tmp_path / "run")
    outcome = evaluate_fit(run, talk)
    text = write_run_report(outcome, talk).markdown.read_text(encoding="utf-8")
    assert "by encoders that had not seen the speaker" in text
    assert not (run.path / "encoders" / "text" / CROSS_FIT_FILE).exists()
    record = read_cross_fit(cross_fitted)
    assert record is not None
    assert 0 < record.held_out_f1 <= record.trained_f1 <= 1


def test_groups_keep_speakers_or_dialogues_whole(talk: Manifest) -> None:
    for by_speaker, column in ((True, "speaker"), (False, "dialogue")):
        groups, kind = cross_fit_groups(talk, talk.ids, 3, 0, by_speaker=by_speaker)
        assert kind == column
        assert set(groups.values()) == {0, 1, 2}
        frame = talk.frame.assign(group=[groups[id] for id in talk.frame["id"]])
        assert (frame.groupby(column)["group"].nunique() == 1).all()
    with pytest.raises(EmofuseError, match="cross_fit 5 is more than the 3 utterances"):
        cross_fit_groups(talk, talk.ids[:3], 5, 0, by_speaker=True)


@pytest.mark.parametrize("content", ["{", '{"held_out": {"a": 7}, "count": 2}', "[]"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / CROSS_FIT_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(EmofuseError, match="fine-tune again"):
        read_cross_fit(tmp_path)
