"""Every setting of a run, typed, in one place; a recipe is one of these as YAML."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, to_jsonable_python

from emofuse.data import Modality
from emofuse.data.stored_files import stored_yaml
from emofuse.data.window_size import WindowSize
from emofuse.encoders import EncoderSpec
from emofuse.encoders.augment_settings import AugmentSettings
from emofuse.encoders.spec import FRAME_STATISTICS, HASHED_NGRAMS, LOGMEL_FUNCTIONALS
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.protocol_info import USUAL_FOLDS
from emofuse.features.normalisation import Normalise
from emofuse.models.system_info import Task
from emofuse.runs.setting_names import nearest_setting


def usual_threads() -> int:
    """OMP_NUM_THREADS where somebody has set it, else 2: the same on every machine."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else 2


LARGEST_SEED = 2**32 - 1  # of the libraries' generators


class _Settings(BaseModel):
    """Settings refuse unknown names, so a misspelt one is an error and not a silent default."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)


class DataSettings(_Settings):
    """Which utterances, how they are split, and how they are read."""

    manifest: Path | None = None
    protocol: str = "speaker"
    folds: int = Field(default=USUAL_FOLDS, ge=2)
    fold: int = Field(default=0, ge=0)
    val_fraction: float = Field(default=0.15, gt=0, lt=1)
    split_seed: int = Field(
        default=0,
        ge=0,
        le=LARGEST_SEED,
        description="of the split alone, so that runs of several seeds are judged on the same rows",
    )
    features: Path | None = Field(default=None, description="feature store; beside the manifest by default")
    stage_one: Path | None = Field(
        default=None,
        description="folder of fine-tuned encoders that runs share; each keeps its own by default",
    )
    workers: int = Field(
        default=2, ge=0, le=512, description="processes that decode frames while the model trains"
    )
    frame_cache: Path | None = Field(
        default=None,
        description="folder in which decoded frames are kept for the next epoch; none by default",
    )
    face_frames: bool = Field(
        default=False,
        description="systems that read frames see the speaker's face alone, where the manifest has a column face",
    )
    dialogue_window: int = Field(
        default=256, ge=1, description="utterances of a dialogue seen at once; a longer one is cut"
    )
    dialogue_overlap: int = Field(
        default=32, ge=0, description="utterances at either end of a window that are context alone"
    )
    longest_sequence: int = Field(
        default=400, ge=1, description="steps of sound or video; longer ones are averaged down to so many"
    )
    normalise: dict[Modality, Normalise] = Field(
        default_factory=dict,
        description="modality: speaker or recording; features without what all utterances of a speaker, or of a "
        "recording, have in common",
    )
    augment: AugmentSettings = Field(
        default_factory=AugmentSettings,
        description="changed copies of the training part's sounds, one of which an epoch may see in the place of each",
    )

    @model_validator(mode="after")
    def _check_window(self) -> DataSettings:
        WindowSize(self.dialogue_window, self.dialogue_overlap)
        return self


class ModelSettings(_Settings):
    """Which system, and what its own configuration says differently from its defaults."""

    name: str = "deepmsi-mer"
    preset: str | None = Field(
        default="tiny", description="a size that a laptop trains; paper for the paper's"
    )
    modalities: tuple[Modality, ...] | None = Field(
        default=None, description="all that the corpus has, if unset"
    )
    task: Task = Field(default="classification", description="or regression, to the column valence")
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _as_yaml_values(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Lists, not tuples: settings are the same whether they were given or read from a run's config.yaml."""
        plain: dict[str, Any] = to_jsonable_python(options)
        return plain


