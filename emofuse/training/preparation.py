"""From settings and a manifest to what a fit needs: split, modalities, features, model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from emofuse.data import MODALITIES, Modality
from emofuse.data.dataset import FrameSampling, UtteranceDataset
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split, splits
from emofuse.features import EncoderIdentity, FeatureReader, FeatureStore, extract_features
from emofuse.models import create_model
from emofuse.training.config import RunSettings

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class EncodedModality:
    """Features of one modality, and which encoder made them."""

    spec: EncoderSpec
    identity: EncoderIdentity
    reader: FeatureReader


def corpus_of(settings: RunSettings) -> Manifest:
    """The corpus that the settings name, checked."""
    if settings.data.manifest is None:
        raise EmofuseError("setting data.manifest: the run names no corpus; give one")
    return Manifest.read(settings.data.manifest).validate()


def choose_split(settings: RunSettings, manifest: Manifest) -> Split:
    """The fold that the settings name."""
    data = settings.data
    folds = splits(manifest, data.protocol, k=data.folds, seed=settings.seed, val_fraction=data.val_fraction)
    if data.fold >= len(folds):
        raise EmofuseError(
            f"setting data.fold: there is no fold {data.fold}; {data.protocol} has {len(folds)}, from 0"
        )
    return folds[data.fold]


def modalities_held(manifest: Manifest) -> tuple[Modality, ...]:
    """The modalities of which at least one row has something; sound may come with the video file."""
    frame = manifest.frame
    has_video = frame["video"].notna().any()
    held = {
        "text": frame["text"].notna().any(),
        "audio": has_video or frame["audio"].notna().any(),
        "video": has_video,
    }
    return tuple(m for m in MODALITIES if held[m])


def choose_modalities(settings: RunSettings, manifest: Manifest) -> tuple[Modality, ...]:
    """Those asked for, or all that the corpus has."""
    held = modalities_held(manifest)
    asked = settings.model.modalities or held
    lacking = [m for m in asked if m not in held]
    if lacking or not held:
        raise EmofuseError(
            f"the manifest has no {' and no '.join(lacking) or 'modality'}; it has: {', '.join(held) or 'nothing'} "
            "(choose with --modalities)"
        )
    return asked


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
    labels: Sequence[str],
    modalities: Sequence[Modality],
    encoded: dict[Modality, EncodedModality],
    train_ids: Sequence[str],
) -> nn.Module:
    """The system in the sizes of its encoders, its feature scalers fitted on the training part alone."""
    dims = {f"{modality}_dim": part.identity.dim for modality, part in encoded.items()}
    model = create_model(
        settings.model.name,
        preset=settings.model.preset,
        num_classes=len(labels),
        modalities=tuple(modalities),
        **dims,
        **settings.model.options,
    )
    for modality, part in encoded.items():
        held = [i for i in train_ids if i in part.reader]
        if not held:
            raise EmofuseError(f"no training row has usable {modality}; see quarantine.csv, or leave it out")
        model.get_submodule(f"scalers.{modality}").fit(part.reader.matrix(held))  # type: ignore[operator]
    return model


def dataset_of(
    utterances: Sequence[Utterance],
    model: nn.Module,
    readers: dict[Modality, Any],
    labels: Sequence[str] = (),
) -> UtteranceDataset:
    """Rows as this model takes them."""
    config: Any = model.config
    dims = {m: getattr(config, f"{m}_dim") for m in config.modalities if m != "video"}
    frames = FrameSampling(config.frames, (config.image_size, config.image_size))
    index = {label: i for i, label in enumerate(labels)}
    return UtteranceDataset(utterances, config.modalities, readers, dims, frames, index)


def balanced_class_weights(labels: Sequence[str], classes: Sequence[str]) -> torch.Tensor:
    """(C,) weights n / (C · n_c) from the training labels; a class with no example weighs nothing."""
    counts = np.array([sum(label == c for label in labels) for c in classes], dtype=np.float64)
    weights = np.divide(len(labels), len(classes) * counts, out=np.zeros_like(counts), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)


def choose_device(name: str) -> str:
    """``auto`` is the accelerator where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise EmofuseError("setting device: cuda was asked for and is not available; use cpu or auto")
    return name
