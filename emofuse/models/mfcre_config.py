"""Settings of MFCRE."""

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emofuse.data.modality import MODALITIES, Modality
from emofuse.models.system_config import UsedModalities

Context = Literal["bidirectional", "causal", "none"]


class MFCREConfig(BaseModel):
    """Settings of `MFCRE`; the defaults are the paper's for MELD where it gives any.

    Attributes:
        num_classes: C.
        modalities: which of text, audio and video the system has.
        text_dim: features of an utterance's text.
        audio_dim: features of its sound.
        video_dim: features of its faces.
        dim: d, size of every modality after the input layer; the paper's 2·d_u.
        heads: heads of every attention and of the mLSTM.
        ff_dim: width of the feed-forward networks.
        mlp_dim: width of l, Eq. 8; d by default.
        input_activation: a ReLU after the input layers; the paper does not say.
        dropout: everywhere.
        context: what an utterance learns of its dialogue: all of it, only what came before, or nothing.
        window: utterances that attention reaches to each side; None is the whole dialogue. Streams need one.
        dialogue_crn: without it, contextual reasoning is left out (Table 4).
        simam: without it, r = q̃ in Eq. 3 (Table 4).
        modality_encoder: without it, each modality is only projected to d (Table 4).
        multi_attn: without it, the modalities are only concatenated (Table 4).
        swfc: without it, μ1 is 0 and cross-entropy takes its share (Table 4).
        soft_hgr: without it, μ2 is 0 and cross-entropy takes its share (Table 4).
        reasoning_steps: T.
        encoder_layers: layers of each Transformer of the modality encoder.
        kernel_size: utterances that its convolution spans.
        multi_attn_layers: N.
        energy_lambda: λ of SimAM.
        mu1: μ1, weight of the SWFC loss.
        mu2: μ2, weight of the Soft-HGR loss.
        l2: λ of Eq. 15 as a term of the loss. 0 by default: Adam's weight decay of 2λ is the same, cheaper.
        temperature: τ of the SWFC loss.
        alpha: α of the SWFC loss.
        gamma: γ of the SWFC loss.
        modality_dropout: probability with which a training utterance loses a modality; it never loses all.
        feature_dropout: probability with which each number of the scaled features is hidden in training. With few
            utterances per feature it keeps the input layer from learning them by heart; 0 is the paper's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_classes: int = Field(ge=2)
    modalities: UsedModalities = MODALITIES
    text_dim: int = Field(default=256, ge=1)
    audio_dim: int = Field(default=512, ge=1)
    video_dim: int = Field(default=1000, ge=1)
    dim: int = Field(default=256, ge=2)
    heads: int = Field(default=4, ge=1)
    ff_dim: int = Field(default=1024, ge=1)
    mlp_dim: int | None = Field(default=None, ge=1)
    input_activation: bool = False
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    context: Context = "bidirectional"
    window: int | None = Field(default=None, ge=1)
    dialogue_crn: bool = True
    simam: bool = True
    modality_encoder: bool = True
    multi_attn: bool = True
    swfc: bool = True
    soft_hgr: bool = True
    reasoning_steps: int = Field(default=2, ge=1, le=100)
    encoder_layers: int = Field(default=1, ge=1)
    kernel_size: int = Field(default=3, ge=1)
    multi_attn_layers: int = Field(default=2, ge=1)
    energy_lambda: float = Field(default=1e-4, gt=0.0)
    mu1: float = Field(default=0.4, ge=0.0, le=1.0)
    mu2: float = Field(default=0.3, ge=0.0, le=1.0)
    l2: float = Field(default=0.0, ge=0.0)
    temperature: float = Field(default=0.9, gt=0.0)
    alpha: float = 0.8
    gamma: float = Field(default=3.0, ge=0.0)
    modality_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    feature_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_consistency(self) -> "MFCREConfig":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {self.kernel_size} has no middle; take an odd one")
        if self.mu1 + self.mu2 > 1.0 + 1e-9:
            raise ValueError(
                f"mu1 + mu2 is {self.mu1 + self.mu2:g}; Eq. 15 leaves 1 - mu1 - mu2 to cross-entropy"
            )
        return self

    @property
    def causal(self) -> bool:
        """Whether no utterance learns of later ones."""
        return self.context == "causal"

    @property
    def input_dims(self) -> dict[Modality, int]:
        """Features that each modality brings."""
        sizes: dict[Modality, int] = {"text": self.text_dim, "audio": self.audio_dim, "video": self.video_dim}
        return {m: sizes[m] for m in self.modalities}

    @property
    def position_base(self) -> float:
        """Longest wavelength of the position embeddings over 2π.

        Within a window it is two windows: places then tell apart all that attention can reach, and come round
        again, so a conversation longer than any seen in training brings no place unlike those.
        """
        return 10_000.0 if self.window is None else max(1.0, self.window / math.pi)

    @property
    def loss_weights(self) -> tuple[float, float, float]:
        """Of SWFC, Soft-HGR and cross-entropy; what is switched off or undefined goes to cross-entropy."""
        mu1 = self.mu1 if self.swfc else 0.0
        mu2 = self.mu2 if self.soft_hgr and len(self.modalities) > 1 else 0.0
        return mu1, mu2, max(0.0, 1.0 - mu1 - mu2)

    @classmethod
    def iemocap(cls, num_classes: int, **overrides: Any) -> "MFCREConfig":
        """The paper's settings for IEMOCAP: six layers of MultiAttn."""
        return cls(num_classes=num_classes, **{"multi_attn_layers": 6, **overrides})

    @classmethod
    def meld(cls, num_classes: int, **overrides: Any) -> "MFCREConfig":
        """The paper's settings for MELD: two layers of MultiAttn."""
        return cls(num_classes=num_classes, **{"multi_attn_layers": 2, **overrides})

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> "MFCREConfig":
        """The same architecture at a size that two CPU cores train in a minute."""
        sizes: dict[str, Any] = {"dim": 64, "ff_dim": 128, "multi_attn_layers": 1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})