class OptimiserSettings(_Settings):
    """How the weights are found. The defaults are DeepMSI-MER's (Adam, 1e-4, 16, 30 epochs, patience 4)."""

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    batch_size: int = Field(
        default=16, ge=1, description="utterances, or dialogues, per step, of all devices together"
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="batches whose gradients are summed for one step, weighed by their utterances",
    )
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=4, ge=1)
    monitor: Literal["val_loss", "val_weighted_f1", "val_mae", "val_corr"] | None = Field(
        default=None, description="the task's own by default: weighted F1, or the mean absolute error"
    )
    schedule: Literal["constant", "cosine", "plateau", "step"] = "constant"
    decay: float = Field(default=0.5, gt=0, lt=1, description="factor of schedules plateau and step")
    decay_epochs: int = Field(
        default=5,
        ge=1,
        description="plateau: epochs without a better metric before a decay; step: between two",
    )
    warmup_fraction: float = Field(default=0.0, ge=0, lt=1)
    gradient_clip: float = Field(default=1.0, ge=0, description="largest gradient norm; 0 clips nothing")
    class_weights: Literal["none", "balanced"] = "none"
    sampling: Literal["natural", "balanced"] = Field(
        default="natural",
        description="balanced draws utterances so that each class comes equally often; for systems of utterances",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of the target that is spread over all classes"
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        description="alpha of the Beta distribution that mixes pairs of utterances; 0 mixes none",
    )
    r_drop: float = Field(
        default=0.0,
        ge=0,
        description="weight of the difference between two passes with other dropout; 0 makes one pass",
    )
    weight_average: Literal["none", "ema", "swa"] = Field(
        default="none",
        description="of the weights, judged and saved in their place: ema, a moving one; swa, the mean over epochs",
    )
    ema_decay: float = Field(
        default=0.99, gt=0, lt=1, description="share of the average that a step leaves as it is"
    )
    swa_start: float = Field(
        default=0.5, ge=0, lt=1, description="share of the epochs before the first that is in the mean of swa"
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> OptimiserSettings:
        if self.warmup_fraction and self.schedule in ("plateau", "step"):
            raise ValueError(f"schedule {self.schedule} has no warm-up; leave warmup_fraction out")
        if self.mixup and self.r_drop:
            raise ValueError("mixup and r_drop are not for one training; leave one of them out")
        return self


class RunSettings(_Settings):
    """All that decides the numbers of a run."""

    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(
        default_factory=usual_threads,
        ge=1,
        le=1024,
        description="processor threads that it computes with; another number changes the last digits",
    )
    precision: Literal["auto", "32", "bf16"] = "auto"
    devices: int = Field(
        default=1, ge=1, description="of each machine, a process each; batch_size is that of all together"
    )
    nodes: int = Field(default=1, ge=1, description="machines; several are started with torchrun")
    compile: bool = Field(
        default=False, description="run the Swin's blocks through torch.compile while training"
    )
    test_scores: bool = Field(
        default=False,
        description="score the test part after every epoch, to say what choosing by it would be worth; nothing is "
        "chosen by these scores, and they are marked optimistic",
    )
    linear_pool: bool = Field(
        default=False,
        description="pool the trained system with the linear model on the same features; the validation part chooses "
        "the weight",
    )
    data: DataSettings = Field(default_factory=DataSettings)
    encoders: dict[Modality, EncoderSpec] = Field(default_factory=dict)
    model: ModelSettings = Field(default_factory=ModelSettings)
    optimiser: OptimiserSettings = Field(default_factory=OptimiserSettings)

    def encoder(self, modality: Modality) -> EncoderSpec:
        """The encoder asked for, or the embedded one, which needs no download."""
        embedded = {"text": HASHED_NGRAMS, "audio": LOGMEL_FUNCTIONALS, "video": FRAME_STATISTICS}
        return self.encoders.get(modality) or EncoderSpec(modality=modality, name=embedded[modality])

    def to_yaml(self) -> str:
        """The settings as a recipe, keys in the order in which they are declared."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, path: Path) -> RunSettings:
        """Read a recipe; an unknown name or a value of the wrong kind is named with its place."""
        if not path.exists():
            raise EmofuseError(f"{path}: there is no such recipe; name a YAML file")
        content = stored_yaml(path, "name a YAML file of settings") or {}
        if not isinstance(content, dict):
            raise EmofuseError(
                f"{path}: a recipe is a mapping of settings, this is a {type(content).__name__}"
            )
        return cls.checked(content, source=str(path))

    @classmethod
    def checked(cls, content: dict[str, Any], source: str) -> RunSettings:
        """Validate settings that came from ``source``, telling the user which one is wrong and why."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise EmofuseError(f"{source}: {_first_complaint(error)}") from None

    def with_changes(self, changes: dict[str, Any]) -> RunSettings:
        """A copy with dotted names changed, e.g. ``{"optimiser.epochs": 3}``."""
        content = self.model_dump(mode="json")
        for dotted, value in changes.items():
            _set_dotted(content, dotted, value)
        return self.checked(content, source="settings")


def _set_dotted(content: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, leaf = dotted.split(".")
    for name in parents:
        content = content.setdefault(name, {})
        if not isinstance(content, dict):
            raise EmofuseError(f"setting {dotted}: {name} has no settings below it")
    content[leaf] = value


def _first_complaint(error: ValidationError) -> str:
    complaints = [_complaint(e) for e in error.errors()]
    more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    return f"{complaints[0]}{more}"


def _complaint(error: ErrorDetails) -> str:
    name = ".".join(str(part) for part in error["loc"]) or "value"
    if error["type"] == "extra_forbidden":
        return f"there is no setting {name}{nearest_setting(name, RunSettings)}"
    return f"setting {name}: {error['msg']}"
