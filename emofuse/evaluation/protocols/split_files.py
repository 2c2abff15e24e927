"""Splits as files, so that a published split can be audited and used, and ours can be published.

JSON holds ``{"train": [ids], "val": [ids], "test": [ids]}``; CSV holds the columns ``id`` and ``split``. The
names that others use for the validation part (``dev``, ``valid``, ``validation``) are understood.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from emofuse.data.atomic import written_aside
from emofuse.data.json_text import parse_json
from emofuse.data.manifest_columns import SPLIT_ALIASES
from emofuse.data.separators import find_separator
from emofuse.data.stored_files import stored_text
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.protocol_info import PARTS, Split


def read_split_file(path: str | Path) -> Split:
    """Read a split from JSON or CSV, by suffix.

    Ids are kept as they stand, repeated ones included: :func:`~emofuse.evaluation.protocols.audit` reports them.

    Raises:
        EmofuseError: the file is missing, not of these forms, names another part, or holds no ids.
    """
    path = Path(path)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for name, id in _pairs(path):
        part = SPLIT_ALIASES.get(name.strip().lower(), name.strip().lower())
        if part not in parts:
            raise EmofuseError(f"{path}: {name!r} (id {id!r}) is no part of a split: use train, val or test")
        parts[part].append(id)
    if not any(parts.values()):
        raise EmofuseError(f"{path}: the split holds no ids")
    return Split(**parts)


def write_split_file(split: Split, path: str | Path) -> None:
    """Write a split as JSON or CSV, by suffix; what :func:`read_split_file` reads.

    Raises:
        EmofuseError: another suffix.
    """
    path = Path(path)
    _checked_suffix(path)
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        if path.suffix.lower() == ".json":
            json.dump(split._asdict(), file, ensure_ascii=False, indent=1)
        else:
            writer = csv.writer(file)
            writer.writerow(["id", "split"])
            writer.writerows([id, part] for part, ids in split._asdict().items() for id in ids)


def _checked_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".json", ".csv"):
        raise EmofuseError(f"{path}: a split is a .json or a .csv file")
    return suffix


def _pairs(path: Path) -> Iterable[tuple[str, str]]:
    """(part, id) in the order of the file."""
    suffix = _checked_suffix(path)
    text = stored_text(path, "name a split in UTF-8").removeprefix("\ufeff")
    return _json_pairs(path, text) if suffix == ".json" else _csv_pairs(path, text)


def _json_pairs(path: Path, text: str) -> Iterator[tuple[str, str]]:
    try:
        content = parse_json(text)
    except json.JSONDecodeError as error:
        raise EmofuseError(f"{path}, line {error.lineno}: is not JSON ({error.msg})") from error
    except ValueError as error:
        raise EmofuseError(f"{path}: is not a split: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(ids, list) for ids in content.values()):
        raise EmofuseError(f'{path}: give an object {{"train": [ids], "val": [ids], "test": [ids]}}')
    for name, ids in content.items():
        for id in ids:
            yield name, _json_id(path, name, id)


def _json_id(path: Path, name: str, id: Any) -> str:
    if isinstance(id, bool) or not isinstance(id, str | int):
        raise EmofuseError(f"{path}: {name} holds {id!r}, which is no id (a string or a whole number)")
    return str(id)


def _csv_pairs(path: Path, text: str) -> Iterator[tuple[str, str]]:
    text, separator = find_separator(text, expected=("id", "split"))
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    if not {"id", "split"} <= set(reader.fieldnames or ()):
        raise EmofuseError(f"{path}: the header must have the columns id and split")
    for number, row in enumerate(_csv_rows(path, reader), start=1):
        if not row["id"] or not row["split"]:
            raise EmofuseError(f"{path}, row {number}: id or split is empty")
        yield row["split"], row["id"]


def _csv_rows(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, str | None]]:
    try:
        yield from reader
    except csv.Error as error:
        raise EmofuseError(f"{path}: is not CSV ({error})") from error
