"""Fit one split: from settings and a manifest to a run folder with the best weights in it."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from torch import nn

from emofuse.corpora.demo import is_demo_corpus
from emofuse.data import Modality
from emofuse.data.dataset import EpochShuffle, make_loader
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import copy_encoder
from emofuse.errors import EmofuseError
from emofuse.evaluation import PROTOCOLS, Split
from emofuse.training.callbacks import History, SeedEachEpoch, StayStopped
from emofuse.training.config import RunSettings
from emofuse.training.module import EmotionModule
from emofuse.training.preparation import (
    EncodedModality,
    Progress,
    assemble_model,
    balanced_class_weights,
    choose_device,
    choose_modalities,
    choose_split,
    dataset_of,
    encode,
    feature_store_of,
)
from emofuse.training.run_folder import EncoderRecord, RunFolder, RunRecord, environment
from emofuse.training.stage_one import encoders_of_run


def fit_run(
    settings: RunSettings,
    manifest: Manifest,
    path: Path | str,
    *,
    split: Split | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    bars: bool = False,
) -> RunFolder:
    """Train a system on one split of a corpus and keep its best weights.

    Args:
        settings: all that decides the numbers.
        manifest: a validated corpus.
        path: the run folder; must be new unless ``resume``.
        split: train, val and test ids; by default the fold that the settings name.
        resume: take up an interrupted run; ends in the numbers of an uninterrupted one.
        progress: told (done, total, what) while features are extracted.
        bars: draw a progress bar while training.

    Raises:
        EmofuseError: the folder is taken, settings differ from those of the run to resume, the split has
            an empty part, the manifest lacks a modality asked for, or an encoder has seen the test part.
    """
    folder = RunFolder(Path(path))
    _claim(folder, settings, resume)
    split = split or choose_split(settings, manifest)
    _check_parts(split)
    if folder.weights_file.exists():
        return folder
    modalities = choose_modalities(settings, manifest)
    device = choose_device(settings.device)
    quarantine = Quarantine(folder.quarantine_file)
    encoders = encoders_of_run(settings, manifest, split, folder, modalities, progress)
    encoded: dict[Modality, EncodedModality] = {}
    for modality in modalities:
        if modality != "video":
            encoded[modality] = encode(
                manifest,
                encoders[modality],
                feature_store_of(settings, manifest),
                device=device,
                quarantine=quarantine,
                workers=settings.data.workers,
                progress=progress,
            )
    L.seed_everything(settings.seed, verbose=False)
    model = assemble_model(settings, manifest.labels, modalities, encoded, split.train)
    record = _new_record(settings, manifest, model, encoded)
    folder.write_split(split)
    folder.write_record(record)
    _copy_encoders(record, folder)
    began = time.perf_counter()
    best_epoch = _fit_weights(settings, manifest, split, model, encoded, folder, quarantine, device, bars)
    folder.save_weights(model)
    finished = {"status": "fitted", "best_epoch": best_epoch, "fit_seconds": time.perf_counter() - began}
    folder.write_record(record.model_copy(update=finished))
    _drop_checkpoints(folder)
    return folder


def _claim(folder: RunFolder, settings: RunSettings, resume: bool) -> None:
    config = folder.path / "config.yaml"
    if not config.exists():
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_settings(settings)
        return
    if not resume:
        raise EmofuseError(
            f"{folder.path}: holds a run already; choose another folder, or add --resume to take it up"
        )
    if folder.read_settings() != settings:
        raise EmofuseError(
            f"{config}: the run to resume was started with other settings; repeat them or choose a new folder"
        )


def _check_parts(split: Split) -> None:
    for name, ids in (("training", split.train), ("validation", split.val), ("test", split.test)):
        if not ids:
            raise EmofuseError(f"the {name} part is empty: too few labelled rows or groups for this protocol")


def _new_record(
    settings: RunSettings, manifest: Manifest, model: nn.Module, encoded: dict[Modality, EncodedModality]
) -> RunRecord:
    config: Any = model.config
    return RunRecord.model_validate(
        environment()
        | {
            "seed": settings.seed,
            "labels": manifest.labels,
            "model_name": settings.model.name,
            "model_config": config.model_dump(mode="json"),
            "parameters": sum(p.numel() for p in model.parameters()),
            "encoders": {
                m: EncoderRecord(spec=part.spec, identity=part.identity) for m, part in encoded.items()
            },
            "data_fingerprint": manifest.fingerprint(),
            "protocol": settings.data.protocol,
            "optimistic": PROTOCOLS[settings.data.protocol].optimistic,
            "synthetic": is_demo_corpus(manifest),
        }
    )


def _copy_encoders(record: RunRecord, folder: RunFolder) -> None:
    """Encoders given as local folders are kept in the run, so that it needs nothing else."""
    for modality, part in record.encoders.items():
        copy_encoder(part.spec, folder.encoder_folder(modality))


def _fit_weights(
    settings: RunSettings,
    manifest: Manifest,
    split: Split,
    model: nn.Module,
    encoded: dict[Modality, EncodedModality],
    folder: RunFolder,
    quarantine: Quarantine,
    device: str,
    bars: bool,
) -> int:
    """Train ``model`` in place, leave its best weights in it, and return the epoch that they are from."""
    optimiser = settings.optimiser
    readers = {modality: part.reader for modality, part in encoded.items()}
    train = [manifest.utterance(i) for i in split.train]
    val = [manifest.utterance(i) for i in split.val]
    train_loader = make_loader(
        dataset_of(train, model, readers, manifest.labels),
        optimiser.batch_size,
        shuffle_seed=settings.seed,
        workers=settings.data.workers,
    )
    val_loader = make_loader(
        dataset_of(val, model, readers, manifest.labels), optimiser.batch_size, workers=settings.data.workers
    )
    weights = None
    if optimiser.class_weights == "balanced":
        weights = balanced_class_weights([u.label for u in train if u.label is not None], manifest.labels)
    module = EmotionModule(model, optimiser, weights, quarantine)
    mode = "min" if optimiser.monitor == "val_loss" else "max"
    early = EarlyStopping(optimiser.monitor, mode=mode, patience=optimiser.patience)
    best = _checkpoint(folder, "best", monitor=optimiser.monitor, mode=mode)
    last = _checkpoint(folder, "last")
    callbacks: list[Callback] = [
        SeedEachEpoch(settings.seed),
        History(folder.history_file),
        early,
        StayStopped(early),
        best,
        last,
    ]
    with _quiet_lightning():
        trainer = L.Trainer(
            max_epochs=optimiser.epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision=_precision(settings, device),
            callbacks=callbacks + ([RichProgressBar(leave=False)] if bars else []),
            gradient_clip_val=optimiser.gradient_clip or None,
            logger=False,
            enable_progress_bar=bars,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic="warn",
        )
        interrupted = folder.checkpoints / "last.ckpt"
        resume_from = interrupted if interrupted.exists() else None
        # The trainer draws the first order before any callback can say which epoch it resumes at.
        if resume_from is not None and isinstance(train_loader.sampler, EpochShuffle):
            train_loader.sampler.begin_epoch(_epoch_of(resume_from) + 1)
        trainer.fit(module, train_loader, val_loader, ckpt_path=resume_from, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    return int(state["epoch"])


def _epoch_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"])


def _checkpoint(folder: RunFolder, name: str, **monitored: str) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder.checkpoints,
        filename=name,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        **monitored,
    )


def _precision(settings: RunSettings, device: str) -> str:
    if settings.precision == "auto":
        return "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if settings.precision == "bf16" else "32-true"


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's hints on loggers and workers are for its own users, not for ours."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)


def _drop_checkpoints(folder: RunFolder) -> None:
    for file in folder.checkpoints.glob("*.ckpt"):
        file.unlink()
    folder.checkpoints.rmdir()
