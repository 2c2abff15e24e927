"""Sinusoidal positions of any number, made when they are needed."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def interleaved_sinusoids(count: int, dim: int, like: Tensor) -> Tensor:
    """(count, dim): sine in even places, cosine in odd ones, of positions 0, 1, ... (Vaswani et al. 2017, §3.5)."""
    places = torch.arange(count, device=like.device, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, dim, 2, device=like.device).float() * -(math.log(10_000.0) / dim))
    found = torch.zeros(count, dim, device=like.device)
    found[:, 0::2] = torch.sin(places * rates)
    found[:, 1::2] = torch.cos(places * rates[: dim // 2])
    return found.to(like.dtype)


def halved_sinusoids(places: Tensor, dim: int, like: Tensor) -> Tensor:
    """(..., dim): all sines, then all cosines, of the positions given, as tensor2tensor has them; 0 for position 0."""
    half = dim // 2
    rates = torch.exp(
        torch.arange(half, device=places.device).float() * -(math.log(10_000.0) / max(1, half - 1))
    )
    angles = places.unsqueeze(-1).float() * rates
    found = torch.cat([angles.sin(), angles.cos()], dim=-1)
    if dim % 2:
        found = torch.cat([found, found.new_zeros(*found.shape[:-1], 1)], dim=-1)
    return found.masked_fill((places == 0).unsqueeze(-1), 0.0).to(like.dtype)
