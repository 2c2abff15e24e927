"""In which precision a network computes."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "32", "bf16"]


def wants_bf16(precision: Precision, device: str) -> bool:
    """Whether ``"auto"``, ``"32"`` or ``"bf16"`` means autocast to bfloat16 on this device."""
    if precision == "auto":
        return device.startswith("cuda") and torch.cuda.is_bf16_supported()
    return precision == "bf16"
