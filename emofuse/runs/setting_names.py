"""The names of all settings, for one that is misspelt."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from emofuse.data.nearest_names import nearest


def nearest_setting(name: str, settings: type[BaseModel]) -> str:
    """``"; perhaps 'optimiser.epochs'"`` for a dotted name such as ``epochs``, or where all names are to be seen."""
    where, _, leaf = name.rpartition(".")
    by_leaf: dict[str, str] = {}
    here: dict[str, str] = {}
    for known in setting_names(settings):
        place, _, known_leaf = known.rpartition(".")
        by_leaf.setdefault(known_leaf, known)
        if place == where:
            here[known_leaf] = known
    # The place that was named comes first; less likeness is enough there where no other place has it either.
    for names, cutoff in ((here, 0.7), (by_leaf, 0.7), (here, 0.5)):
        if found := nearest(leaf, names, cutoff=cutoff):
            return f"; perhaps {names[found[0]]!r}"
    return "; config.yaml of any run has them all"


def setting_names(settings: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted names, such as ``optimiser.epochs``."""
    for name, field in settings.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from setting_names(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"
