"""MultiEMO (Shi and Huang 2023): context by DialogueRNN, MultiAttn between modalities, a contrastive loss for rare classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.soft_hgr import SoftHGRLoss
from emofuse.losses.swfc import SampleWeightedFocalContrastiveLoss
from emofuse.losses.task_losses import cross_entropy
from emofuse.models.dialogue_rnn import DialogueRNNConfig, DialogueRNNEncoder, parties_of
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.multi_attn import MultiAttn


class MultiEMOConfig(DialogueSystemConfig):
    """Settings of `MultiEMO`.

    Attributes:
        dim: size of every modality after its context.
        layers: of MultiAttn.
        heads: of its attentions.
        ff_dim: of its feed-forward networks.
        hidden: units of the layer before the classifier.
        global_dim: of DialogueRNN's global state; see `DialogueRNNConfig` for this and the next two.
        party_dim: of a party's state.
        emotion_dim: of the emotion state.
        temperature: τ of the contrastive loss.
        alpha: weight of rare classes in it.
        gamma: focus on hard utterances in it.
        contrastive_weight: μ1, of the contrastive loss.
        hgr_weight: μ2, of the Soft-HGR loss; the cross-entropy has the rest to 1.
    """

    dim: int = Field(default=256, ge=1)
    layers: int = Field(default=6, ge=1)
    heads: int = Field(default=4, ge=1)
    ff_dim: int = Field(default=1024, ge=1)
    hidden: int = Field(default=256, ge=1)
    global_dim: int = Field(default=150, ge=1)
    party_dim: int = Field(default=150, ge=1)
    emotion_dim: int = Field(default=100, ge=1)
    temperature: float = Field(default=0.8, gt=0.0)
    alpha: float = Field(default=0.8, ge=0.0)
    gamma: float = Field(default=2.0, ge=0.0)
    contrastive_weight: float = Field(default=0.4, ge=0.0, le=1.0)
    hgr_weight: float = Field(default=0.3, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _check_consistency(self) -> MultiEMOConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        if self.contrastive_weight + self.hgr_weight > 1.0:
            raise ValueError("contrastive_weight and hgr_weight leave the cross-entropy less than nothing")
        return self

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> MultiEMOConfig:
        """A size for tests."""
        sizes = {"dim": 16, "layers": 1, "heads": 2, "ff_dim": 32, "hidden": 16}
        states = {"global_dim": 16, "party_dim": 16, "emotion_dim": 8}
        return cls(num_classes=num_classes, **{**sizes, **states, **overrides})


@register_system(
    name="multiemo",
    title="MultiEMO",
    paper="Shi and Huang 2023, MultiEMO: An Attention-Based Correlation-Aware Multimodal Fusion Framework for Emotion "
    "Recognition in Conversations",
    summary="DialogueRNN over sound and pictures, MultiAttn between modalities, a sample-weighted focal contrastive loss.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=MultiEMOConfig,
    speakers=True,
    presets=("paper", "tiny"),
    citation="""
@inproceedings{shi2023multiemo,
  title = {MultiEMO: An Attention-Based Correlation-Aware Multimodal Fusion Framework for Emotion Recognition in
           Conversations},
  author = {Shi, Tao and Huang, Shao-Lun},
  booktitle = {ACL},
  year = {2023}
}""",
)
class MultiEMO(DialogueSystem):
    """MultiEMO.

    Text comes with its context from the encoder (RoBERTa reads the turns around it), so it has one layer; sound and
    pictures get theirs from a DialogueRNN each.

    Args:
        config: see `MultiEMOConfig`.
    """

    config: MultiEMOConfig

    def __init__(self, config: MultiEMOConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        states = DialogueRNNConfig(
            num_classes=c.outputs,
            global_dim=c.global_dim,
            party_dim=c.party_dim,
            emotion_dim=c.emotion_dim,
            recurrent_dropout=c.dropout,
            state_dropout=c.dropout,
        )
        dims = c.input_dims
        self.contexts = nn.ModuleDict({m: DialogueRNNEncoder(dims[m], states) for m in names if m != "text"})
        self.projections = nn.ModuleDict(
            {m: nn.Linear(dims[m] if m == "text" else 2 * c.emotion_dim, c.dim) for m in names}
        )
        self.multi_attn = MultiAttn(c.dim, names, c.layers, c.heads, c.ff_dim, c.dropout)
        self.fully_connected = nn.Linear(len(names) * c.dim, c.dim)
        self.dense, self.classifier = nn.Linear(c.dim, c.hidden), nn.Linear(c.hidden, c.outputs)
        self.dropout = nn.Dropout(c.dropout)
        self.swfc = SampleWeightedFocalContrastiveLoss(c.temperature, c.alpha, c.gamma)
        self.soft_hgr = SoftHGRLoss()

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        parties = parties_of(speakers, mask, next(iter(inputs.values())).dtype)
        x = {}
        for m, features in inputs.items():
            context = self.contexts[m](features, parties, mask) if m in self.contexts else features
            x[m] = self.projections[m](context).masked_fill(~available[m].unsqueeze(-1), 0.0)
        fused = self.multi_attn(x, available)
        z = self.fully_connected(torch.cat(list(fused.values()), dim=-1))
        logits = self.classifier(self.dropout(F.relu(self.dense(self.dropout(z)))))
        return self._output(logits, fused, z, mask, available)

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """μ1 L_SWFC + μ2 L_Soft-HGR + (1 − μ1 − μ2) L_CE, each a mean over its utterances."""
        c = self.config
        y = labels.masked_fill(~output.mask, -1)
        known = y >= 0
        parts = {"cross_entropy": cross_entropy(output.logits, y, class_weights)}
        zero = parts["cross_entropy"] * 0.0
        counts = torch.bincount(y[known], minlength=c.outputs)
        n = known.sum().clamp_min(1)
        parts["swfc"] = self.swfc(output.fused[known], y[known], counts) / n if c.contrastive_weight else zero
        features = {m: f[output.mask] for m, f in output.features.items()}
        rows = {m: p[output.mask] for m, p in output.present.items()}
        several = len(features) > 1 and c.hgr_weight > 0
        parts["soft_hgr"] = self.soft_hgr(**features, present=rows) if several else zero
        rest = 1.0 - c.contrastive_weight - c.hgr_weight
        loss = c.contrastive_weight * parts["swfc"] + c.hgr_weight * parts["soft_hgr"]
        return {"loss": loss + rest * parts["cross_entropy"], **parts}
