"""DeepMSI-MER (Dai et al. 2025), Figure 1: semantics of text and sound decide what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.data.modality import Modality
from emofuse.errors import EmofuseError
from emofuse.losses.cross_modal_contrastive import CrossModalContrastiveLoss
from emofuse.models.deepmsi_mer_config import DeepMSIMERConfig
from emofuse.models.given_inputs import inputs_of, row_presence
from emofuse.models.output import EmotionOutput, KeptPatches
from emofuse.models.registry import register_system
from emofuse.nn.exporting import exporting
from emofuse.nn.feature_scaler import FeatureScalers
from emofuse.nn.frame_augmentation import FrameAugmentation
from emofuse.nn.heads import EarlyFusion, TemporalSummary
from emofuse.nn.mlp import MLP
from emofuse.nn.swin_versions import SWINS
from emofuse.nn.vsc_swin import VSCSwin

if TYPE_CHECKING:
    from transformers import SwinConfig, Swinv2Config


@register_system(
    name="deepmsi-mer",
    title="DeepMSI-MER",
    paper="Dai et al. 2025, arXiv:2502.08573",
    summary="Text and audio semantics steer visual sequence compression inside a Swin V2; TCN over the frames; "
    "supervised cross-modal contrastive loss.",
    scope="utterance",
    inputs={"text": "vector", "audio": "vector", "video": "frames"},
    config=DeepMSIMERConfig,
    presets=("paper", "tiny"),
    citation="""
