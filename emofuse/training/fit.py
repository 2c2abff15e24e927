"""Fit one split: from settings and a manifest to a run folder with the best weights in it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import lightning as L
from torch import nn

from emofuse.corpora.demo import is_demo_corpus
from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.data.output_paths import check_new_folder
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import copy_encoder
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.evaluation import PROTOCOLS, Split
from emofuse.features.augmented import AugmentedFeatures
from emofuse.inference.baselines.pool import fit_linear_pool
from emofuse.runs.claimed_folder import Kind, refuse_other_kind
from emofuse.runs.corpus import Progress, choose_device, choose_split
from emofuse.runs.corpus_identity import CorpusIdentity, claim_corpus
from emofuse.runs.features import encode_copies, encode_modalities
from emofuse.runs.folder_lock import locked_folder, refuse_another_job
from emofuse.runs.modalities import (
    IMPORTED,
    EncodedModality,
    choose_encoders,
    choose_modalities,
)
from emofuse.runs.normalisation import check_normalise, normalise_encoded, write_statistics
from emofuse.runs.run_folder import RunFolder, fingerprints_below
from emofuse.runs.run_record import EncoderRecord, RunRecord, environment
from emofuse.runs.same_settings import check_same_settings
from emofuse.runs.settings import RunSettings
from emofuse.runs.stored_results import read_history
from emofuse.runs.tasks import Task, task_of
from emofuse.runs.threads import torch_threads
from emofuse.runs.unlearnt import unlearnt_line
from emofuse.training.assembly import assemble_model
from emofuse.training.checkpoints import drop_checkpoints
from emofuse.training.compiling import check_compile
from emofuse.training.end_to_end import check_end_to_end, join_encoders
from emofuse.training.end_to_end.keeping import keep_encoders
from emofuse.training.end_to_end.preparing import without_end_to_end
from emofuse.training.loop import TrainingLoop
from emofuse.training.objective import check_objective
from emofuse.training.processes import Processes, is_first, main_process_first, wait_for_all
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

    With ``settings.devices`` above 1 a process is started for each of them, by spawn: a script that calls this keeps
    its own work under ``if __name__ == "__main__"``. With torchrun, each of its processes calls this with the same
    arguments, and all see the corpus and ``path``; the first encodes and writes, and all return when that is done.

    Args:
        settings: all that decides the numbers.
        manifest: a validated corpus.
        path: the run folder; must be new unless ``resume``.
        split: train, val and test ids; by default the fold that the settings name.
        resume: take up an interrupted run; ends in the numbers of an uninterrupted one.
        progress: called with (done, total, what) while features are extracted.
        bars: draw a progress bar while training.

    Raises:
        EmofuseError: the folder is taken, settings differ from those of the run to resume, the split has
            an empty part, the manifest lacks a modality asked for, an encoder has seen the test part, or there
            are fewer devices than asked for.
    """
    folder = RunFolder(Path(path))
    check_new_folder(folder.path)
    with main_process_first():
        if is_first():
            refuse_another_job(folder.path)
        begun = _is_begun(folder, settings, manifest, resume)
    task = task_of(settings, manifest)
    check_objective(settings.model.name, task, settings.optimiser)
    parts = _split_of_run(folder, split, settings, manifest, begun)
    _check_parts(parts)
    _warn_of_unlearnt(task, manifest, parts)
    check_normalise(settings, manifest, choose_modalities(settings, manifest))
    processes = Processes(settings.devices, settings.nodes)
    processes.check(choose_device(settings.device))
    if settings.test_scores and processes.count > 1:
        raise EmofuseError(
            "setting test_scores: is for one device; leave it out, or leave out devices and nodes"
        )
    with torch_threads(settings.threads), _lock_run(folder):
        # What was looked at before the lock may have changed since.
        begun = begun or _is_begun(folder, settings, manifest, resume)
        parts = _split_of_run(folder, split, settings, manifest, begun)
        _fit(settings, manifest, folder, parts, begun, progress, bars)
        if settings.linear_pool and is_first():
            fit_linear_pool(folder, manifest, progress)
        wait_for_all()
    return folder


def _lock_run(folder: RunFolder) -> AbstractContextManager[None]:
    """The first of torchrun's processes holds the lock for all."""
    return locked_folder(folder.path) if is_first() else nullcontext()


