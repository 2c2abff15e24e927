"""Every encoder is made here, by its specification."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from emofuse.data.atomic import written_aside
from emofuse.data.modality import Modality
from emofuse.encoders.hashed_text import HashedTextEncoder
from emofuse.encoders.logmel import LogMelFunctionals
from emofuse.encoders.spec import HASHED_NGRAMS, LOGMEL_FUNCTIONALS, EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.features.identity import UtteranceEncoder


@dataclass(frozen=True)
class EncoderInfo:
    """One row of the list of encoders.

    Attributes:
        name: what :class:`EncoderSpec` calls it; for a class of models, an example.
        modality: what it reads.
        dim: features per utterance by default; None where the model decides.
        pretrained: its weights come from a folder or the hub.
        summary: one line.
    """

    name: str
    modality: Modality
    dim: int | None
    pretrained: bool
    summary: str


def list_encoders() -> list[EncoderInfo]:
    """What :func:`create_encoder` can make."""
    return [
        EncoderInfo(HASHED_NGRAMS, "text", 1024, False, "hashed word and character n-grams, any language"),
        EncoderInfo(
            LOGMEL_FUNCTIONALS,
            "audio",
            LogMelFunctionals().dim,
            False,
            "functionals of log-mel bands, pitch, energy and timbre",
        ),
        EncoderInfo(
            "google-bert/bert-large-uncased",
            "text",
            None,
            True,
            "BERT/RoBERTa/MiniLM class: hub name or folder",
        ),
        EncoderInfo(
            "facebook/wav2vec2-base",
            "audio",
            None,
            True,
            "wav2vec 2.0/HuBERT/WavLM class: hub name or folder",
        ),
    ]


def create_encoder(
    spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> UtteranceEncoder:
    """Make the encoder that ``spec`` names.

    Args:
        spec: which one, and how it is used.
        device: where a pretrained model runs.
        dtype: precision of a pretrained model's weights.

    Raises:
        EmofuseError: no such encoder, one for another modality, or one that cannot be loaded.
    """
    embedded: dict[str, Modality] = {HASHED_NGRAMS: "text", LOGMEL_FUNCTIONALS: "audio"}
    if spec.modality == "video":
        raise EmofuseError(
            f"encoder {spec.name}: video is read by the model itself; encoders take text or audio"
        )
    if embedded.get(spec.name, spec.modality) != spec.modality:
        raise EmofuseError(f"encoder {spec.name}: reads {embedded[spec.name]}, not {spec.modality}")
    if spec.name == HASHED_NGRAMS:
        return HashedTextEncoder(spec.dim)
    if spec.name == LOGMEL_FUNCTIONALS:
        return LogMelFunctionals()
    # Imported here because the library takes seconds to load, and the embedded encoders do without it.
    if spec.modality == "text":
        from emofuse.encoders.hf_text import HFTextEncoder

        return HFTextEncoder(spec, device, dtype)
    from emofuse.encoders.hf_speech import HFSpeechEncoder

    return HFSpeechEncoder(spec, device, dtype)


def copy_encoder(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """Copy what a local pretrained encoder is loaded from, so that ``folder`` is enough to make it again.

    An embedded encoder, or one from the hub, needs no copy.

    Args:
        spec: the encoder.
        folder: where its files go; config.json last, so a copy that has it is whole.

    Returns:
        The specification of the copy; ``spec`` itself where nothing was copied. Both encoders have the
        same identity.
    """
    source = Path(spec.name).expanduser()
    if spec.name in (HASHED_NGRAMS, LOGMEL_FUNCTIONALS) or not source.is_dir():
        return spec
    from emofuse.encoders.pretrained import model_files

    for file in model_files(source):
        with written_aside(folder / file.name) as aside:
            shutil.copyfile(file, aside)
    return spec.model_copy(update={"name": str(folder)})
