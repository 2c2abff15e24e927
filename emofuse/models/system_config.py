"""Settings that comparison systems share: what they recognise, from which modalities, of which sizes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from emofuse.data.modality import MODALITIES, Modality


def _in_usual_order(names: tuple[Modality, ...]) -> tuple[Modality, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"something is named twice: {', '.join(names)}")
    return tuple(m for m in MODALITIES if m in names)


# The modalities of a system: at least one, each once, in their usual order whatever the order they are given in.
UsedModalities = Annotated[tuple[Modality, ...], Field(min_length=1), AfterValidator(_in_usual_order)]


class TaskConfig(BaseModel):
    """What a system learns to say.

    Attributes:
        task: "classification" into num_classes, or "regression" to one number.
        num_classes: C; a regression has none.
        regression_loss: "l1", mean absolute error, or "mse", mean squared error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Literal["classification", "regression"] = "classification"
    num_classes: int | None = Field(default=None, ge=2)
    regression_loss: Literal["l1", "mse"] = "l1"

    @model_validator(mode="after")
    def _check_task(self) -> Self:
        if (self.num_classes is None) == (self.task == "classification"):
            raise ValueError("a classification needs num_classes, a regression has none")
        return self

    @property
    def outputs(self) -> int:
        """Numbers that the head gives: C, or one."""
        return self.num_classes or 1

    @classmethod
    def paper(cls, num_classes: int | None = None, **overrides: Any) -> Self:
        """The paper's sizes."""
        return cls(num_classes=num_classes, **overrides)


class DialogueSystemConfig(TaskConfig):
    """Settings of a system that sees utterance vectors, of dialogues or single ones.

    Attributes:
        modalities: which it has.
        text_dim: features of an utterance's text.
        audio_dim: of its sound.
        video_dim: of its pictures.
        dropout: everywhere, unless a system says otherwise.
        feature_dropout: on the scaled features, before anything else.
        modality_dropout: probability with which a training utterance loses a modality; it never loses all.
    """

    modalities: UsedModalities = MODALITIES
    text_dim: int = Field(default=768, ge=1)
    audio_dim: int = Field(default=262, ge=1)
    video_dim: int = Field(default=1404, ge=1)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    feature_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    modality_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def input_dims(self) -> dict[Modality, int]:
        """Features that each modality brings."""
        sizes: dict[Modality, int] = {"text": self.text_dim, "audio": self.audio_dim, "video": self.video_dim}
        return {m: sizes[m] for m in self.modalities}


class MemorySystemConfig(DialogueSystemConfig):
    """Settings of a system that keeps a memory of a dialogue (CMN, ICON).

    Attributes:
        dim: d, of memories, states and queries.
        window: K, utterances before the present one that are remembered.
        hops: R, how often the memory is read.
        dropout: on the states of the memory.
    """

    dim: int = Field(default=50, ge=1)
    window: int = Field(default=40, ge=1)
    hops: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> Self:
        """A size for tests."""
        return cls(num_classes=num_classes, **{"dim": 16, "hops": 2, "dropout": 0.0, **overrides})


class SequenceSystemConfig(TaskConfig):
    """Settings of a system that sees an utterance as sequences of words, sound and pictures.

    Attributes:
        modalities: which it has.
        text_dim: features of a token.
        audio_dim: of a step of sound.
        video_dim: of a step of video.
        dropout: everywhere, unless a system says otherwise.
        modality_dropout: probability with which a training row loses a modality; it never loses all.
    """

    modalities: UsedModalities = MODALITIES
    text_dim: int = Field(default=768, ge=1)
    audio_dim: int = Field(default=74, ge=1)
    video_dim: int = Field(default=35, ge=1)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    modality_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def input_dims(self) -> dict[Modality, int]:
        """Features that each step of a modality brings."""
        sizes: dict[Modality, int] = {"text": self.text_dim, "audio": self.audio_dim, "video": self.video_dim}
        return {m: sizes[m] for m in self.modalities}
