"""Soft-HGR loss: MFCRE, section 3.5, Eq. 13."""

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn


class SoftHGRLoss(nn.Module):
    """Makes the modalities' features correlate (soft Hirschfeld-Gebelein-Rényi maximal correlation).

    For every pair of modalities, with features centred over the utterances,

        L = −Σ_{Q,V} ( E[Qᵀ V] − ½ tr(cov(Q) cov(V)) )                                    (13)

    Expectation and covariances are sample ones with n − 1, as in Wang et al. (AAAI 2019). Each pair counts
    once. Utterances that lack a modality are left out of its pairs; a pair with fewer than two utterances
    gives 0. No pair can go below −d/2.
    """

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Loss of a batch.

        Args:
            text: f^t, (B, d), or None where the system has no text.
            audio: f^a, (B, d), or None.
            video: f^v, (B, d), or None.
            present: modality ("text", "audio", "video") -> (B,) bool, rows that have it; all by default.

        Returns:
            Scalar, in float32 or wider; 0 with fewer than two modalities.
        """
        named = {"text": text, "audio": audio, "video": video}
        given = {name: rows for name, rows in named.items() if rows is not None}
        present = present or {}
        if not given:
            return torch.zeros(())
        any_rows = next(iter(given.values()))
        everyone = torch.ones(len(any_rows), dtype=torch.bool, device=any_rows.device)
        total = any_rows.sum() * 0.0 if len(given) < 2 else any_rows.new_zeros(())
        for q, v in combinations(given, 2):
            both = present.get(q, everyone) & present.get(v, everyone)
            total = total - soft_hgr(given[q], given[v], both)
        return total


def soft_hgr(Q: Tensor, V: Tensor, rows: Tensor) -> Tensor:
    """E[QᵀV] − ½ tr(cov(Q) cov(V)) over the rows (B,) bool of Q and V (B, d)."""
    with torch.autocast(Q.device.type, enabled=False):
        count = rows.sum()
        freedom = (count - 1).clamp_min(1)
        Q, V = _centre(Q, rows, count), _centre(V, rows, count)
        covariance_q, covariance_v = Q.T @ Q / freedom, V.T @ V / freedom
        # Both are symmetric, so the trace of their product is the sum of their entries' products.
        return (Q * V).sum() / freedom - 0.5 * (covariance_q * covariance_v).sum()


def _centre(features: Tensor, rows: Tensor, count: Tensor) -> Tensor:
    """Features minus their mean over the rows, in float32 or wider; other rows, whatever they hold, are 0."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    kept = wide.masked_fill(~rows.unsqueeze(-1), 0.0)
    mean = kept.sum(0) / count.clamp_min(1)
    return (kept - mean).masked_fill(~rows.unsqueeze(-1), 0.0)
