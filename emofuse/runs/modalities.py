"""Which modalities a run uses, and where the features of each come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emofuse.data import MODALITIES, Modality
from emofuse.data.manifest_columns import FEATURES
from emofuse.data.stills import is_still
from emofuse.encoders import EncoderSpec
from emofuse.encoders.spec import LOGMEL_SEQUENCE
from emofuse.errors import EmofuseError
from emofuse.features import EncoderIdentity, FeatureReader, FeatureStore
from emofuse.features.cross_fitted import CrossFittedFeatures
from emofuse.features.identity import IMPORTED
from emofuse.features.normalisation import NormalisedFeatures
from emofuse.models import ModelInfo, model_info
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

__all__ = ["IMPORTED", "EncodedModality"]


@dataclass(frozen=True)
class EncodedModality:
    """Features of one modality, and which encoder made them; what cross-fitting showed, where there was one.

    ``copies`` are features of changed copies of the training part's sounds.
    """

    spec: EncoderSpec
    identity: EncoderIdentity
    reader: FeatureReader | CrossFittedFeatures | NormalisedFeatures
    cross_fit: str | None = None
    copies: tuple[FeatureReader | NormalisedFeatures, ...] = ()


def modalities_imported(manifest: Manifest) -> tuple[Modality, ...]:
    """Those of which at least one row has features that came with the manifest."""
    if FEATURES not in manifest.frame:
        return ()
    named = {name for cell in manifest.frame[FEATURES].dropna() for name in cell.split()}
    return tuple(m for m in MODALITIES if m in named)


def modalities_held(manifest: Manifest) -> tuple[Modality, ...]:
    """The modalities of which at least one row has something; sound may come with the video file."""
    frame, imported = manifest.frame, modalities_imported(manifest)
    videos = frame["video"].dropna()
    has_video = len(videos) > 0
    held = {
        "text": frame["text"].notna().any(),
        "audio": not all(map(is_still, videos)) or frame["audio"].notna().any(),
        "video": has_video,
    }
    return tuple(m for m in MODALITIES if held[m] or m in imported)


def choose_modalities(settings: RunSettings, manifest: Manifest) -> tuple[Modality, ...]:
    """Those asked for, or all that the corpus has and the system can take.

    Raises:
        EmofuseError: one is asked for that the corpus lacks, or there is none.
    """
    info, held = model_info(settings.model.name), modalities_held(manifest)
    held = tuple(m for m in held if m in info.inputs)
    if info.reads_frames and manifest.frame["video"].isna().all():
        held = tuple(m for m in held if m != "video")  # features of a video are no frames
    asked = settings.model.modalities or held
    for modality in asked:
        info.takes(modality)
    lacking = [m for m in asked if m not in held]
    if lacking or not held:
        raise EmofuseError(
            f"the manifest has no {' and no '.join(lacking) or 'modality'}; it has: {', '.join(held) or 'nothing'} "
            "(choose with --modalities)"
        )
    return asked


def choose_encoders(
    settings: RunSettings, manifest: Manifest, modalities: Iterable[Modality]
) -> dict[Modality, EncoderSpec]:
    """The encoder of every modality that the system does not read as it is; see `choose_encoder`."""
    info = model_info(settings.model.name)
    return {
        modality: choose_encoder(settings, manifest, modality)
        for modality in modalities
        if info.takes(modality) != "frames"
    }


def shared_encoders(settings: RunSettings, manifest: Manifest) -> dict[Modality, EncoderSpec]:
    """The encoders whose features are to be made and do not depend on the split, so that runs may share them.

    None where the settings cannot be: their run says why.
    """
    try:
        specs = choose_encoders(settings, manifest, choose_modalities(settings, manifest))
    except EmofuseError:
        return {}
    return {
        modality: spec
        for modality, spec in specs.items()
        if spec.name != IMPORTED and spec.finetune is None and spec.end_to_end is None
    }


def choose_encoder(settings: RunSettings, manifest: Manifest, modality: Modality) -> EncoderSpec:
    """The encoder of one modality, as this system reads it.

    That is the one asked for; or else the features that came with the manifest; or else an embedded one. A
    system that reads sequences gets every token or time step.

    Raises:
        EmofuseError: a system that reads vectors is given an encoder of sequences.
    """
    info, spec = model_info(settings.model.name), settings.encoder(modality)
    if modality not in settings.encoders:
        if modality in modalities_imported(manifest):
            spec = EncoderSpec(modality=modality, name=IMPORTED)
        elif info.takes(modality) == "steps" and modality == "audio":
            spec = EncoderSpec(modality=modality, name=LOGMEL_SEQUENCE)
    if spec.name == IMPORTED:
        return spec
    if info.takes(modality) == "steps":
        return spec.model_copy(update={"pooling": "tokens"})
    if (spec.pooling or ("tokens" if spec.name == LOGMEL_SEQUENCE else "mean")) == "tokens":
        raise EmofuseError(
            f"setting encoders.{modality}.pooling: {info.title} takes one vector per utterance, not every step; "
            "choose mean or cls"
        )
    return spec


def imported_features(
    manifest: Manifest,
    spec: EncoderSpec,
    store: FeatureStore,
    info: ModelInfo,
    like: EncoderIdentity | None = None,
) -> EncodedModality:
    """Features that `emofuse import` put into a store for the rows of a manifest.

    Args:
        manifest: the corpus.
        spec: its ``revision`` (or the beginning of it) chooses between several files.
        store: where the features are.
        info: the system: one that reads sequences takes those before vectors.
        like: features that a run was trained on: these must be of the same field and size.

    Raises:
        EmofuseError: there are none, or there is a choice.
    """
    if like is not None and len(store.reader(like).missing(manifest.ids)) < len(manifest):
        return EncodedModality(spec, like, store.reader(like))
    found = [i for i in store.identities() if i.kind == IMPORTED and i.modality == spec.modality]
    wanted = ["tokens", "mean"] if info.takes(spec.modality) == "steps" else ["mean"]
    if spec.pooling is not None or like is not None:
        wanted = [like.pooling if like else str(spec.pooling)]
    for pooling in wanted:
        fitting = [i for i in found if i.pooling == pooling and _fits(i, spec, like)]
        missing = [len(store.reader(i).missing(manifest.ids)) for i in fitting]
        best = [i for i, n in zip(fitting, missing, strict=True) if n == min(missing) < len(manifest)]
        if len(best) > 1:
            revisions = ", ".join(i.revision[:8] for i in best)
            raise EmofuseError(
                f"{store.root}: {len(best)} imported files have {spec.modality} features of these utterances; choose with "
                f"--{spec.modality}-encoder imported --set encoders.{spec.modality}.revision=…, one of {revisions}"
            )
        if best:
            spec = spec.model_copy(update={"pooling": best[0].pooling})
            return EncodedModality(spec, best[0], store.reader(best[0]))
    raise EmofuseError(_nothing(store, spec, wanted, found, like))


def _fits(identity: EncoderIdentity, spec: EncoderSpec, like: EncoderIdentity | None) -> bool:
    if like is not None:
        return (identity.name, identity.dim) == (like.name, like.dim)
    return identity.revision.startswith(spec.revision or "")


def _nothing(
    store: FeatureStore,
    spec: EncoderSpec,
    wanted: Sequence[str],
    found: Sequence[EncoderIdentity],
    like: EncoderIdentity | None,
) -> str:
    what = f"{store.root}: has no imported {spec.modality} features"
    if like is not None:
        return (
            f"{what} like those that the run was trained on ({like.name}, {like.dim} numbers, pooling {like.pooling}); "
            "`emofuse import` a file of the same kind"
        )
    if found and all(i.pooling not in wanted for i in found):
        return f"{what} with one vector per utterance; `emofuse import` the file again with --pooling {wanted[0]}"
    return f"{what} of these utterances; `emofuse import` makes them, or name an encoder"
