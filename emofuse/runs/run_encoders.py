"""The encoders of a trained run, made again; one that has to be fetched is named first."""

from __future__ import annotations

import warnings
from pathlib import Path

from emofuse.data import Modality
from emofuse.encoders import create_encoder
from emofuse.encoders.packaged import PACKAGED
from emofuse.encoders.spec import EMBEDDED, EncoderSpec
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.features import UtteranceEncoder
from emofuse.recordings.speech_only import where_speech_is_heard
from emofuse.runs.modalities import IMPORTED
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord


def encoder_of_run(folder: RunFolder, record: RunRecord, modality: Modality, device: str) -> UtteranceEncoder:
    """The encoder that made a run's features of one modality.

    A warning names an encoder from the hub before anything is asked of the network.

    Args:
        folder: of the run.
        record: its run.json.
        modality: whose features were not imported.
        device: where the encoder computes.

    Raises:
        EmofuseError: it cannot be had, or is not the one that the run was trained with.
    """
    part = record.encoders[modality]
    spec = folder.encoder_spec(part, modality)
    if is_remote(spec):
        tell_what_is_fetched(f"{folder.path}: its {modality} encoder", spec)
    encoder = create_encoder(spec, device=device)
    if encoder.identity.digest != part.identity.digest:
        raise EmofuseError(
            f"{folder.path}: the {modality} encoder {part.spec.name} is not the one that the run was trained with; "
            "restore it, or train again"
        )
    return encoder


def encoder_for_predictions(
    folder: RunFolder, record: RunRecord, modality: Modality, device: str
) -> UtteranceEncoder:
    """:func:`encoder_of_run`, which leaves out sound without speech where the run asks for that."""
    return as_asked(encoder_of_run(folder, record, modality, device), record.encoders[modality].spec)


def as_asked(encoder: UtteranceEncoder, spec: EncoderSpec) -> UtteranceEncoder:
    """An encoder that predictions ask in the place of ``spec``'s: for speech alone, where that says so."""
    return where_speech_is_heard(encoder) if spec.speech_only else encoder


def tell_what_is_fetched(what: str, spec: EncoderSpec) -> None:
    """Warn that a model may be fetched, before anything is asked of the network.

    Args:
        what: such as "RUN: its text encoder".
        spec: of a name on the hub.
    """
    revision = f", revision {spec.revision}" if spec.revision else ""
    warnings.warn(
        f"{what} is {spec.name}{revision}, which is fetched from the Hugging Face hub where it is not on this machine yet "
        "(HF_HUB_OFFLINE=1 forbids that)",
        EmofuseWarning,
        stacklevel=3,
    )


def is_remote(spec: EncoderSpec) -> bool:
    """Whether an encoder is a name on the hub: neither an embedded or packaged one, nor imported features, nor a folder."""
    if spec.name in PACKAGED:
        return False
    return spec.name not in EMBEDDED and spec.name != IMPORTED and not Path(spec.name).expanduser().is_dir()
