"""The names of all settings, for one that is misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pydantic import BaseModel

_SAME_PLACE = 0.2  # what a name gains that stands where the asked one does


def nearest_setting(name: str, settings: type[BaseModel]) -> str:
    """``"; is optimiser.epochs meant?"`` for a dotted name such as ``epochs``, or where all names are to be seen."""
    where, _, leaf = name.rpartition(".")
    scores = {
        known: difflib.SequenceMatcher(None, leaf.lower(), known.rpartition(".")[2]).ratio()
        + _SAME_PLACE * (known.rpartition(".")[0] == where)
        for known in setting_names(settings)
    }
    best = max(scores, key=lambda known: scores[known])
    return f"; is {best} meant?" if scores[best] >= 0.7 else "; config.yaml of any run has them all"


def setting_names(settings: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted names, such as ``optimiser.epochs``."""
    for name, field in settings.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from setting_names(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"
