import shutil
import warnings
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.inference import familiarity
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.classification import balanced_class_weights
from emofuse.runs.corpus import choose_split
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.run_folder import RunFolder
from emofuse.training.callbacks import History
from emofuse.training.fit import fit_run
from emofuse.training.module import EmotionModule
from tests.small_corpus import make_corpus, small_settings


def weights_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.weights_file)


def history_of(folder: RunFolder) -> pd.DataFrame:
    return pd.read_csv(folder.history_file).drop(columns="seconds")


def same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def uninterrupted(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return fit_run(small_settings(corpus), corpus, tmp_path_factory.mktemp("runs") / "whole")


def test_pictures_are_decoded_for_familiarity_where_a_run_is_kept(
    corpus: Manifest, uninterrupted: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []
    monkeypatch.setattr(familiarity, "fit_familiarity", lambda train, val: fitted.append(len(train)))
    folder = RunFolder(shutil.copytree(uninterrupted.path, tmp_path / "run"))
    evaluate_fit(folder, corpus, kept=False)
    assert len(fitted) == 2  # of words and sound, whose features are there
    evaluate_fit(folder, corpus)
    assert fitted[2:] == [*fitted[:2], len(uninterrupted.read_split().train)]


def test_a_run_folder_records_all_that_decided_its_numbers(
    corpus: Manifest, uninterrupted: RunFolder
) -> None:
    record = uninterrupted.read_record()
    assert record.labels == ["anger", "joy", "sadness"]
    assert record.seed == 0
    assert record.data_fingerprint == corpus.fingerprint()
    assert (
        record.packages["torch"] == torch.__version__.split("+")[0]
        or torch.__version__ in record.packages["torch"]
    )
    assert set(record.encoders) == {"text", "audio"}
    assert record.status == "fitted"
    assert uninterrupted.read_settings() == small_settings(corpus)
    split = uninterrupted.read_split()
    assert set(split.train) | set(split.val) | set(split.test) == set(corpus.ids)
    assert not uninterrupted.checkpoints.exists()
    assert list(history_of(uninterrupted)["epoch"]) == [0, 1, 2]


def test_seeds_share_a_split_and_the_split_has_a_seed_of_its_own(corpus: Manifest) -> None:
    drawn = [
        choose_split(small_settings(corpus, seed=seed, **{"data.split_seed": split_seed}), corpus)
        for seed, split_seed in ((0, 0), (7, 0), (0, 7))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    corpus: Manifest, uninterrupted: RunFolder, tmp_path: Path
) -> None:
    again = fit_run(small_settings(corpus), corpus, tmp_path / "again")
    other = fit_run(small_settings(corpus, seed=1), corpus, tmp_path / "other")
    assert same_weights(weights_of(uninterrupted), weights_of(again))
    assert not same_weights(weights_of(uninterrupted), weights_of(other))


@pytest.mark.parametrize(
    "moment", ["in the first epoch", "in the middle of an epoch", "between two epochs", "at the end"]
)
def test_a_resumed_run_gives_what_an_uninterrupted_one_would_have(
    corpus: Manifest, uninterrupted: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(History, "seconds_aside", -1000.0, raising=False)  # its epochs took so much longer
        _interrupt(patch, moment)
        with pytest.raises((RuntimeError, KeyboardInterrupt, SystemExit)):
            fit_run(small_settings(corpus), corpus, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()
    torch.manual_seed(12345)  # whatever state the process is in when it takes the run up
    resumed = fit_run(small_settings(corpus), corpus, tmp_path / "run", resume=True)
    assert same_weights(weights_of(uninterrupted), weights_of(resumed))
    pd.testing.assert_frame_equal(history_of(uninterrupted), history_of(resumed))
    assert resumed.read_record().best_epoch == uninterrupted.read_record().best_epoch
    kept = {"in the first epoch": 0, "in the middle of an epoch": 1, "between two epochs": 2, "at the end": 3}
    assert (resumed.read_record().fit_seconds or 0) // 1000 == kept[moment]


def test_worker_processes_change_nothing_in_a_whole_or_a_resumed_run(
    corpus: Manifest, uninterrupted: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(corpus, data__workers=1)
    whole = fit_run(settings, corpus, tmp_path / "whole")
    assert same_weights(weights_of(uninterrupted), weights_of(whole))
    with monkeypatch.context() as patch:
        _interrupt(patch, "in the middle of an epoch")
        with pytest.raises(RuntimeError):
            fit_run(settings, corpus, tmp_path / "run")
    resumed = fit_run(settings, corpus, tmp_path / "run", resume=True)
    assert same_weights(weights_of(uninterrupted), weights_of(resumed))
    pd.testing.assert_frame_equal(history_of(uninterrupted), history_of(resumed))


def _interrupt(patch: pytest.MonkeyPatch, moment: str) -> None:
    step, epoch_start, save = (
        EmotionModule.training_step,
        History.on_train_epoch_start,
        RunFolder.save_weights,
    )

    def broken_step(self: EmotionModule, batch: object, batch_idx: int) -> torch.Tensor:
        stop_epoch = 0 if moment == "in the first epoch" else 1
        if self.current_epoch == stop_epoch and batch_idx == 1:
            raise RuntimeError("power cut")
        return step(self, batch, batch_idx)  # type: ignore[arg-type]

    def broken_start(self: History, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt
        epoch_start(self, trainer, pl_module)

    def broken_save(self: RunFolder, model: torch.nn.Module) -> None:
        raise RuntimeError("power cut")

    if moment == "between two epochs":
        patch.setattr(History, "on_train_epoch_start", broken_start)
    elif moment == "at the end":
        patch.setattr(RunFolder, "save_weights", broken_save)
    else:
        patch.setattr(EmotionModule, "training_step", broken_step)
    assert save is not None


def test_a_run_that_early_stopping_had_ended_stays_ended(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(
        corpus, optimiser__patience=1, optimiser__epochs=8, optimiser__learning_rate=1e-9
    )
    whole = fit_run(settings, corpus, tmp_path / "whole")
    assert len(history_of(whole)) < 8
    with monkeypatch.context() as patch:
        _interrupt(patch, "at the end")
        with pytest.raises(RuntimeError):
            fit_run(settings, corpus, tmp_path / "cut")
    resumed = fit_run(settings, corpus, tmp_path / "cut", resume=True)
    pd.testing.assert_frame_equal(history_of(whole), history_of(resumed))
    assert same_weights(weights_of(whole), weights_of(resumed))


def test_the_best_epoch_is_kept_and_not_the_last(corpus: Manifest, tmp_path: Path) -> None:
    settings = small_settings(
        corpus, optimiser__epochs=6, optimiser__learning_rate=0.05, optimiser__patience=6
    )
    folder = fit_run(settings, corpus, tmp_path / "run")
    history = history_of(folder)
    best = int(history["val_weighted_f1"].to_numpy().argmax())
    assert folder.read_record().best_epoch == best
    outcome = evaluate_fit(folder, corpus)
    assert outcome.val.weighted_f1 == pytest.approx(history["val_weighted_f1"][best])


def test_a_taken_folder_and_changed_settings_are_refused(
    corpus: Manifest, uninterrupted: RunFolder, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(uninterrupted.path, copy)
    with locked_folder(copy), pytest.raises(EmofuseError, match="another job is under way"):
        fit_run(small_settings(corpus), corpus, copy)
    with pytest.raises(EmofuseError, match="holds a run already"):
        fit_run(small_settings(corpus), corpus, copy)
    with pytest.raises(EmofuseError, match="other settings"):
        fit_run(small_settings(corpus, seed=3), corpus, copy, resume=True)
    before = weights_of(uninterrupted)
    assert same_weights(before, weights_of(fit_run(small_settings(corpus), corpus, copy, resume=True)))


def test_a_broken_clip_is_set_aside_and_the_run_goes_on(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path / "corpus")
    (tmp_path / "corpus" / "clips" / "d0_t0.mp4").write_bytes(b"not a video at all")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        folder = fit_run(small_settings(manifest, optimiser__epochs=1), manifest, tmp_path / "run")
        outcome = evaluate_fit(folder, manifest)
    table = pd.read_csv(folder.quarantine_file)
    assert set(table["id"]) == {"d0t0"}
    assert set(table["modality"]) == {"audio", "video"}
    assert outcome.test.n + outcome.val.n + len(folder.read_split().train) == len(manifest)


def test_a_modality_that_the_corpus_lacks_is_named(corpus: Manifest, tmp_path: Path) -> None:
    frame = corpus.frame.assign(video=None)
    text_only = Manifest.from_frame(frame, corpus.root)
    with pytest.raises(EmofuseError, match="no audio and no video; it has: text"):
        fit_run(
            small_settings(text_only, model__modalities=["text", "audio", "video"]), text_only, tmp_path / "a"
        )
    folder = fit_run(small_settings(text_only), text_only, tmp_path / "b")
    assert folder.read_record().model_config_["modalities"] == ["text"]


def test_a_fold_that_does_not_exist_is_named(corpus: Manifest, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="no fold 7"):
        fit_run(small_settings(corpus, data__fold=7), corpus, tmp_path / "run")


def test_balanced_weights_are_inverse_frequencies() -> None:
    weights = balanced_class_weights(["a", "a", "a", "b"], ["a", "b", "c"])
    np.testing.assert_allclose(weights, [4 / (3 * 3), 4 / (3 * 1), 0.0])


def test_scalers_see_the_training_part_alone(corpus: Manifest, uninterrupted: RunFolder) -> None:
    from emofuse.runs.features import readers_of

    record = uninterrupted.read_record()
    readers = readers_of(uninterrupted, record, corpus)
    train = np.stack([readers["audio"][id] for id in uninterrupted.read_split().train]).astype(np.float64)
    scaler = uninterrupted.load_model(record).get_submodule("scalers.audio")
    np.testing.assert_allclose(scaler.mean, train.mean(axis=0), rtol=1e-4, atol=1e-4)


def test_a_clip_that_was_mended_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = make_corpus(tmp_path / "corpus")
    clip = tmp_path / "corpus" / "clips" / "d0_t0.mp4"
    whole = clip.read_bytes()
    clip.write_bytes(b"not a video at all")
    settings = small_settings(manifest, optimiser__epochs=1)
    with monkeypatch.context() as patch:
        _interrupt(patch, "at the end")
        with pytest.raises(RuntimeError):
            fit_run(settings, manifest, tmp_path / "run")
    assert len(pd.read_csv(tmp_path / "run" / "quarantine.csv")) == 2
    for checkpoint in (tmp_path / "run" / "checkpoints").iterdir():
        checkpoint.unlink()
    clip.write_bytes(whole)
    folder = fit_run(settings, manifest, tmp_path / "run", resume=True)
    assert pd.read_csv(folder.quarantine_file).empty
