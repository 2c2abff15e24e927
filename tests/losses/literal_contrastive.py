"""Eq. 5 of DeepMSI-MER, pair by pair."""

import math

import torch
from torch import Tensor


def similarities(video: Tensor, other: Tensor) -> list[list[float]]:
    return [[float(torch.cosine_similarity(v, o, dim=0)) for o in other] for v in video]


def literal_pair(s: list[list[float]], labels: list[int], tau: float) -> float:
    size, total = len(labels), 0.0
    for i in range(size):
        pushed = sum(math.exp(s[i][n] / tau) for n in range(size) if labels[n] != labels[i])
        row = 0.0
        for j in range(size):
            if j != i and labels[j] == labels[i]:
                pulled = math.exp(s[i][j] / tau)
                row -= math.log(pulled / (pulled + pushed))
        total += row / (size - 1)
    return total / size
