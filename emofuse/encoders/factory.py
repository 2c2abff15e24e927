"""Makes an encoder of its specification."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from emofuse.data.atomic import written_aside
from emofuse.data.modality import Modality
from emofuse.data.paths import real_path
from emofuse.encoders.fine_tuning import read_fine_tuned
from emofuse.encoders.hashed_text import HashedTextEncoder
from emofuse.encoders.logmel import LogMelFunctionals
from emofuse.encoders.packaged import model_folder
from emofuse.encoders.spec import (
    EMBEDDED,
    FACE_CNN,
    FRAME_STATISTICS,
    HASHED_NGRAMS,
    LOGMEL_FUNCTIONALS,
    LOGMEL_SEQUENCE,
    MINILM_GOEMOTIONS,
    OPENSMILE_COMPARE,
    OPENSMILE_EGEMAPS,
    UNTRAINED,
    VOICE_CNN,
    WHISPER_LOGMEL,
    WHISPER_TINY_EN,
    EncoderSpec,
)
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
        EncoderInfo(LOGMEL_SEQUENCE, "audio", 80, False, "log-mel spectrogram, 12.5 steps per second"),
        EncoderInfo(
            OPENSMILE_COMPARE, "audio", 6373, False, "openSMILE ComParE 2016 functionals (extra opensmile)"
        ),
        EncoderInfo(OPENSMILE_EGEMAPS, "audio", 88, False, "openSMILE eGeMAPS functionals (extra opensmile)"),
        EncoderInfo(
            WHISPER_TINY_EN,
            "audio",
            768,
            False,
            "Whisper's encoder with weights that come by pip (extra speech)",
        ),
        EncoderInfo(
            WHISPER_LOGMEL,
            "audio",
            384 + LogMelFunctionals().dim,
            False,
            "Whisper's mean beside the log-mel functionals (extra speech)",
        ),
        EncoderInfo(
            MINILM_GOEMOTIONS,
            "text",
            768,
            False,
            "MiniLM, and the same fine-tuned on GoEmotions, side by side (package emofuse-starter)",
        ),
        EncoderInfo(FRAME_STATISTICS, "video", 1404, False, "gradients and colours on a grid, untrained"),
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
            "wav2vec 2.0/HuBERT/WavLM/Whisper class: hub name or folder",
        ),
        EncoderInfo(
            "microsoft/resnet-101",
            "video",
            None,
            True,
            "ResNet class: hub name or folder; with `faces: true`, VisExtNet (extra faces)",
        ),
        EncoderInfo(FACE_CNN, "video", None, True, "small network of faces, to be trained by `finetune`"),
        EncoderInfo(VOICE_CNN, "audio", None, True, "small network of voices, to be trained by `finetune`"),
    ]


def create_encoder(
    spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> UtteranceEncoder:
    """Make the encoder that ``spec`` names.

    Args:
        spec: which one, and how it is used.
        device: where a pretrained model, and the face detector, runs.
        dtype: precision of a pretrained model's weights.

    Raises:
        EmofuseError: no such encoder, one for another modality, or one that cannot be loaded.
    """
    reads = EMBEDDED.get(spec.name, spec.modality)
    if reads != spec.modality:
        raise EmofuseError(f"encoder {spec.name}: reads {reads}, not {spec.modality}")
    spec = as_fine_tuned(spec)
    if spec.name in UNTRAINED:
        raise EmofuseError(
            f"encoder {spec.name}: has learnt nothing yet; train one with `emofuse finetune {UNTRAINED[spec.name]} DATA --model "
            f"{spec.name}` and name its folder"
        )
    make = _MAKERS[spec.name if spec.name in EMBEDDED else spec.modality]
    return make(spec, device, dtype)


def as_fine_tuned(spec: EncoderSpec) -> EncoderSpec:
    """``spec`` with the pooling and the context that its model was fine-tuned with, where it leaves them open.

    Raises:
        EmofuseError: the folder holds an encoder that was fine-tuned for another modality, or the model has
            still to be fine-tuned.
    """
    if spec.finetune is not None:
        raise EmofuseError(
            f"encoder {spec.name}: must be fine-tuned first (finetune is set); train a run with it, or name the "
            "folder that `emofuse finetune` made"
        )
    if spec.end_to_end is not None:
        raise EmofuseError(
            f"encoder {spec.name}: learns together with a system (end_to_end is set); train a run with it, or leave that out"
        )
    record = None if spec.name in EMBEDDED else read_fine_tuned(model_folder(spec.name))
    if record is None:
        return spec
    if record.modality != spec.modality:
        raise EmofuseError(f"encoder {spec.name}: was fine-tuned for {record.modality}, not {spec.modality}")
    left_open = {
        name: value
        for name, value in record.reading.items()
        if getattr(spec, name) == EncoderSpec.model_fields[name].default
    }
    return spec.model_copy(update=left_open)


# What follows is imported where it is made, because the libraries behind it take seconds to load.


def _logmel_sequence(spec: EncoderSpec) -> UtteranceEncoder:
    from emofuse.encoders.logmel_sequence import LogMelSequence

    return LogMelSequence(spec)


def _opensmile(name: str) -> UtteranceEncoder:
    from emofuse.encoders.opensmile_functionals import OpenSmileFunctionals

    return OpenSmileFunctionals(name)


def _frame_statistics(spec: EncoderSpec, device: torch.device | str) -> UtteranceEncoder:
    from emofuse.encoders.frame_statistics import FrameStatistics

    return FrameStatistics(spec, device)


def _hf_text(spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype) -> UtteranceEncoder:
    from emofuse.encoders.hf_text import HFTextEncoder

    return HFTextEncoder(spec, device, dtype)


def _whisper(spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype) -> UtteranceEncoder:
    from emofuse.encoders.whisper import WhisperEncoder

    return WhisperEncoder(spec, device, dtype)


def _whisper_logmel(spec: EncoderSpec) -> UtteranceEncoder:
    from emofuse.encoders.joined import whisper_with_logmel

    return whisper_with_logmel(spec)


def _minilm_goemotions(spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype) -> UtteranceEncoder:
    from emofuse.encoders.joined import minilm_with_goemotions

    return minilm_with_goemotions(spec, device, dtype)


def _hf_speech(spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype) -> UtteranceEncoder:
    from emofuse.encoders.hf_speech import HFSpeechEncoder
    from emofuse.encoders.pretrained import load_config, locate

    if load_config(locate(spec.name, spec.revision)).model_type == "whisper":
        return _whisper(spec, device, dtype)

    return HFSpeechEncoder(spec, device, dtype)


def _hf_image(spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype) -> UtteranceEncoder:
    from emofuse.encoders.hf_image import HFImageEncoder

    return HFImageEncoder(spec, device, dtype)


_MAKERS: dict[str, Callable[[EncoderSpec, torch.device | str, torch.dtype], UtteranceEncoder]] = {
    HASHED_NGRAMS: lambda spec, device, dtype: HashedTextEncoder(spec.dim or 1024),
    LOGMEL_FUNCTIONALS: lambda spec, device, dtype: LogMelFunctionals(),
    LOGMEL_SEQUENCE: lambda spec, device, dtype: _logmel_sequence(spec),
    OPENSMILE_COMPARE: lambda spec, device, dtype: _opensmile(OPENSMILE_COMPARE),
    OPENSMILE_EGEMAPS: lambda spec, device, dtype: _opensmile(OPENSMILE_EGEMAPS),
    WHISPER_TINY_EN: _whisper,
    MINILM_GOEMOTIONS: _minilm_goemotions,
    WHISPER_LOGMEL: lambda spec, device, dtype: _whisper_logmel(spec),
    FRAME_STATISTICS: lambda spec, device, dtype: _frame_statistics(spec, device),
    "text": _hf_text,
    "audio": _hf_speech,
    "video": _hf_image,
}


def copy_encoder(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """Copy what a local pretrained encoder is loaded from, so that ``folder`` is enough to make it again.

    An embedded encoder, or one from the hub, needs no copy. Files that fine-tuning made, and that nothing of
    emofuse writes twice, are linked where the disk can, since many runs may share one encoder.

    Args:
        spec: the encoder.
        folder: where its files go; config.json last, so a copy that has it is whole.

    Returns:
        The specification of the copy; ``spec`` itself where nothing was copied. Both encoders have the
        same identity.
    """
    source = Path(spec.name).expanduser()
    if spec.name in EMBEDDED or not source.is_dir() or real_path(source) == real_path(folder):
        return spec
    from emofuse.encoders.pretrained import model_files

    ours = read_fine_tuned(source) is not None
    for file in model_files(source):
        with written_aside(folder / file.name) as aside:
            _copy(file, aside, link=ours)
    return spec.model_copy(update={"name": str(folder)})


def _copy(file: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(file, target)
        except OSError:  # another disk, or one that knows no links
            link = False
    if not link:
        shutil.copyfile(file, target)
