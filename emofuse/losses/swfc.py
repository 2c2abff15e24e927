"""Sample-weighted focal contrastive loss: MFCRE, section 3.5, Eq. 11 and 12."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.errors import EmofuseError


class SampleWeightedFocalContrastiveLoss(nn.Module):
    """Draws utterances of one emotion together, minority classes and hard pairs most.

    With unit vectors z, A_j all other utterances of the batch and R_j those of them with j's label,

        s_jg = exp(z_jᵀ z_g / τ) / Σ_{s ∈ A_j} exp(z_jᵀ z_s / τ)                          (11)
        L = −Σ_j (N / n_{y_j})^α · 1/|R_j| · Σ_{g ∈ R_j} (1 − s_jg)^γ log s_jg            (12)

    An utterance without positives contributes 0. One pass over the (B, B) matrix of similarities.

    Args:
        temperature: τ.
        alpha: α, how strongly rare classes count; 0 counts all alike.
        gamma: γ, how strongly hard pairs count; 0 is the supervised contrastive loss.
    """

    def __init__(self, temperature: float = 0.9, alpha: float = 0.8, gamma: float = 3.0) -> None:
        super().__init__()
        if temperature <= 0.0:
            raise EmofuseError(f"the temperature of the SWFC loss is positive, not {temperature}")
        if gamma < 0.0:
            raise EmofuseError(f"gamma of the SWFC loss is not negative, got {gamma}")
        self.temperature, self.alpha, self.gamma = temperature, alpha, gamma

    def forward(self, features: Tensor, labels: Tensor, class_counts: Tensor | None = None) -> Tensor:
        """Loss of a batch, summed over its utterances as in Eq. 12.

        Args:
            features: z, (B, d); normalised here.
            labels: (B,) class numbers.
            class_counts: (C,), n of each class; their sum is N. Those of the batch by default.

        Returns:
            Scalar, in float32 or wider.
        """
        if class_counts is None:
            class_counts = torch.bincount(labels)
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        with torch.autocast(wide.device.type, enabled=False):
            z = F.normalize(wide, dim=-1)
            similarity = (z / self.temperature) @ z.T
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        positives = (labels.unsqueeze(1) == labels.unsqueeze(0)) & ~itself
        # A finite floor instead of -inf: a batch of one has nothing to sum over and must not give NaN.
        floor = torch.finfo(similarity.dtype).min / 4
        log_s = similarity.masked_fill(itself, floor).log_softmax(dim=-1).masked_fill(~positives, -1.0)
        # 1 − s without cancellation; kept off 0, where a power below 1 has no slope.
        hardness = (-torch.expm1(log_s)).clamp_min(torch.finfo(log_s.dtype).tiny).pow(self.gamma)
        focal = (hardness * log_s).masked_fill(~positives, 0.0).sum(-1) / positives.sum(-1).clamp_min(1)
        counts = class_counts.to(focal.dtype)
        weight = (counts.sum() / counts.clamp_min(1)).pow(self.alpha)
        return -(weight[labels] * focal).sum()

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"temperature={self.temperature}, alpha={self.alpha}, gamma={self.gamma}"
