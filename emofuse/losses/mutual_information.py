"""Bounds on the information that two representations share: Barber and Agakov's with its entropy, and CPC's."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from emofuse.losses.task_losses import wide


class GaussianConditional(nn.Module):
    """q(y | x) = N(y; μ(x), diag σ²(x)), μ and log σ² networks of two layers.

    Source: MMIM (Han et al. 2021). log σ² ends in a tanh, as where its authors took it from (CLUB, Cheng et al.
    2020): without a bound the density of features that all become one point has none either.

    Args:
        x_dim: of x.
        y_dim: of y.
    """

    def __init__(self, x_dim: int, y_dim: int) -> None:
        super().__init__()
        self.mean, self.log_variance = (
            nn.Sequential(nn.Linear(x_dim, y_dim), nn.ReLU(), nn.Linear(y_dim, y_dim)) for _ in range(2)
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """log q(y | x), a mean over the rows (B, ·); scalar, 0 without rows."""
        mean, log_variance = self.mean(x), torch.tanh(self.log_variance(x))
        squares = (y - mean).square() * torch.exp(-log_variance)
        density = -0.5 * (squares + log_variance + math.log(2 * math.pi)).sum(dim=-1)
        return density.sum() / max(1, len(x))

    def frozen(self, x: Tensor, y: Tensor) -> Tensor:
        """The same, without gradients for μ and σ²: what x and y learn by."""
        held = {name: p.detach() for name, p in self.named_parameters()}
        found: Tensor = functional_call(self, held, (x, y))
        return found


class EntropyMemory(nn.Module):
    """H(Y) of a mixture of Gaussians, one for each class, from the present rows and the last ones before.

    Source: MMIM: with equal weights, H ≈ Σ_c log det Σ_c / (2 C), but for what is constant. y is first brought to
    fewer dimensions by a layer with tanh that is never trained, as in the authors' code. A class counts once it has more
    rows than dimensions; until all have, H is 0.

    Args:
        dim: of y.
        classes: C.
        size: rows of each class that are remembered.
        ridge: added to the diagonal of each covariance.
    """

    rows: Tensor
    counts: Tensor

    def __init__(self, dim: int, classes: int, size: int, ridge: float = 1e-4) -> None:
        super().__init__()
        self.projection = nn.Linear(dim, max(1, dim // 4)).requires_grad_(False)
        self.ridge = ridge
        self.register_buffer("rows", torch.zeros(classes, size, self.projection.out_features))
        self.register_buffer("counts", torch.zeros(classes, dtype=torch.int64))

    def forward(self, y: Tensor, classes: Tensor) -> Tensor:
        """H of rows y (B, dim) of classes (B,), negative for none; scalar. Gradients go to the present rows alone."""
        small = torch.tanh(self.projection(y))
        found = []
        for c, count in enumerate(self.counts.tolist()):
            held = self.rows[c, : min(count, self.rows.shape[1])].to(small.dtype)
            together = torch.cat([held, small[classes == c]])
            if len(together) <= small.shape[-1]:
                return small.sum() * 0.0
            centred = wide(together) - wide(together).mean(dim=0)
            with torch.autocast(y.device.type, enabled=False):
                covariance = centred.T @ centred / len(together)
                eye = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
                found.append(torch.logdet(covariance + self.ridge * eye))
        return torch.stack(found).sum() / (2 * len(found))

    @torch.no_grad()
    def remember(self, y: Tensor, classes: Tensor) -> None:
        """Put rows in the place of the oldest of their class."""
        small = torch.tanh(self.projection(y)).to(self.rows.dtype)
        size = self.rows.shape[1]
        for c in range(len(self.counts)):
            new = small[classes == c][-size:]
            places = (self.counts[c] + torch.arange(len(new), device=new.device)) % size
            self.rows[c, places] = new
            self.counts[c] += len(new)


class ContrastivePrediction(nn.Module):
    """CPC between a fused representation and one of the modalities it was made of.

    Source: MMIM: s(h, Z) = exp(h̄ᵀ Ḡ(Z)), h̄ and Ḡ(Z) of length 1; L = −E log(s(h_i, Z_i) / Σ_j s(h_j, Z_i)),
    the other modality representations of the batch being the negatives.

    Args:
        dim: of a modality's representation h.
        fused_dim: of Z.
    """

    def __init__(self, dim: int, fused_dim: int) -> None:
        super().__init__()
        self.predict = nn.Linear(fused_dim, dim)

    def forward(self, h: Tensor, fused: Tensor) -> Tensor:
        """The loss of rows h (B, dim) and Z (B, fused_dim); scalar, 0 for fewer than two."""
        predicted = F.normalize(wide(self.predict(fused)), dim=-1)
        with torch.autocast(h.device.type, enabled=False):
            scores = predicted @ F.normalize(wide(h), dim=-1).T
        losses = scores.logsumexp(dim=-1) - scores.diagonal()
        return losses.sum() / max(1, len(h))
