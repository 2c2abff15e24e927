"""Low and high frequencies of a graph, and operators that mix them in Fourier space, as GS-MCC has them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.exporting import exporting

LONGEST_MATRIX = 1024


class FourierTransform:
    """The real discrete Fourier transform of sequences of unlike lengths, each over its own; orthonormal.

    Padding is in nobody's transform. Of short sequences it is one product with matrices for all, of long ones a fast
    transform of each: matrices grow with the square of a length.

    Args:
        mask: (B, T) bool, the steps of each sequence, which come first.
        like: gives the data type, float32 where it has less.
    """

    def __init__(self, mask: Tensor, like: Tensor) -> None:
        self._steps = mask.shape[1]
        self._lengths: list[int] | None = None
        if not exporting() and mask.shape[1] > LONGEST_MATRIX:
            self._lengths = mask.sum(dim=1).tolist()
        else:
            self._make_matrices(mask, like)

    def _make_matrices(self, mask: Tensor, like: Tensor) -> None:
        lengths = mask.sum(dim=1).clamp_min(1).view(-1, 1, 1)
        steps = torch.arange(mask.shape[1], device=mask.device)
        waves = torch.arange(mask.shape[1] // 2 + 1, device=mask.device).unsqueeze(1)
        # k · t modulo n, so that angles stay small and exact.
        angles = (waves * steps % lengths) * (2.0 * math.pi / lengths.double())
        real = mask.unsqueeze(1) & (waves <= lengths // 2)
        scale = lengths.double().rsqrt() * real
        dtype = torch.promote_types(like.dtype, torch.float32)
        self._cos = (angles.cos() * scale).to(dtype)
        self._sin = (angles.sin() * scale).to(dtype)
        # All waves but the constant one and the fastest of an even length stand for two.
        single = (waves == 0) | (2 * waves == lengths)
        self._counts = torch.where(single, 1.0, 2.0).to(dtype)

    def forwards(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, d) to real and imaginary parts (B, T // 2 + 1, d); 0 for waves that a sequence does not have."""
        if self._lengths is None:
            return self._cos @ x, -self._sin @ x
        found = x.new_zeros(2, len(x), x.shape[1] // 2 + 1, x.shape[2])
        for row, n in enumerate(self._lengths):
            if n:
                waves = torch.fft.rfft(x[row, :n], dim=0, norm="ortho")
                found[0, row, : len(waves)], found[1, row, : len(waves)] = waves.real, waves.imag
        return found[0], found[1]

    def backwards(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """And back to (B, T, d), 0 at padding."""
        if self._lengths is None:
            return self._cos.mT @ (self._counts * real) - self._sin.mT @ (self._counts * imaginary)
        found = real.new_zeros(len(real), self._steps, real.shape[2])
        for row, n in enumerate(self._lengths):
            if n:
                waves = torch.complex(real[row, : n // 2 + 1], imaginary[row, : n // 2 + 1])
                found[row, :n] = torch.fft.irfft(waves, n, dim=0, norm="ortho")
        return found


class FourierGraphOperators(nn.Module):
    """Σ_{k=0}^{K} σ(X S_{0:k} + b_k) in Fourier space, with S_{0:k} = S_1 … S_k and S_{0:0} = I; σ is ReLU of both parts.

    Source: GS-MCC (Meng et al. 2025), §4.3, with the operators of FourierGNN (Yi et al. 2023), Eq. 6. X is the Fourier transform
    of a dialogue's nodes, one modality after another.

    Args:
        dim: of a node, before and after.
        count: K.
    """

    def __init__(self, dim: int, count: int) -> None:
        super().__init__()
        self.real, self.imaginary = (nn.Parameter(torch.empty(count, dim, dim)) for _ in range(2))
        self.real_bias, self.imaginary_bias = (nn.Parameter(torch.zeros(count + 1, dim)) for _ in range(2))
        for operator in (*self.real, *self.imaginary):
            nn.init.xavier_uniform_(operator, gain=0.5**0.5)

    def forward(self, x: Tensor, fourier: FourierTransform) -> Tensor:
        """(B, T, dim) of nodes (B, T, dim)."""
        # Sums over a dialogue lose too much in half precision.
        with torch.autocast(x.device.type, enabled=False):
            return self._operate(x.to(self.real.dtype), fourier)

    def _operate(self, x: Tensor, fourier: FourierTransform) -> Tensor:
        re, im = fourier.forwards(x)
        sum_re, sum_im = F.relu(re + self.real_bias[0]), F.relu(im + self.imaginary_bias[0])
        for k, (s_re, s_im) in enumerate(zip(self.real, self.imaginary, strict=True), start=1):
            re, im = re @ s_re - im @ s_im, re @ s_im + im @ s_re
            sum_re = sum_re + F.relu(re + self.real_bias[k])
            sum_im = sum_im + F.relu(im + self.imaginary_bias[k])
        return fourier.backwards(sum_re, sum_im)


def frequencies(nodes: Tensor, edges: Tensor, weights: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """F_L = ε I + P̃ and F_H = ε I - P̃ of nodes (V, d), P̃ being edges (2, E) and their weights (E,).

    Source: GS-MCC, §4.3, after FAGCN (Bo et al. 2021), Eq. 1-2.
    """
    sources, targets = edges
    nodes = nodes.to(weights.dtype)
    smooth = torch.zeros_like(nodes).index_add(0, targets, weights.unsqueeze(1) * nodes[sources])
    return epsilon * nodes + smooth, epsilon * nodes - smooth
