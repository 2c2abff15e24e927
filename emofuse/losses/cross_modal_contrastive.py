"""Supervised cross-modal contrastive loss: DeepMSI-MER, section 3.2, Eq. 5 and 6."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.errors import EmofuseError


class CrossModalContrastiveLoss(nn.Module):
    """Draws each video towards the texts and sounds of its own class and away from those of others.

    Eq. 5 read as its text describes it. With s_ij = cos(video_i, other_j), a row i and a positive j (same
    label, j ≠ i) give -log( e^(s_ij/τ) / (e^(s_ij/τ) + Σ_n e^(s_in/τ)) ), n running over the other labels.
    A row's terms are summed and divided by B - 1, rows are averaged, and so are the pairs video-text and
    video-audio, of those that two rows or more have. A batch without positives or without negatives gives 0, still
    differentiable.

    Where several processes train together, give it the rows of all of them, see
    `emofuse.losses.global_batch.gather_rows`; training does.

    Args:
        temperature: τ.
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        if temperature <= 0.0:
            raise EmofuseError(f"the temperature of the contrastive loss is positive, not {temperature}")
        self.temperature = temperature

    def forward(
        self,
        video: Tensor,
        text: Tensor | None,
        audio: Tensor | None,
        labels: Tensor,
        present: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Loss of a batch.

        Args:
            video: projected features (B, d), the rows of both similarity matrices.
            text: (B, d), or None where the system has no text.
            audio: (B, d), or None where the system has no audio.
            labels: (B,) class numbers.
            present: modality ("text", "audio", "video") -> (B,) bool. A row that lacks one side of a pair is
                left out of that pair's matrix, and B counts the rows that remain.

        Returns:
            Scalar, in float32 or wider.
        """
        present = present or {}
        others = {name: rows for name, rows in (("text", text), ("audio", audio)) if rows is not None}
        if not others:
            return video.sum() * 0.0
        everyone = torch.ones_like(labels, dtype=torch.bool)
        seen = present.get("video", everyone)
        both = {name: seen & present.get(name, everyone) for name in others}
        pairs = [self.pair(video, rows, labels, both[name]) for name, rows in others.items()]
        # A modality that no two rows have says nothing, as one that is not given; the other pair is not halved for it.
        counted = torch.stack([rows.sum() > 1 for rows in both.values()])
        return torch.stack(pairs).sum() / counted.sum().clamp(min=1)

    def pair(self, anchors: Tensor, others: Tensor, labels: Tensor, present: Tensor) -> Tensor:
        """Eq. 5 for one pair of modalities: (B, d), (B, d), (B,), (B,) bool -> scalar."""
        with torch.autocast(anchors.device.type, enabled=False):
            # Rows that are absent may hold anything, NaN included, and 0 · NaN is NaN.
            unit = [F.normalize(_clean(side, present), dim=-1) for side in (anchors, others)]
            logits = unit[0] @ unit[1].T / self.temperature
        both = present.unsqueeze(1) & present.unsqueeze(0)
        same = labels.unsqueeze(1) == labels.unsqueeze(0)
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        positives, negatives = same & both & ~itself, ~same & both
        # A finite floor instead of -inf: a row without negatives then has a zero gradient, not NaN.
        pushed = logits.masked_fill(~negatives, torch.finfo(logits.dtype).min / 4).logsumexp(
            dim=1, keepdim=True
        )
        terms = torch.logaddexp(pushed - logits, logits.new_zeros(()))
        total = terms.masked_fill(~positives, 0.0).sum()
        rows = present.sum()
        return total / (rows * (rows - 1)).clamp(min=1)


def _clean(features: Tensor, present: Tensor) -> Tensor:
    wide = features if features.dtype == torch.float64 else features.float()
    return torch.where(present.unsqueeze(-1), wide, torch.zeros_like(wide))
