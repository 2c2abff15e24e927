"""The features of a run: where they are kept, and making what is not there yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.data import Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.paths import real_path
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.cross_fitted import part_folder, read_cross_fit
from emofuse.errors import EmofuseError
from emofuse.features import FeatureReader, FeatureStore, OverlaidFeatures, extract_features, up_to_date
from emofuse.features.cross_fitted import CrossFittedFeatures
from emofuse.models import model_info
from emofuse.runs.corpus import Progress
from emofuse.runs.modalities import IMPORTED, EncodedModality, imported_features
from emofuse.runs.normalisation import normalise_readers
from emofuse.runs.run_encoders import encoder_of_run
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest


def feature_store_of(settings: RunSettings, manifest: Manifest) -> FeatureStore:
    """The store that the settings name, by default ``features/`` beside the manifest."""
    return FeatureStore(settings.data.features or manifest.root / "features")


def readers_of(folder: RunFolder, record: RunRecord, manifest: Manifest) -> dict[Modality, FeatureSource]:
    """What there is of a run's features for its corpus."""
    base = feature_store_of(folder.read_settings(), manifest)
    own = FeatureStore(folder.features)
    identities = {modality: part.identity for modality, part in record.encoders.items()}
    readers = {m: OverlaidFeatures(own.reader(i), base.reader(i)) for m, i in identities.items()}
    return normalise_readers(folder, record, manifest, readers)


def features_of_run(
    folder: RunFolder,
    record: RunRecord,
    modality: Modality,
    manifest: Manifest,
    *,
    device: str,
    quarantine: Quarantine,
    progress: Progress | None = None,
) -> FeatureSource:
    """Features of every utterance of a manifest, as the run's encoder makes them, not standardised yet.

    What the store that the run names has already is read there. What is made now goes beside the manifest, where it is
    another one than the run's, and into the run folder where it is the run's own: a run, which may be anybody's, does not
    decide where it is written.

    Args:
        folder: of a fitted run.
        record: its run.json.
        modality: that has an encoder or was imported.
        manifest: the run's corpus or another.
        device: where the encoder computes.
        quarantine: notes what cannot be encoded.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: the encoder cannot be had, or imported features are not there.
    """
    settings, part = folder.read_settings(), record.encoders[modality]
    base, beside = feature_store_of(settings, manifest), manifest.root / "features"
    is_own = settings.data.manifest is not None and _same_place(settings.data.manifest.parent, manifest.root)
    if part.spec.name == IMPORTED:
        if not is_own and beside.is_dir():
            base = FeatureStore(beside)
        return imported_features(
            manifest, part.spec, base, model_info(record.model_name), like=part.identity
        ).reader
    encoder = encoder_of_run(folder, record, modality, device)
    store = FeatureStore(folder.inside("features") if is_own else beside)
    reader = base.reader(encoder.identity)
    extract_features(
        manifest,
        encoder,
        store,
        quarantine=quarantine,
        workers=settings.data.workers,
        progress=progress,
        base=reader,
    )
    own = store.reader(encoder.identity)
    return OverlaidFeatures(own, reader, up_to_date(manifest, encoder, reader))


def _same_place(one: Path, other: Path) -> bool:
    return real_path(one) == real_path(other)


def copies_of_run(folder: RunFolder, record: RunRecord, manifest: Manifest) -> list[FeatureSource]:
    """Features of the changed copies of sounds that a run has learnt from, as its system took them; of its own corpus.

    What the store no longer has is left out.
    """
    from emofuse.encoders.sound_augmentation import identity_of_copy

    settings = folder.read_settings()
    part, augment = record.encoders.get("audio"), settings.data.augment
    if part is None or part.spec.name == IMPORTED or not augment.copies:
        return []
    store = feature_store_of(settings, manifest)
    numbers = range(1, augment.copies + 1)
    readers = [store.reader(identity_of_copy(part.identity, augment, number)) for number in numbers]
    return [normalise_readers(folder, record, manifest, {"audio": reader})["audio"] for reader in readers]


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
    """Features of every utterance, from the store where it has them already.

    Of an encoder that was cross-fitted, those of the training part are made by the encoders that have not seen them.
    """
    encoder = create_encoder(spec, device=device)
    extract_features(manifest, encoder, store, quarantine=quarantine, workers=workers, progress=progress)
    reader: FeatureReader | CrossFittedFeatures = store.reader(encoder.identity)
    record = read_cross_fit(Path(spec.name).expanduser()) if Path(spec.name).expanduser().is_dir() else None
    if record is not None:
        held_out: dict[str, FeatureReader] = {}
        for number in range(record.count):
            ids = {id for id, group in record.held_out.items() if group == number}
            part = spec.model_copy(update={"name": str(part_folder(Path(spec.name).expanduser(), number))})
            tuned = create_encoder(part, device=device)
            extract_features(
                manifest, tuned, store, quarantine=quarantine, workers=workers, progress=progress, only=ids
            )
            held_out |= dict.fromkeys(ids, store.reader(tuned.identity))
        reader = CrossFittedFeatures(store.reader(encoder.identity), held_out)
    return EncodedModality(spec, encoder.identity, reader, record.line if record is not None else None)


def encode_modalities(
    settings: RunSettings,
    manifest: Manifest,
    specs: Mapping[Modality, EncoderSpec],
    device: str,
    quarantine: Quarantine,
    progress: Progress | None,
) -> dict[Modality, EncodedModality]:
    """Features of every modality that has an encoder, from the store where it has them already."""
    store = feature_store_of(settings, manifest)
    encoded: dict[Modality, EncodedModality] = {}
    for modality, spec in specs.items():
        if spec.name == IMPORTED:
            encoded[modality] = imported_features(manifest, spec, store, model_info(settings.model.name))
            continue
        encoded[modality] = encode(
            manifest,
            spec,
            store,
            device=device,
            quarantine=quarantine,
            workers=settings.data.workers,
            progress=progress,
        )
    return encoded


def encode_copies(
    settings: RunSettings,
    manifest: Manifest,
    train_ids: Collection[str],
    encoded: Mapping[Modality, EncodedModality],
    device: str,
    quarantine: Quarantine,
    progress: Progress | None,
) -> dict[Modality, EncodedModality]:
    """The same features, with those of changed copies of the training part's sounds where the settings ask for any.

    Raises:
        EmofuseError: no encoder hears sound, or it was cross-fitted, so that several have each heard other utterances.
    """
    from emofuse.encoders.sound_augmentation import AugmentedEncoder

    augment = settings.data.augment
    if not augment.copies:
        return dict(encoded)
    part = encoded.get("audio")
    if part is None or part.spec.name == IMPORTED or part.cross_fit is not None:
        raise EmofuseError(
            "setting data.augment: changed copies of sounds need an encoder of sound that was not cross-fitted; set "
            "data.augment.copies=0"
        )
    store, plain = feature_store_of(settings, manifest), create_encoder(part.spec, device=device)
    copies = []
    for number in range(1, augment.copies + 1):
        encoder = AugmentedEncoder(plain, augment, number)
        extract_features(
            manifest,
            encoder,
            store,
            quarantine=quarantine,
            workers=settings.data.workers,
            progress=progress,
            only=train_ids,
        )
        copies.append(store.reader(encoder.identity))
    return {**encoded, "audio": replace(part, copies=tuple(copies))}
