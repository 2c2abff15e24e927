"""CM-MSF (Xu and Gao 2024), Figure 1: two encoders per modality, cascade, mask gate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.data.modality import Modality
from emofuse.losses.task_losses import task_loss
from emofuse.models.cm_msf_config import CMMSFConfig
from emofuse.models.given_inputs import inputs_of
from emofuse.models.registry import register_system
from emofuse.models.sequence_inputs import given_sequences
from emofuse.models.sequence_output import SequenceOutput
from emofuse.nn.cascade import CrossModalCascade
from emofuse.nn.cross_modal_alignment import CommonSpace, EncoderAlignment
from emofuse.nn.dual_encoder import DualEncoder
from emofuse.nn.feature_scaler import FeatureScalers
from emofuse.nn.mask_gate import MaskGate, MaskGateOutput


@register_system(
    name="cm-msf",
    title="CM-MSF",
    paper="Xu and Gao 2024, Research on cross-modal emotion recognition based on multi-layer semantic fusion",
    summary="Sequences of words, sound and video frames: two encoders per modality aligned by attention, a cascade "
    "of cross-modal encoders, mask-gated fusion. Classes or a sentiment value.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=CMMSFConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@article{xu2024cmmsf,
  title = {Research on cross-modal emotion recognition based on multi-layer semantic fusion},
  author = {Xu and Gao},
  year = {2024}
}""",
)
class CMMSF(nn.Module):
    """Cross-modal emotion recognition by multi-layer semantic fusion.

    Each modality is a sequence. Two encoders see it side by side and are aligned by attention on each other;
    a cascade lets every modality be informed by each of the others; mask gates choose what passes of which
    step; the modalities are pooled over time, fused and classified, or a number is predicted.

    A modality that a row lacks informs no other and is fused as 0; nothing of what is given in its place has
    any influence. Padding likewise, wherever it stands: each sequence is its real steps, one after another.

    Args:
        config: see `CMMSFConfig`.
    """

    def __init__(self, config: CMMSFConfig) -> None:
        super().__init__()
        self.config = c = config
        names = c.modalities
        self.scalers = FeatureScalers(c.input_dims)
        self.encoders = nn.ModuleDict({m: self._build_encoders(m) for m in names})
        self.alignments = nn.ModuleDict({m: self._build_alignment(m) for m in names})
        self.common = nn.ModuleDict({m: CommonSpace(c.encoder_dim, c.dim, c.dropout) for m in names})
        self.cascade = self._build_cascade() if c.cascade and len(names) > 1 else None
        thresholds = c.mask_thresholds if c.mask_gate else {}
        self.mask_gates = nn.ModuleDict({m: MaskGate(c.dim, t, c.dropout) for m, t in thresholds.items()})
        self.dropout = nn.Dropout(c.dropout)
        self.fusion = nn.Linear(len(names) * c.dim, c.fusion_dim)
        self.head = nn.Linear(c.fusion_dim, c.num_classes or 1)

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        masks: Mapping[str, Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> SequenceOutput:
        """Recognise B utterances.

        Args:
            text: token states (B, T_t, text_dim), or None where no utterance has text.
            audio: sound frames (B, T_a, audio_dim), or None.
            video: video frames (B, T_v, video_dim), or None.
            masks: modality -> (B, T_m) bool, the real steps; all of a modality's that is not named.
            present: modality -> (B,) bool, False for rows that lack it; a modality not named is there for
                all rows with a real step. What the configuration switches off is ignored.

        Raises:
            EmofuseError: for inputs of the wrong shape, or none at all.
        """
        c = self.config
        given = inputs_of(c.modalities, text, audio, video)
        dropout = c.modality_dropout if self.training else 0.0
        x, steps, available = given_sequences(given, c.input_dims, masks or {}, present or {}, dropout)

        mask = {m: s.mask for m, s in steps.items()}
        U = {m: self._encode(m, s.take(x[m]), s.mask) for m, s in steps.items()}
        if self.cascade is not None:
            U = self.cascade(U, mask)
        gated = self._gate(U, mask)
        features = {m: _max_over_time(g.features, g.mask) for m, g in gated.items()}

        fused = F.relu(self.fusion(self.dropout(torch.cat(list(features.values()), dim=-1))))  # Eq. 20
        y = self.head(self.dropout(fused))  # Eq. 21
        seen = [m for m in given if given[m] is not None]
        return SequenceOutput(
            logits=y,
            value=y.squeeze(-1) if c.task == "regression" else None,
            features=features,
            present=available,
            fused=fused,
            gates={m: steps[m].scatter_back(gated[m].gate) for m in seen},
            masks={m: steps[m].scatter_back(gated[m].mask) for m in seen},
        )

    def _encode(self, m: str, x: Tensor, mask: Tensor) -> Tensor:
        """U_m of Eq. 7: (B, T, d_m) to (B, T, d)."""
        sequences = self.encoders[m](self.scalers[m](x.to(self.head.weight.dtype), mask), mask)
        return self.common[m](self.alignments[m](sequences, mask))

    def _gate(self, U: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> dict[str, MaskGateOutput]:
        """Eq. 13-19; without mask gate everything passes."""
        if not self.mask_gates:
            return {m: MaskGateOutput(u, torch.ones_like(u), mask[m]) for m, u in U.items()}
        return {m: self.mask_gates[m](u, mask[m]) for m, u in U.items()}

    def fit_scaler(self, modality: str, features: np.ndarray | Tensor) -> None:
        """Fit a modality's scaler to training steps (N, d_m); see `FeatureScalers.fit`."""
        self.scalers.fit(modality, features)

    def training_loss(
        self,
        output: SequenceOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Cross-entropy (Eq. 22), or for a regression the mean absolute or squared error.

        Args:
            output: of `forward` on the same rows.
            labels: (B,) class numbers, negative where there is none; or (B,) values, NaN where there is none.
            class_weights: (C,) for the cross-entropy, or None for equal ones.
            present: changes nothing; no part of this loss looks at single modalities.

        Returns:
            "loss", and the same under its name: "cross_entropy", "l1" or "mse". 0 where no row has a label.

        Raises:
            EmofuseError: if class weights are given for a regression.
        """
        return task_loss(output, labels, self.config.task, self.config.regression_loss, class_weights)

    def _build_encoders(self, m: Modality) -> DualEncoder:
        c = self.config
        return DualEncoder(
            c.input_dims[m],
            c.encoder_dim,
            c.encoders[m],
            c.encoder_layers,
            c.encoder_heads,
            c.encoder_ff_dim,
            c.dropout,
        )

    def _build_alignment(self, m: Modality) -> EncoderAlignment:
        c = self.config
        return EncoderAlignment(c.encoder_dim, len(c.encoders[m]), c.alignment_heads)

    def _build_cascade(self) -> CrossModalCascade:
        c = self.config
        hidden = c.lstm_hidden if c.bilstm else None
        return CrossModalCascade(
            c.dim, c.modalities, c.cascade_layers, c.cascade_heads, c.conv_kernel, hidden, c.dropout
        )


def _max_over_time(x: Tensor, mask: Tensor) -> Tensor:
    """The largest value of each feature over the steps in the mask: (B, T, d) to (B, d), 0 without steps."""
    largest = x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=1)
    return torch.where(mask.any(dim=1, keepdim=True), largest, 0.0)
