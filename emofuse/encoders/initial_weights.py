"""Initial weights of the small convolutional networks of faces and voices."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Of one layer: convolutions as He et al. 2015 for ReLU, linear layers small, the others as torch begins them."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.MultiheadAttention):
        module._reset_parameters()
    elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
        module.reset_parameters()
