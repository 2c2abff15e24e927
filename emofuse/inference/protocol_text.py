"""A protocol as lines of scores name it, with what makes its scores flatter."""

from __future__ import annotations


def protocol_text(protocol: str, *, optimistic: bool, synthetic: bool) -> str:
    """Such as ``protocol random-kfold (optimistic, synthetic data)``."""
    notes = [name for name, holds in (("optimistic", optimistic), ("synthetic data", synthetic)) if holds]
    return f"protocol {protocol}{' (' + ', '.join(notes) + ')' if notes else ''}"
