"""HyCon's contrastive losses: within a modality, between modalities, and between what belongs to one utterance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, permutations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.task_losses import wide


class HybridContrastiveLoss(nn.Module):
    """Intra-modal, inter-modal and semi-contrastive learning with pair selection.

    Source: HyCon (Mai et al. 2022), which names the parts; docs/systems/fusion.md says which form was chosen where its
    text was not at hand. With s the cosine, an anchor i has positives p (its class, p ≠ i) and negatives n (other classes):

    - pair selection: of the negatives those with s_in > min_p s_ip − ε, of the positives those with s_ip < max_n s_in + ε;
    - weights, constants to the gradient: softmax(s_in / τ) over the negatives, softmax(−s_ip / τ) over the positives
      selected; s_n and s_p are the weighted means;
    - [s_n − s_p + λ]₊ + ρ (1 − s_p + [s_n]₊): the order of the two, and the refinement term for their size. λ is smaller
      by the modality margin where the two sides are of different modalities.

    An anchor without positives or without negatives counts for nothing; the others are averaged.

    Args:
        margin: λ within a modality.
        modality_margin: by which it is smaller between two.
        selection: ε.
        temperature: τ.
        refinement: ρ.
    """

    def __init__(
        self,
        margin: float = 0.4,
        modality_margin: float = 0.2,
        selection: float = 0.1,
        temperature: float = 0.1,
        refinement: float = 0.1,
    ) -> None:
        super().__init__()
        self.margin, self.modality_margin = margin, modality_margin
        self.selection, self.temperature, self.refinement = selection, temperature, refinement

    def forward(
        self, features: Mapping[str, Tensor], classes: Tensor, present: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """ "intra", "inter" and "semi" of a batch, each a mean over modalities or pairs of them; 0 where there is none.

        Args:
            features: modality -> (B, d).
            classes: (B,), negative for none.
            present: modality -> (B,) bool.
        """
        unit = {
            m: F.normalize(wide(x.masked_fill(~present[m].unsqueeze(-1), 0.0)), dim=-1)
            for m, x in features.items()
        }
        known = {m: present[m] & (classes >= 0) for m in unit}
        intra = [self.pair(x, x, classes, known[m], known[m], self.margin) for m, x in unit.items()]
        smaller = self.margin - self.modality_margin
        inter = [
            self.pair(unit[m], unit[n], classes, known[m], known[n], smaller)
            for m, n in permutations(unit, 2)
        ]
        semi = [self._semi(unit[m], unit[n], present[m] & present[n]) for m, n in combinations(unit, 2)]
        return {
            name: torch.stack(parts or [intra[0] * 0.0]).mean()
            for name, parts in (("intra", intra), ("inter", inter), ("semi", semi))
        }

    def pair(
        self,
        anchors: Tensor,
        others: Tensor,
        classes: Tensor,
        known_anchors: Tensor,
        known_others: Tensor,
        margin: float,
    ) -> Tensor:
        """Of anchors (B, d) and others (B, d) of length 1, and which rows (B,) count on either side."""
        with torch.autocast(anchors.device.type, enabled=False):
            s = anchors @ others.T
        both = known_anchors.unsqueeze(1) & known_others.unsqueeze(0)
        same = classes.unsqueeze(1) == classes.unsqueeze(0)
        itself = torch.eye(len(s), dtype=torch.bool, device=s.device)
        positives, negatives = same & both & ~itself, ~same & both
        rows = positives.any(dim=1) & negatives.any(dim=1)
        if not bool(rows.any()):
            return s.sum() * 0.0
        s, positives, negatives = s[rows], positives[rows], negatives[rows]
        hardest_positive = s.masked_fill(~positives, torch.inf).amin(dim=1, keepdim=True)
        hardest_negative = s.masked_fill(~negatives, -torch.inf).amax(dim=1, keepdim=True)
        negatives = negatives & (s > hardest_positive - self.selection)
        positives = positives & (s < hardest_negative + self.selection)
        s_n, s_p = self._weighted(s, negatives, 1.0), self._weighted(s, positives, -1.0)
        # Where the selection leaves one side empty the order is right by more than ε.
        ordered = negatives.any(dim=1) & positives.any(dim=1)
        order = torch.where(ordered, F.relu(s_n - s_p + margin), 0.0)
        size = torch.where(positives.any(dim=1), 1 - s_p, 0.0) + F.relu(s_n)
        return (order + self.refinement * size).mean()

    def _weighted(self, s: Tensor, chosen: Tensor, sign: float) -> Tensor:
        """(B,) the weighted mean of s (B, B) over what is chosen; 0 where nothing is."""
        lowest = torch.finfo(s.dtype).min
        weights = (sign * s.detach() / self.temperature).masked_fill(~chosen, lowest).softmax(dim=1)
        return (weights.masked_fill(~chosen, 0.0) * s).sum(dim=1)

    @staticmethod
    def _semi(x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """1 − s between two modalities of the same utterance, a mean over the rows that have both."""
        return ((1 - (x * y).sum(dim=-1)) * rows).sum() / rows.sum().clamp_min(1)
