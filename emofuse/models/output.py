"""What a system hands back."""

from dataclasses import dataclass, field

from torch import Tensor

from emofuse.errors import EmofuseError
from emofuse.nn.kept_patches import KeptPatches

__all__ = ["DialogueOutput", "EmotionOutput", "KeptPatches"]


@dataclass(frozen=True)
class EmotionOutput:
    """Outputs for B utterances.

    Attributes:
        logits: (B, classes), or (B, 1) for a regression.
        features: modality -> (B, d), what late fusion saw of each.
        present: modality -> (B,) bool, the rows that had it (in training, after modality dropout).
        kept: which patches visual sequence compression kept, indices (B, frames, L); empty without it.
        value: (B,), what a regression predicts; None for a classification.
    """

    logits: Tensor
    features: dict[str, Tensor] = field(default_factory=dict)
    present: dict[str, Tensor] = field(default_factory=dict)
    kept: list[KeptPatches] = field(default_factory=list)
    value: Tensor | None = None

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, (B, classes), in float32 or wider.

        Raises:
            EmofuseError: for a regression.
        """
        if self.value is not None:
            raise EmofuseError("a regression has a value and no probabilities")
        wide = self.logits if self.logits.element_size() == 8 else self.logits.float()
        return wide.softmax(dim=-1)


@dataclass(frozen=True, kw_only=True)
class DialogueOutput(EmotionOutput):
    """Outputs for B dialogues of up to N utterances; zeros where a dialogue has ended.

    Attributes:
        logits: (B, N, classes), or (B, N, 1) for a regression.
        value: (B, N), what a regression predicts; None for a classification.
        features: modality -> (B, N, d), what late fusion saw of each; of MFCRE f^m of Eq. 6.
        present: modality -> (B, N) bool, the utterances that had it (in training, after modality dropout).
        fused: (B, N, d), what is classified; of MFCRE z of Eq. 7.
        mask: (B, N) bool, the utterances that there are.
    """

    fused: Tensor = field(repr=False)
    mask: Tensor = field(repr=False)
