"""Settings of DeepMSI-MER."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from emofuse.data.modality import MODALITIES, Modality
from emofuse.nn.heads import TemporalKind
from emofuse.nn.swin_plan import VSCConfig
from emofuse.nn.swin_versions import SwinNumber
from emofuse.nn.window_runner import CHUNK_TOKENS

_SWIN_V2_TINY: dict[str, Any] = {
    "patch_size": 4,
    "embed_dim": 96,
    "depths": (2, 2, 6, 2),
    "num_heads": (3, 6, 12, 24),
    "window_size": 8,
    "drop_path_rate": 0.2,
}
_SWIN_V2_DEMO: dict[str, Any] = {
    "patch_size": 8,
    "embed_dim": 48,
    "depths": (2, 2),
    "num_heads": (2, 4),
    "window_size": 4,
    "mlp_ratio": 2.0,
    "drop_path_rate": 0.0,
}


# The library numbers the blocks before it builds the first, in memory that grows with them.
_MOST_BLOCKS = 1000


class DeepMSIMERConfig(BaseModel):
    """Settings of `DeepMSIMER`; the defaults are the paper's sizes.

    Attributes:
        num_classes: C.
        modalities: which of text, audio and video the system has.
        text_dim: features of an utterance's text, t_cls.
        audio_dim: features of its sound, a_cls.
        steer_by: which of text and audio make G_cls; empty leaves the compression to the image alone.
        fusion_hidden: hidden width of the early fusion MLP.
        projection_dim: width of each modality in late fusion.
        classifier_hidden: hidden widths of the classifier.
        temporal: how frames become one video feature.
        tcn_channels: of the TCN; the last is the width of the video feature (also of a GRU).
        tcn_kernel: K of Eq. 4.
        dropout: probability, in the TCN, the MLPs and the classifier.
        frames: frames per utterance that the data should bring; the network takes any number.
        image_size: height and width of a frame in pixels; other sizes are resized on the device.
        image_mean: per channel, of pixel values between 0 and 1.
        image_std: likewise.
        swin: arguments of transformers' `Swinv2Config`, or the name or folder of a pretrained checkpoint.
        swin_version: 2, or 1 to compare with, for which ``swin`` has arguments of `SwinConfig`.
        vsc: where the Swin compresses; None for a plain one.
        convolutional_stem: convolutions in the place of the Swin's patch embedding, for training from scratch
            on little; not with a pretrained Swin.
        frame_batch_norm: batch-normalise the frames' features before they are summed up over time.
        augmentation: strength of random variation of training clips, see `FrameAugmentation`; 0 is none.
        gradient_checkpointing: recompute the Swin's blocks in the backward pass to save memory.
        chunk_tokens: of the Swin, how many tokens each thread of a processor takes at once; 0 takes all of them.
            It changes no number but for rounding.
        alpha_ce: weight of the cross-entropy, Eq. 7.
        beta_cl: weight of the contrastive loss, Eq. 7.
        temperature: τ of the contrastive loss, Eq. 5.
        modality_dropout: probability with which a training row loses a modality; it never loses all.
        feature_dropout: probability with which each number of t_cls and a_cls is hidden in training. With few
            utterances and wide features, a network learns the words of every single one by heart otherwise,
            and never needs to look.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_classes: int = Field(ge=2)
    modalities: tuple[Modality, ...] = Field(default=MODALITIES, min_length=1)
    text_dim: int = Field(default=1024, ge=1)
    audio_dim: int = Field(default=768, ge=1)
    steer_by: tuple[Literal["text", "audio"], ...] = ("text", "audio")
    fusion_hidden: int = Field(default=512, ge=1)
    projection_dim: int = Field(default=256, ge=1)
    classifier_hidden: tuple[int, ...] = (512, 256, 128)
    temporal: TemporalKind = "tcn"
    tcn_channels: tuple[int, ...] = Field(default=(1024, 1024, 1024), min_length=1)
    tcn_kernel: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)
    frames: int = Field(default=15, ge=1, le=1024)
    image_size: int = Field(default=256, ge=8, le=4096)
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    swin: dict[str, Any] | str = Field(default_factory=lambda: dict(_SWIN_V2_TINY))
    swin_version: SwinNumber = 2
    vsc: VSCConfig | None = VSCConfig(stage=2, grids=(14, 12, 10))
    convolutional_stem: bool = False
    frame_batch_norm: bool = False
    augmentation: float = Field(default=0.0, ge=0.0, le=2.0)
    gradient_checkpointing: bool = False
    chunk_tokens: int = Field(default=CHUNK_TOKENS, ge=0)
    alpha_ce: float = Field(default=1.0, ge=0.0)
    beta_cl: float = Field(default=0.5, ge=0.0)
    temperature: float = Field(default=0.5, gt=0.0)
    modality_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    feature_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @field_validator("modalities", "steer_by")
    @classmethod
    def _in_order(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError(f"a modality is named twice: {', '.join(names)}")
        return tuple(name for name in MODALITIES if name in names)

    @model_validator(mode="after")
    def _fits_the_swin(self) -> "DeepMSIMERConfig":
        if isinstance(self.swin, str) and self.convolutional_stem:
            raise ValueError("a pretrained Swin brings its own patch embedding: leave convolutional_stem off")
        if isinstance(self.swin, dict) and {"image_size", "num_channels"} & set(self.swin):
            raise ValueError(
                "the frames' size is image_size and they have 3 channels: leave both out of swin"
            )
        if isinstance(self.swin, dict) and (most := _blocks(self.swin.get("depths", ()))) > _MOST_BLOCKS:
            raise ValueError(f"swin.depths come to {most} blocks, and at most {_MOST_BLOCKS} make sense")
        return self

    @property
    def self_contained(self) -> bool:
        """Whether the settings alone say what the network is, with no pretrained Swin to fetch."""
        return not isinstance(self.swin, str)

    @classmethod
    def paper(cls, num_classes: int, **overrides: Any) -> "DeepMSIMERConfig":
        """The paper's sizes: Swin V2-tiny at 256 px with 14x14, 12x12 and 10x10 tokens kept in stage 3."""
        return cls(num_classes=num_classes, **overrides)

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> "DeepMSIMERConfig":
        """The same architecture at a size that two CPU cores train in a minute."""
        sizes: dict[str, Any] = {
            "text_dim": 256,
            "audio_dim": 128,
            "fusion_hidden": 64,
            "projection_dim": 64,
            # What the modalities say adds up in a linear classifier; a deeper one must learn from data that it does.
            "classifier_hidden": (),
            "tcn_channels": (64, 64, 64),
            "dropout": 0.1,
            "image_size": 64,
            "swin": dict(_SWIN_V2_DEMO),
            "convolutional_stem": True,
            "frame_batch_norm": True,
            # On a grid this small, closing the gaps would tear the face apart; a threshold leaves places alone.
            # Zero folds away what points against m_cls; more hides the face before G_cls means anything.
            "vsc": VSCConfig(stage=0, grids=(7,), threshold=0.0),
        }
        return cls(num_classes=num_classes, **{**sizes, **overrides})


def _blocks(depths: Any) -> int:
    """How many blocks there are in all; what is no list of whole numbers is reported by the library."""
    known = isinstance(depths, list | tuple) and all(isinstance(depth, int) for depth in depths)
    return sum(depths) if known else 0
