"""How the classes of a classifier map to the labels of a fusion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Nobody fitted the temperature of a named classifier: it may call a label unlikely, and not impossible.
FLOOR = 1e-4


@dataclass(frozen=True)
class Opinions:
    """The classes of a classifier among the labels of a fusion.

    Attributes:
        counts_as: of each class the place of its label; None for a class that is left out.
        labels: K, how many labels there are.
        several: the classes do not exclude each other (sigmoids in the place of a softmax).
    """

    counts_as: tuple[int | None, ...]
    labels: int
    several: bool = False

    @property
    def known(self) -> list[int]:
        """Places of the labels that some class counts as, in their order."""
        return sorted({place for place in self.counts_as if place is not None})

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities of the labels that the classifier knows, which sum to one; zeros for the others.

        Classes that exclude each other are added up. Of classes that do not, the likeliest speaks for its label. What was
        said of classes that are left out is shared out among the labels.

        Args:
            logits: (B, C) of the classes.

        Returns:
            (B, K) float64.
        """
        wide = logits.double()
        probabilities = wide.sigmoid() if self.several else wide.softmax(-1)
        opinions = probabilities.new_zeros(len(probabilities), self.labels)
        for place in self.known:
            own = probabilities[:, [number for number, label in enumerate(self.counts_as) if label == place]]
            opinions[:, place] = own.amax(-1) if self.several else own.sum(-1)
        total = opinions.sum(-1, keepdim=True)
        return torch.where(total > 0, opinions / total, torch.zeros_like(opinions))

    def centred(self, probabilities: Tensor) -> Tensor:
        """Logarithms of probabilities around their mean; 0 for a label that the classifier does not know.

        In a logarithmic opinion pool (Heskes 1998, Eq. 3) a constant that is added to all of them changes nothing. So a
        label that is not known is neither raised nor lowered against the mean of those that are.

        Args:
            probabilities: (B, K) of `probabilities`.

        Returns:
            (B, K) float64.
        """
        known = self.known
        logarithms = probabilities[:, known].clamp_min(FLOOR).log()
        opinions = torch.zeros_like(probabilities)
        opinions[:, known] = logarithms - logarithms.mean(-1, keepdim=True)
        return opinions
