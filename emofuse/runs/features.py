"""The features of a run: where they are kept, and making what is not there yet."""

from __future__ import annotations

from collections.abc import Mapping

from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.features import EncoderIdentity, FeatureReader, FeatureStore, extract_features
from emofuse.runs.corpus import Progress
from emofuse.runs.modalities import EncodedModality
from emofuse.runs.settings import RunSettings


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
