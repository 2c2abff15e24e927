"""What a system that sees utterances as sequences hands back."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from emofuse.models.output import EmotionOutput


@dataclass(frozen=True, kw_only=True)
class SequenceOutput(EmotionOutput):
    """Outputs for B utterances.

    Attributes:
        logits: y of Eq. 21: (B, classes), or (B, 1) for a regression; its softmax is Eq. 22.
        features: modality -> H_m, (B, d), its steps that count pooled; 0 where a row lacks it.
        present: modality -> (B,) bool, the rows that had it (in training, after modality dropout).
        value: (B,), what a regression predicts; None for a classification.
        fused: F of Eq. 20, (B, fusion_dim).
        gates: modality -> (B, T_m, d), the mask gate vectors, 0 at steps that did not count; of the modalities
            that were given.
        masks: modality -> (B, T_m) bool, the steps that counted; likewise.
    """

    fused: Tensor = field(repr=False)
    gates: dict[str, Tensor] = field(default_factory=dict, repr=False)
    masks: dict[str, Tensor] = field(default_factory=dict, repr=False)