@article{dai2025deepmsimer,
  author = {Dai and others},
  year = {2025},
  journal = {arXiv preprint arXiv:2502.08573}
}""",
)
class DeepMSIMER(nn.Module):
    """Multimodal semantic information fusion for emotion recognition.

    Text and audio features are fused early into G_cls, which steers visual sequence compression inside a
    Swin V2 that sees every frame; a TCN makes one video feature of the frames; the three modalities are
    projected, drawn together by a contrastive loss, concatenated and classified.

    A modality that a row lacks enters late fusion as a learned vector that starts at zero, and nothing of
    what the row holds in its place has any influence.

    Args:
        config: see `DeepMSIMERConfig`. After construction ``model.config.swin`` holds the full configuration
            of the Swin also where a pretrained one was named, so that ``model.config`` alone rebuilds the
            network.

    Raises:
        EmofuseError: if parts of the configuration do not fit together.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: DeepMSIMERConfig) -> None:
        super().__init__()
        widths: dict[Modality, int] = {"text": config.text_dim, "audio": config.audio_dim}
        semantic = {name: width for name, width in widths.items() if name in config.modalities}
        self.scalers = FeatureScalers(semantic)

        to_project: dict[str, int] = dict(semantic.items())
        self.early_fusion: EarlyFusion | None = None
        if "video" in config.modalities:
            self.augmentation = FrameAugmentation(config.augmentation)
            self.swin = _build_swin(config)
            config = config.model_copy(update={"swin": _swin_arguments(self.swin.config)})
            steering: dict[str, int] = {
                name: width for name, width in semantic.items() if name in config.steer_by
            }
            if steering and self.swin.context_dim is not None:
                self.early_fusion = EarlyFusion(
                    steering, config.fusion_hidden, self.swin.context_dim, config.dropout
                )
            self.temporal = TemporalSummary(
                config.temporal,
                self.swin.out_features,
                config.tcn_channels,
                config.tcn_kernel,
                config.dropout,
                config.frame_batch_norm,
            )
            to_project["video"] = self.temporal.out_features
        self.config = config

        width = config.projection_dim
        self.projections = nn.ModuleDict(
            {name: MLP((features, width, width), config.dropout) for name, features in to_project.items()}
        )
        self.absent = nn.ParameterDict({name: nn.Parameter(torch.zeros(width)) for name in to_project})
        late = width * len(config.modalities)
        self.classifier = MLP((late, *config.classifier_hidden, config.num_classes), config.dropout)
        self.contrastive = CrossModalContrastiveLoss(config.temperature)
        for name, values in (("image_mean", config.image_mean), ("image_std", config.image_std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1) * 255.0, persistent=False)

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        frames: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> EmotionOutput:
        """Recognise B utterances.

        Args:
            text: t_cls, (B, text_dim), or None where no utterance has text.
            audio: a_cls, (B, audio_dim), or None.
            frames: uint8 (B, frames, 3, H, W), or None.
            present: modality -> (B,) bool, False for rows that lack it; a modality not named is there for
                all. What the configuration switches off is ignored.

        Raises:
            EmofuseError: if none of the system's modalities is given.
        """
        inputs = inputs_of(self.config.modalities, text, audio, frames)
        dropout = self.config.modality_dropout if self.training else 0.0
        available = row_presence(inputs, present or {}, dropout)

        semantics: dict[str, Tensor] = {
            m: self._semantic_feature(m, x, available[m]) for m, x in inputs.items() if m in self.scalers
        }
        raw: dict[str, Tensor | None] = dict(semantics)
        kept: list[KeptPatches] = []
        if (clips := inputs.get("video")) is not None:
            g_cls = None if self.early_fusion is None else self.early_fusion(semantics, available)
            raw["video"], kept = self._video_feature(clips, available["video"], g_cls)

        features: dict[str, Tensor] = {
            name: self._project(name, raw.get(name), available[name]) for name in self.config.modalities
        }
        logits = self.classifier(torch.cat(list(features.values()), dim=-1))
        return EmotionOutput(logits, features, available, kept)

    def fit_scaler(self, modality: str, features: np.ndarray | Tensor) -> None:
        """Fit the scaler of "text" or "audio" to training features (N, d); see `FeatureScalers.fit`."""
        self.scalers.fit(modality, features)

    def training_loss(
        self,
        output: EmotionOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Eq. 7: L = α_ce · L_ce + β_cl · L_cl.

        Args:
            output: of `forward` on the same rows.
            labels: (B,) class numbers.
            class_weights: (C,), or None for equal ones.
            present: modality -> (B,) bool, to leave out of L_cl more rows than ``output.present`` does.

        Returns:
            "loss", "cross_entropy" and "contrastive" (0 where the system has no video), scalars.
        """
        logits = output.logits if output.logits.dtype == torch.float64 else output.logits.float()
        cross_entropy = F.cross_entropy(logits, labels, weight=class_weights)
        contrastive = cross_entropy.new_zeros(())
        if "video" in output.features:
            rows = {
                name: available & (present or {}).get(name, available)
                for name, available in output.present.items()
            }
            text, audio = output.features.get("text"), output.features.get("audio")
            contrastive = self.contrastive(output.features["video"], text, audio, labels, rows)
        loss = self.config.alpha_ce * cross_entropy + self.config.beta_cl * contrastive
        return {"loss": loss, "cross_entropy": cross_entropy, "contrastive": contrastive}

    def _semantic_feature(self, name: str, feature: Tensor | None, present: Tensor) -> Tensor:
        """Scaled t_cls or a_cls, (B, d); zeros where absent."""
        scaler = self.scalers[name]
        if feature is None:
            return scaler.mean.new_zeros(present.shape[0], len(scaler.mean))
        scaled = scaler(feature.to(scaler.mean.dtype), present)
        return F.dropout(scaled, self.config.feature_dropout, self.training)

    def _video_feature(
        self, frames: Tensor, present: Tensor, g_cls: Tensor | None
    ) -> tuple[Tensor, list[KeptPatches]]:
        """All frames of the batch through VSC-Swin in one pass, then over time: (B, d_video).

        Rows without a video are left out on the way; their feature is zero and their patches are -1. Where all are,
        all go that way, so that every weight has a gradient of 0, and statistics of a batch take no note of them.
        """
        rows = torch.arange(present.shape[0], device=present.device)
        anything = exporting() or bool(present.any())
        if not exporting() and anything:
            rows = rows[present]
        count = frames.shape[1]
        pixels = self.augmentation(self._pixels(frames[rows]), count)
        context = None if g_cls is None else g_cls[rows].unsqueeze(1).expand(-1, count, -1).flatten(0, 1)
        seen = self.swin(pixels, context)
        feature = self.temporal(seen.pooled.unflatten(0, (-1, count)), anything)
        kept = [_of_all_rows(patches, rows, present, count) for patches in seen.kept]
        if exporting() or not anything:
            return feature.masked_fill(~present.unsqueeze(-1), 0.0), kept
        return feature.new_zeros(present.shape[0], feature.shape[1]).index_copy(0, rows, feature), kept

    def _pixels(self, frames: Tensor) -> Tensor:
        """Uint8 (B, F, 3, H, W) -> normalised (B·F, 3, image_size, image_size)."""
        if frames.dtype != torch.uint8 or frames.dim() != 5 or frames.shape[2] != 3:
            raise ValueError(
                f"expected uint8 frames (B, F, 3, H, W), got {frames.dtype} {tuple(frames.shape)}"
            )
        pixels = frames.flatten(0, 1).to(self.image_mean.dtype)
        side = self.config.image_size
        if pixels.shape[-2:] != (side, side):
            pixels = F.interpolate(pixels, (side, side), mode="bicubic", antialias=True).clamp(0.0, 255.0)
        return (pixels - self.image_mean) / self.image_std

    def _project(self, name: str, feature: Tensor | None, present: Tensor) -> Tensor:
        absent = self.absent[name].expand(present.shape[0], -1)
        if feature is None:
            return absent
        projected = self.projections[name](feature)
        return torch.where(present.unsqueeze(-1), projected, absent.to(projected.dtype))


def _of_all_rows(patches: KeptPatches, rows: Tensor, present: Tensor, frames: int) -> KeptPatches:
    """Indices (rows·frames, L) of some rows -> (B, frames, L), -1 in those that are not present (B,)."""
    indices = patches.indices.new_full((present.shape[0], frames, patches.indices.shape[1]), -1)
    indices[rows] = patches.indices.unflatten(0, (-1, frames))
    seen = indices.masked_fill(~present.view(-1, 1, 1), -1)
    return KeptPatches(patches.stage, patches.block, patches.grid, seen)


def _build_swin(config: DeepMSIMERConfig) -> VSCSwin:
    if isinstance(config.swin, str):
        return VSCSwin.from_pretrained(
            config.swin,
            config.vsc,
            config.image_size,
            config.gradient_checkpointing,
            config.swin_version,
            config.chunk_tokens,
        )
    settings = SWINS[config.swin_version].config
    known = set(settings().to_dict())
    if unknown := sorted(set(config.swin) - known):
        raise EmofuseError(
            f"swin has no setting named {', '.join(unknown)}: see transformers' {settings.__name__}"
        )
    try:
        swin = settings(**config.swin, image_size=config.image_size)
    except (TypeError, ValueError) as error:
        raise EmofuseError(f"the swin settings are not valid: {error}") from error
    return VSCSwin(
        swin, config.vsc, config.gradient_checkpointing, config.convolutional_stem, config.chunk_tokens
    )


def _swin_arguments(swin: Swinv2Config | SwinConfig) -> dict:
    """The architecture as plain data, without image_size, which the model's own configuration gives."""
    names = (
        "patch_size",
        "embed_dim",
        "depths",
        "num_heads",
        "window_size",
        "pretrained_window_sizes",
        "mlp_ratio",
        "qkv_bias",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "drop_path_rate",
        "hidden_act",
        "layer_norm_eps",
        "initializer_range",
    )
    values = {name: getattr(swin, name) for name in names if hasattr(swin, name)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
