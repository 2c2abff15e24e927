"""What a system hands back."""

from dataclasses import dataclass, field

from torch import Tensor

from emofuse.nn.vsc_swin import KeptPatches

__all__ = ["EmotionOutput", "KeptPatches"]


@dataclass(frozen=True)
class EmotionOutput:
    """Outputs for B utterances.

    Attributes:
        logits: (B, classes).
        features: modality -> (B, d), what late fusion saw of each.
        present: modality -> (B,) bool, the rows that had it (in training, after modality dropout).
        kept: which patches visual sequence compression kept, indices (B, frames, L); empty without it.
    """

    logits: Tensor
    features: dict[str, Tensor] = field(default_factory=dict)
    present: dict[str, Tensor] = field(default_factory=dict)
    kept: list[KeptPatches] = field(default_factory=list)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, (B, classes), in float32 or wider."""
        wide = self.logits if self.logits.element_size() == 8 else self.logits.float()
        return wide.softmax(dim=-1)
