"""From settings and a manifest to what a fit needs: split, modalities, features, model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from emofuse.data import MODALITIES, Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.dataset import FrameSampling, UtteranceDataset
from emofuse.data.dialogues import DialogueDataset, WindowSize, dialogue_windows
from emofuse.data.frame_cache import FrameCache
from emofuse.data.loader import BatchDataset
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.manifest_io import manifests_in
from emofuse.data.quarantine import Quarantine
from emofuse.data.targets import Target
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split, splits
from emofuse.features import EncoderIdentity, FeatureReader, FeatureStore, extract_features
from emofuse.models import create_model, model_info
from emofuse.runs.modalities import EncodedModality
from emofuse.runs.settings import DataSettings, RunSettings
from emofuse.runs.tasks import Task, task_of

Progress = Callable[[int, int, str], None]

# What is enough to know the mean and spread of a sequence's features by: steps of one utterance, and numbers.
_SCALER_STEPS, _SCALER_NUMBERS = 32, 1 << 25


def corpus_file(path: Path) -> Path:
    """A manifest, as its file or as the folder that it lies in.

    Raises:
        EmofuseError: a folder without one.
    """
    if not path.is_dir():
        return path
    found = manifests_in(path)
    if not found:
        raise EmofuseError(
            f"{path}: no manifest.csv in this folder; `emofuse prepare` or `import` writes one"
        )
    return found[0]


def corpus_of(settings: RunSettings) -> Manifest:
    """The corpus that the settings name, checked."""
    if settings.data.manifest is None:
        raise EmofuseError("setting data.manifest: the run names no corpus; give one")
    return Manifest.read(settings.data.manifest).validate()


def splits_of(settings: RunSettings, manifest: Manifest) -> list[Split]:
    """Every fold of the settings' protocol, over the rows that the task has an answer for."""
    data, labelled = settings.data, task_of(settings, manifest).labelled(manifest)
    return splits(labelled, data.protocol, k=data.folds, seed=data.split_seed, val_fraction=data.val_fraction)


def choose_split(settings: RunSettings, manifest: Manifest) -> Split:
    """The fold that the settings name.

    Raises:
        EmofuseError: the protocol has fewer.
    """
    data, folds = settings.data, splits_of(settings, manifest)
    if data.fold >= len(folds):
        raise EmofuseError(
            f"setting data.fold: there is no fold {data.fold}; {data.protocol} has {len(folds)}, from 0"
        )
    return folds[data.fold]


def feature_store_of(settings: RunSettings, manifest: Manifest) -> FeatureStore:
    """The store that the settings name, by default ``features/`` beside the manifest."""
    return FeatureStore(settings.data.features or manifest.root / "features")


def readers_of(
    identities: Mapping[Modality, EncoderIdentity], settings: RunSettings, manifest: Manifest
) -> dict[Modality, FeatureReader]:
    """What the corpus's store holds of these encoders."""
    store = feature_store_of(settings, manifest)
    return {modality: store.reader(identity) for modality, identity in identities.items()}


def encode(
    manifest: Manifest,
    spec: EncoderSpec,
    store: FeatureStore,
    *,
    device: str,
    quarantine: Quarantine,
    workers: int,
    progress: Progress | None = None,
) -> EncodedModality:
    """Features of every utterance, from the store where it has them already."""
    encoder = create_encoder(spec, device=device)
    extract_features(manifest, encoder, store, quarantine=quarantine, workers=workers, progress=progress)
    return EncodedModality(spec, encoder.identity, store.reader(encoder.identity))


def assemble_model(
    settings: RunSettings,
    task: Task,
    modalities: Sequence[Modality],
    encoded: Mapping[Modality, EncodedModality],
    train_ids: Sequence[str],
) -> nn.Module:
    """The system in the sizes of its encoders, its feature scalers fitted on the training part alone."""
    found: dict[str, Any] = {f"{modality}_dim": part.identity.dim for modality, part in encoded.items()}
    found |= {**task.model_options(), "modalities": tuple(modalities)}
    for name in settings.model.options:
        if name in found:
            raise EmofuseError(
                f"setting model.options.{name}: it follows from model.modalities, model.task, the labels and the "
                "encoders; leave it out"
            )
    model = create_model(settings.model.name, preset=settings.model.preset, **found, **settings.model.options)
    for modality, part in encoded.items():
        held = [i for i in train_ids if i in part.reader]
        if not held:
            raise EmofuseError(f"no training row has usable {modality}; see quarantine.csv, or leave it out")
        steps = (
            _steps(part.reader, held)
            if model_info(model).takes(modality) == "steps"
            else part.reader.matrix(held)
        )
        model.get_submodule(f"scalers.{modality}").fit(steps)  # type: ignore[operator]
    return model


def _steps(reader: FeatureReader, ids: Sequence[str]) -> np.ndarray:
    """(steps, dim) of utterances and steps chosen evenly, no more than memory should hold."""
    some = ids[:: 1 + len(ids) * _SCALER_STEPS * reader.dim // _SCALER_NUMBERS]
    sequences = (np.atleast_2d(reader[i]) for i in some)
    return np.concatenate([sequence[:: 1 + len(sequence) // _SCALER_STEPS] for sequence in sequences])


def dataset_of(
    utterances: Sequence[Utterance],
    model: nn.Module,
    readers: Mapping[Modality, FeatureSource],
    data: DataSettings,
    target: Target | None = None,
    context: Sequence[Utterance] = (),
) -> BatchDataset:
    """Rows as this model takes them.

    Args:
        utterances: to be told.
        model: any system.
        readers: modality → features, of those that are encoded.
        data: how much of a dialogue or a sequence is taken at once.
        target: what an utterance is to be told as.
        context: other utterances of the same dialogues, for a system that sees dialogues.
    """
    config: Any = model.config
    info = model_info(model)
    dims: dict[Modality, int] = {m: getattr(config, f"{m}_dim") for m in readers}
    if info.scope == "dialogue":
        windows = dialogue_windows(
            utterances, context, WindowSize(data.dialogue_window, data.dialogue_overlap)
        )
        return DialogueDataset(windows, config.modalities, readers, dims, target, info.speakers)
    inputs = {m: info.takes(m) for m in config.modalities}
    longest: dict[Modality, int] = dict.fromkeys(MODALITIES, data.longest_sequence)
    longest["text"] = getattr(config, "text_length", data.longest_sequence)
    frames = None
    if "frames" in inputs.values():
        cache = None if data.frame_cache is None else FrameCache(data.frame_cache)
        frames = FrameSampling(config.frames, (config.image_size, config.image_size), cache)
    return UtteranceDataset(utterances, inputs, readers, dims, longest=longest, frames=frames, target=target)


def rows_of(
    manifest: Manifest, ids: Sequence[str], model: nn.Module, hidden: Collection[str] = ()
) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances to be told, and those that may stand around them in their dialogues.

    Args:
        manifest: the corpus.
        ids: of the utterances to be told.
        model: one that does not see dialogues needs no others.
        hidden: ids that must not be seen at all: those of parts that are judged later.
    """
    rows = [manifest.utterance(i) for i in ids]
    if model_info(model).scope != "dialogue":
        return rows, []
    dialogues, told = {row.dialogue for row in rows}, {*ids, *hidden}
    return rows, [u for u in manifest.rows() if u.dialogue in dialogues and u.id not in told]


def choose_device(name: str) -> str:
    """``auto`` is the accelerator where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise EmofuseError("setting device: cuda was asked for and is not available; use cpu or auto")
    return name
