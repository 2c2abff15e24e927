"""What run.json and split.json must say for anything to be made of them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

from emofuse.data import MODALITIES
from emofuse.data.stored_files import DamagedFileError
from emofuse.data.wording import is_name
from emofuse.evaluation import PROTOCOLS

_ADVICE = "train again"
_PARTS = ("train", "val", "test")


class _Record(Protocol):
    labels: list[str]
    model_config_: dict[str, Any]
    encoders: Any
    protocol: str
    parameters: int
    best_epoch: int | None


def check_record(record: _Record, file: Path) -> None:
    """See that a record's parts fit together, as far as no system has to be looked at.

    Raises:
        EmofuseError: they do not; the line says which.
    """
    if (wrong := _find_error(record)) is not None:
        raise DamagedFileError(file, wrong, _ADVICE)


def _find_error(record: _Record) -> str | None:
    modalities = record.model_config_.get("modalities")
    if not isinstance(modalities, list | tuple) or not modalities or _unknown(modalities):
        return f"model_config.modalities are {modalities!r}"
    if not set(record.encoders) <= set(modalities):
        return f"it has an encoder of {', '.join(set(record.encoders) - set(modalities))}, which its system does not use"
    if odd := [
        m for m, part in record.encoders.items() if {part.spec.modality, part.identity.modality} != {m}
    ]:
        return f"encoders.{odd[0]}: is an encoder of another modality"
    if not record.labels or len(set(record.labels)) < len(record.labels) or "" in record.labels:
        return f"its labels are {', '.join(record.labels)[:80] or 'empty'}: each must be there once"
    if odd_labels := [label for label in record.labels if not is_name(label)]:
        return f"its label {odd_labels[0][:40]!r} holds a character that no label has"
    if record.protocol not in PROTOCOLS:
        return f"its protocol is {record.protocol[:40]!r}: there are {', '.join(PROTOCOLS)}"
    if record.parameters < 0 or (record.best_epoch or 0) < 0:
        return "a count in it is below 0"
    return None


def _unknown(modalities: Collection[Any]) -> bool:
    return len(set(map(str, modalities))) < len(modalities) or not set(map(str, modalities)) <= set(
        MODALITIES
    )


def check_parts_of_split(parts: dict[str, Any], file: Path) -> dict[str, list[str]]:
    """The ids of the three parts, as split.json must hold them.

    Raises:
        EmofuseError: a part is missing, is empty, or is no list of ids.
    """
    for part in _PARTS:
        those = parts.get(part)
        if not isinstance(those, list) or not all(isinstance(id, str) and id for id in those):
            raise DamagedFileError(file, f"its part {part} is no list of ids", _ADVICE)
        if not those:
            raise DamagedFileError(file, f"its part {part} is empty", _ADVICE)
    return {part: parts[part] for part in _PARTS}
