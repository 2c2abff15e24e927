"""Settings of CM-MSF."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from emofuse.data.modality import MODALITIES, Modality
from emofuse.nn.dual_encoder import SequenceEncoderKind

Task = Literal["classification", "regression"]
TextEncoder = Literal["bert", "lstm"]
AudioEncoder = Literal["transformer", "bigru"]
VideoEncoder = Literal["resnet", "transformer"]

# Of these the network runs upstream: what comes in are its states.
_UPSTREAM = ("bert", "resnet")


class CMMSFConfig(BaseModel):
    """Settings of `CMMSF`; the defaults are the paper's where it gives any (§4.2, Figures 12 and 13).

    Attributes:
        task: "classification" into num_classes, or "regression" to one number.
        num_classes: C; a regression has none.
        modalities: which of text, audio and video the system has.
        text_dim: features of a token, as BERT gives them.
        audio_dim: features of a sound frame: mel bands, or others.
        video_dim: features of a video frame, as ResNet-101 gives them, or others.
        text_encoders: both, or one of them (Figure 11, Table 7). "bert" takes the token states as they come.
        audio_encoders: both, or one of them.
        video_encoders: both, or one of them. "resnet" takes the frame features as they come.
        text_length: tokens per utterance that the data should bring at most; the network takes any number.
        audio_rate: sound frames per second that the data should bring.
        video_rate: video frames per second that the data should bring.
        encoder_dim: width of every encoder and of the alignment, m.
        encoder_layers: layers of the audio and video Transformers.
        encoder_heads: their attention heads.
        encoder_ff_dim: width of their feed-forward networks.
        alignment_heads: h of Eq. 1-5.
        dim: d, size common to all modalities from Eq. 7 on.
        cascade: without it, the modalities do not inform each other before they are fused.
        cascade_layers: N.
        cascade_heads: heads of the cross-modal attentions.
        conv_kernel: steps that a Conv1d of the cascade spans.
        bilstm: without it, the cascade is a Transformer with Conv1d only (Table 6).
        lstm_hidden: hidden size of its BiLSTM.
        mask_gate: without it, the modalities are pooled as the cascade leaves them (Table 6).
        mask_threshold: a sound or video frame counts from this many standard deviations above the mean
            significance of its utterance on; see `emofuse.nn.mask_gate.adaptive_mask`.
        fusion_dim: size of F, Eq. 20.
        dropout: everywhere.
        regression_loss: "l1", mean absolute error, or "mse", mean squared error.
        modality_dropout: probability with which a training row loses a modality; it never loses all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Task = "classification"
    num_classes: int | None = Field(default=None, ge=2)
    modalities: tuple[Modality, ...] = Field(default=MODALITIES, min_length=1)
    text_dim: int = Field(default=768, ge=1)
    audio_dim: int = Field(default=80, ge=1)
    video_dim: int = Field(default=2048, ge=1)
    text_encoders: tuple[TextEncoder, ...] = Field(default=("bert", "lstm"), min_length=1)
    audio_encoders: tuple[AudioEncoder, ...] = Field(default=("transformer", "bigru"), min_length=1)
    video_encoders: tuple[VideoEncoder, ...] = Field(default=("resnet", "transformer"), min_length=1)
    text_length: int = Field(default=50, ge=1)
    audio_rate: float = Field(default=12.5, gt=0.0)
    video_rate: float = Field(default=15.0, gt=0.0)
    encoder_dim: int = Field(default=128, ge=1)
    encoder_layers: int = Field(default=5, ge=1)
    encoder_heads: int = Field(default=8, ge=1)
    encoder_ff_dim: int = Field(default=512, ge=1)
    alignment_heads: int = Field(default=8, ge=1)
    dim: int = Field(default=100, ge=1)
    cascade: bool = True
    cascade_layers: int = Field(default=8, ge=1)
    cascade_heads: int = Field(default=5, ge=1)
    conv_kernel: int = Field(default=3, ge=1)
    bilstm: bool = True
    lstm_hidden: int = Field(default=100, ge=1)
    mask_gate: bool = True
    mask_threshold: float = -1.0
    fusion_dim: int = Field(default=100, ge=1)
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)
    regression_loss: Literal["l1", "mse"] = "l1"
    modality_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @field_validator("modalities", "text_encoders", "audio_encoders", "video_encoders")
    @classmethod
    def _in_order(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError(f"something is named twice: {', '.join(names)}")
        order = (*MODALITIES, "bert", "lstm", "resnet", "transformer", "bigru")
        return tuple(name for name in order if name in names)

    @model_validator(mode="after")
    def _check_consistency(self) -> CMMSFConfig:
        if (self.num_classes is None) == (self.task == "classification"):
            raise ValueError("a classification needs num_classes, a regression has none")
        if self.encoder_dim % self.encoder_heads:
            raise ValueError(
                f"encoder_dim {self.encoder_dim} is not a multiple of encoder_heads {self.encoder_heads}"
            )
        if self.conv_kernel % 2 == 0:
            raise ValueError(f"conv_kernel {self.conv_kernel} has no middle; take an odd one")
        if len(self.modalities) > 1 and self.dim % (len(self.modalities) - 1):
            raise ValueError(f"dim {self.dim} does not divide among the other modalities; take an even one")
        return self

    @property
    def input_dims(self) -> dict[Modality, int]:
        """Features that each step of a modality brings."""
        sizes: dict[Modality, int] = {"text": self.text_dim, "audio": self.audio_dim, "video": self.video_dim}
        return {m: sizes[m] for m in self.modalities}

    @property
    def encoders(self) -> dict[Modality, tuple[SequenceEncoderKind, ...]]:
        """Encoders that each modality has here."""
        names: dict[Modality, tuple[Any, ...]] = {
            "text": self.text_encoders,
            "audio": self.audio_encoders,
            "video": self.video_encoders,
        }
        return {m: tuple("features" if n in _UPSTREAM else n for n in names[m]) for m in self.modalities}

    @property
    def mask_thresholds(self) -> dict[Modality, float | None]:
        """Of each modality's mask; text has none, its mask is that of the real tokens."""
        return {m: None if m == "text" else self.mask_threshold for m in self.modalities}

    @classmethod
    def paper(cls, num_classes: int | None = None, **overrides: Any) -> CMMSFConfig:
        """The paper's sizes."""
        return cls(num_classes=num_classes, **overrides)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> CMMSFConfig:
        """The same architecture at a size that two CPU cores train in a minute."""
        sizes: dict[str, Any] = {
            "encoder_dim": 32,
            "encoder_layers": 1,
            "encoder_heads": 4,
            "encoder_ff_dim": 64,
            "alignment_heads": 4,
            "dim": 32,
            "cascade_layers": 1,
            "cascade_heads": 4,
            "lstm_hidden": 32,
            "fusion_dim": 32,
            "dropout": 0.1,
        }
        return cls(num_classes=num_classes, **{**sizes, **overrides})
