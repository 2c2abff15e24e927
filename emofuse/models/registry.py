"""Every system by name."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from torch import nn

from emofuse.errors import EmofuseError
from emofuse.models.cm_msf import CMMSF
from emofuse.models.cm_msf_config import CMMSFConfig
from emofuse.models.deepmsi_mer import DeepMSIMER
from emofuse.models.deepmsi_mer_config import DeepMSIMERConfig
from emofuse.models.mfcre import MFCRE
from emofuse.models.mfcre_config import MFCREConfig

Level = Literal["utterance", "dialogue", "sequence"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class ModelInfo:
    """What a system is, and how it takes its data.

    Attributes:
        name: what `create_model` takes.
        title: as it is called in print.
        paper: where it was published.
        level: what it sees at once. "utterance": one vector of text and of audio each, and raw frames.
            "dialogue": the utterances of a dialogue in their order, a vector per modality each. "sequence":
            the steps of an utterance's modalities.
        summary: one sentence.
        tasks: what it can learn to say: classes, or a value.
    """

    name: str
    title: str
    paper: str
    level: Level
    summary: str
    tasks: tuple[Task, ...] = ("classification",)

    @property
    def reads_frames(self) -> bool:
        """Whether it sees the pictures themselves; another system's video comes from an encoder."""
        return self.level == "utterance"


@dataclass(frozen=True)
class _Entry:
    info: ModelInfo
    model: type[nn.Module]
    config: type[BaseModel]
    presets: tuple[str, ...]


_ENTRIES = (
    _Entry(
        ModelInfo(
            name="deepmsi-mer",
            title="DeepMSI-MER",
            paper="Dai et al. 2025, arXiv:2502.08573",
            level="utterance",
            summary="Text and audio semantics steer visual sequence compression inside a Swin V2; TCN over "
            "the frames; supervised cross-modal contrastive loss.",
        ),
        DeepMSIMER,
        DeepMSIMERConfig,
        presets=("paper", "tiny"),
    ),
    _Entry(
        ModelInfo(
            name="mfcre",
            title="MFCRE",
            paper="Qi, Ibrayim and Tohti, Contextual xLSTM-Based Multimodal Fusion for Conversational "
            "Emotion Recognition",
            level="dialogue",
            summary="Each modality reasons over the dialogue with an mLSTM and SimAM; modality encoder and "
            "MultiAttn cross-attention; SWFC and Soft-HGR losses. Streams when trained causally.",
        ),
        MFCRE,
        MFCREConfig,
        presets=("iemocap", "meld", "tiny"),
    ),
    _Entry(
        ModelInfo(
            name="cm-msf",
            title="CM-MSF",
            paper="Xu and Gao 2024, Research on cross-modal emotion recognition based on multi-layer semantic "
            "fusion",
            level="sequence",
            summary="Sequences of words, sound and video frames: two encoders per modality aligned by "
            "attention, a cascade of cross-modal encoders, mask-gated fusion. Classes or a sentiment value.",
            tasks=("classification", "regression"),
        ),
        CMMSF,
        CMMSFConfig,
        presets=("paper", "tiny"),
    ),
)


def list_models() -> list[ModelInfo]:
    """Describe every system."""
    return [entry.info for entry in _ENTRIES]


def model_info(system: str | nn.Module) -> ModelInfo:
    """Describe one system, by its name or by a model of it.

    Raises:
        EmofuseError: for an unknown name.
    """
    if isinstance(system, str):
        return _entry(system).info
    return next(entry.info for entry in _ENTRIES if isinstance(system, entry.model))


def model_config(name: str, preset: str | None = None, **config: Any) -> BaseModel:
    """Checked settings of a system: a preset's, with ``config`` put over them.

    Raises:
        EmofuseError: for an unknown name, preset or setting, or a value out of range.
    """
    entry = _entry(name)
    if preset is not None and preset not in entry.presets:
        raise EmofuseError(f"{name} has no preset {preset!r}: choose from {', '.join(entry.presets)}")
    try:
        build = entry.config if preset is None else getattr(entry.config, preset)
        return build(**config)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors())
        raise EmofuseError(f"the settings of {name} are not valid: {wrong}") from error
    except TypeError as error:
        raise EmofuseError(f"the settings of {name} are not complete: {error}") from error


def create_model(name: str, preset: str | None = None, **config: Any) -> nn.Module:
    """Build a system by name.

    Args:
        name: one of `list_models`.
        preset: one of the system's named sizes ("paper", "tiny"), or None for its defaults.
        **config: settings, put over the preset's.

    Raises:
        EmofuseError: as `model_config`, or if the settings do not fit together.
    """
    return _entry(name).model(model_config(name, preset, **config))


def _entry(name: str) -> _Entry:
    for entry in _ENTRIES:
        if entry.info.name == name:
            return entry
    known = ", ".join(entry.info.name for entry in _ENTRIES)
    raise EmofuseError(f"there is no model named {name!r}: choose from {known}")
