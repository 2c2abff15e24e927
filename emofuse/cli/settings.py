"""Settings given as name=value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.yaml_values import read_value
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.runs.settings import RunSettings


def free_settings(pairs: list[str]) -> dict[str, Any]:
    """``["optimiser.patience=6"]`` as names and values, the values read as YAML.

    Raises:
        EmofuseError: one has no name, no ``=``, or a value that is no YAML.
    """
    changes = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise EmofuseError(f"--set {pair}: write it as name=value, e.g. --set optimiser.patience=6")
        try:
            changes[name] = read_value(value)
        except (yaml.YAMLError, ValueError):  # the latter of a date such as 2020-13-01
            raise EmofuseError(f"--set {pair}: the value cannot be read; quote it as in YAML") from None
    return changes


def per_modality(option: str, setting: str, pairs: list[str]) -> dict[str, str]:
    """``["audio=speaker"]`` as settings below ``setting``.

    Raises:
        EmofuseError: one is not of the form modality=value.
    """
    changes = {}
    for pair in pairs:
        modality, equals, value = pair.partition("=")
        if not equals or modality not in MODALITIES or not value:
            raise EmofuseError(f"{option} {pair}: write it as modality=value, e.g. {option} audio=speaker")
        changes[f"{setting}.{modality}"] = value
    return changes


def renamed_encoder(settings: RunSettings, modality: Modality, name: str) -> dict[str, Any]:
    """The encoder of this name, read as the recipe reads its own where that is a pretrained one as well."""
    from emofuse.encoders.spec import EMBEDDED

    held = settings.encoders.get(modality)
    if held is None or held.name in EMBEDDED or name in EMBEDDED:
        return {"modality": modality, "name": name}
    return {**held.model_dump(mode="json"), "name": name, "revision": None}
