"""The columns of printed tables, and which of our metrics stand beside each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Column of a paper → its heading and our metrics; where the field counts in two ways, both.
COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "accuracy": ("Acc", ("accuracy",)),
        "weighted_f1": ("W-F1", ("weighted_f1",)),
        "mae": ("MAE", ("mae",)),
        "corr": ("Corr", ("corr",)),
        "acc2": ("Acc-2", ("acc2_nonnegative", "acc2_positive")),
        "f1": ("F1", ("f1_nonnegative", "f1_positive")),
        "acc7": ("Acc-7", ("acc7",)),
    }
)