def _fit(
    settings: RunSettings,
    manifest: Manifest,
    folder: RunFolder,
    split: Split,
    begun: bool,
    progress: Progress | None,
    bars: bool,
) -> None:
    """Encode, train and keep the best weights, in a folder that is locked."""
    task, device = task_of(settings, manifest), choose_device(settings.device)
    modalities = choose_modalities(settings, manifest)
    with main_process_first():
        if folder.weights_file.exists():
            if is_first():
                drop_checkpoints(folder.checkpoints)  # a kill may have come just before
            return
        quarantine = Quarantine(folder.quarantine_file)
        specs = choose_encoders(settings, manifest, modalities)
        check_end_to_end(settings, specs)
        specs = encoders_of_run(settings, manifest, split, folder, specs, progress)
        # The others find it done, and need no GPU for that.
        place = device if is_first() else "cpu"
        encoded = encode_modalities(
            settings, manifest, without_end_to_end(specs), place, quarantine, progress
        )
        encoded = encode_copies(settings, manifest, set(split.train), encoded, place, quarantine, progress)
    encoded = normalise_encoded(settings, manifest, split, encoded)
    L.seed_everything(settings.seed, verbose=False)
    model = assemble_model(settings, task, modalities, encoded, split.train)
    if settings.compile:
        check_compile(model, device)
    with main_process_first():
        joint = join_encoders(settings, manifest, specs, encoded, model, place, quarantine, progress)
    record = _new_record(settings, manifest, task, model, encoded)
    if is_first():
        if not begun:
            _begin(folder, settings, manifest, split)
        folder.write_record(record)
        write_statistics(folder, encoded)
        _copy_encoders(record, folder, () if joint is None else joint.places)
    began = time.perf_counter()
    readers = {modality: part.reader for modality, part in encoded.items()}
    augmented = {
        modality: AugmentedFeatures(part.reader, part.copies, split.train, settings.seed)
        for modality, part in encoded.items()
        if part.copies
    }
    loop = TrainingLoop(
        settings, manifest, split, task, model, readers, folder, quarantine, device, bars, augmented, joint
    )
    before = _epoch_seconds(folder)
    best_epoch = loop.run()
    wait_for_all()  # all have read the best weights
    if is_first():
        if joint is not None:
            record = keep_encoders(joint, record, specs, settings, manifest, split, best_epoch, folder)
        seconds = _earlier_seconds(before, folder) + time.perf_counter() - began
        finished = {"status": "fitted", "best_epoch": best_epoch, "fit_seconds": seconds}
        folder.write_record(record.model_copy(update=finished))
        folder.save_weights(model)  # after the record, since they say that the run is finished
        drop_checkpoints(folder.checkpoints)
    wait_for_all()


def _epoch_seconds(folder: RunFolder) -> dict[int, float]:
    """Epoch → what it took, by history.csv; nothing where it is not there, or cannot be read, as it is written anew."""
    try:
        table = read_history(folder.history_file, "it is written anew")
        return dict(zip(table["epoch"], table["seconds"].astype(float), strict=True))
    except (EmofuseError, OSError, ValueError, KeyError):
        return {}


def _earlier_seconds(before: Mapping[int, float], folder: RunFolder) -> float:
    """What those epochs took that an interrupted training has left and that stand in the history still."""
    return float(sum(took for epoch, took in _epoch_seconds(folder).items() if before.get(epoch) == took))


def _is_begun(folder: RunFolder, settings: RunSettings, manifest: Manifest, resume: bool) -> bool:
    """Whether a training has begun in the folder, which is taken from then on; a mistake before leaves it free.

    Raises:
        EmofuseError: it has, and is not to be resumed, or with other settings or another corpus; or the folder holds
            many runs.
    """
    refuse_other_kind(folder.path, Kind.RUN)
    config = folder.path / "config.yaml"
    if not config.exists():
        return False
    if not resume:
        raise EmofuseError(
            f"{folder.path}: holds a run already; choose another folder, or add --resume to take it up"
        )
    check_same_settings(config, "run", folder.read_settings(), settings)
    claim_corpus(folder.path, manifest, fingerprints_below(folder.path))
    return True


def _begin(folder: RunFolder, settings: RunSettings, manifest: Manifest, split: Split) -> None:
    """Take the folder for these settings, this corpus and this split; the settings come last and say that it is."""
    CorpusIdentity.of(manifest).write(folder.path)
    folder.write_split(split)
    folder.write_settings(settings)


def _split_of_run(
    folder: RunFolder, asked: Split | None, settings: RunSettings, manifest: Manifest, begun: bool
) -> Split:
    """The split that the run has begun with; of a new run the one that is asked for, or that the settings name.

    Raises:
        EmofuseError: the run has begun with another than is asked for.
    """
    if not begun:
        return asked or choose_split(settings, manifest)
    held = folder.read_split()
    if asked is not None and asked != held:
        raise EmofuseError(
            f"{folder.path}: was started with another split than it would have now; start in a new folder"
        )
    return held


def _check_parts(split: Split) -> None:
    for name, ids in (("training", split.train), ("validation", split.val), ("test", split.test)):
        if not ids:
            raise EmofuseError(
                f"the {name} part is empty: too few labelled rows or groups for this protocol; label more rows, or "
                "choose another --protocol"
            )


def _warn_of_unlearnt(task: Task, manifest: Manifest, split: Split) -> None:
    if task.name == "classification" and (line := unlearnt_line(manifest, split)):
        warnings.warn(line, EmofuseWarning, stacklevel=3)


def _new_record(
    settings: RunSettings,
    manifest: Manifest,
    task: Task,
    model: nn.Module,
    encoded: Mapping[Modality, EncodedModality],
) -> RunRecord:
    config: Any = model.config
    return RunRecord.model_validate(
        environment()
        | {
            "seed": settings.seed,
            "threads": settings.threads,
            "task": task.name,
            "labels": list(task.labels),
            "model_name": settings.model.name,
            "model_config": config.model_dump(mode="json"),
            "parameters": sum(p.numel() for p in model.parameters()),
            "encoders": {
                m: EncoderRecord(spec=part.spec, identity=part.identity, cross_fit=part.cross_fit)
                for m, part in encoded.items()
            },
            "data_fingerprint": manifest.fingerprint(),
            "protocol": settings.data.protocol,
            "optimistic": PROTOCOLS[settings.data.protocol].optimistic,
            "synthetic": is_demo_corpus(manifest),
        }
    )


def _copy_encoders(record: RunRecord, folder: RunFolder, learning: Collection[Modality]) -> None:
    """Encoders given as local folders are kept in the run, so that it needs nothing else; those that learn come later."""
    for modality, part in record.encoders.items():
        if part.spec.name != IMPORTED and modality not in learning:
            copy_encoder(part.spec, folder.encoder_folder(modality))
