"""Manifest files: CSV, JSON lines and Parquet, distinguished by their suffix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emofuse.data.atomic import written_aside
from emofuse.data.manifest_columns import NUMBER_COLUMNS
from emofuse.data.nearest_names import nearest
from emofuse.data.raw_table import RawTable, parse_jsonl, read_bytes, read_parquet
from emofuse.data.separators import parse_separated
from emofuse.data.wording import column_names
from emofuse.errors import EmofuseError

_Format = TypeVar("_Format")
_MOST_COLUMNS = 5_000  # each is typed and checked by itself


def read_manifest_file(path: Path) -> RawTable:
    """The untyped rows of a manifest file.

    Raises:
        EmofuseError: it is not there, cannot be parsed at all, has more columns than make sense, or has no column ``id``.
    """
    if not path.exists():
        raise EmofuseError(f"{path}: there is no such file")
    table = _for_suffix(path, _READERS)(path)
    if (columns := len(table.frame.columns)) > _MOST_COLUMNS:
        raise EmofuseError(
            f"{path}: has {columns:,} columns, and a manifest has at most {_MOST_COLUMNS:,}; leave out those that are not needed"
        )
    if "id" not in table.frame.columns:
        raise EmofuseError(f"{path}: has no column 'id'{_instead(list(table.frame.columns))}")
    return table


def write_manifest_file(frame: pd.DataFrame, path: Path) -> None:
    """Write a typed frame in the format of the suffix; the file appears when it is whole.

    Raises:
        EmofuseError: the suffix is none of the three, or the file cannot be written.
    """
    write = _for_suffix(path, _WRITERS)
    try:
        with written_aside(path) as aside:
            write(frame, aside)
    except OSError as error:
        raise EmofuseError(
            f"{path}: cannot be written ({error.strerror or error}); make room, or write elsewhere"
        ) from None


def check_manifest_suffix(path: Path) -> None:
    """See that a file's name says a format of manifests, before work is done for it.

    Raises:
        EmofuseError: its suffix is none of the three.
    """
    _for_suffix(path, _WRITERS)


def _for_suffix(path: Path, table: dict[str, _Format]) -> _Format:
    try:
        return table[path.suffix.lower()]
    except KeyError:
        raise EmofuseError(
            f"{path}: no manifest by its suffix; save it as {', '.join(table)}, or use `emofuse prepare csv` to make a "
            "manifest of another table"
        ) from None


def _instead(columns: list[str]) -> str:
    close = nearest("id", map(str, columns), cutoff=0.5)
    hint = f"; rename {close[0]!r} or" if close else ";"
    return (
        f", only {column_names(columns)}{hint} use `emofuse prepare csv` to make a manifest of another table"
    )


def _decode(path: Path) -> str:
    data = read_bytes(path)
    if b"\0" in data[:4096] and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise EmofuseError(f"{path}: is UTF-16 text; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EmofuseError(
            f"{path} line {line}: is not UTF-8 text; save it as UTF-8 "
            "(`emofuse prepare csv` also reads tables in Windows-1252)"
        ) from None


def _read_csv(path: Path) -> RawTable:
    table, _ = parse_separated(_decode(path), path, expected=("id",))
    return table


def _read_jsonl(path: Path) -> RawTable:
    return parse_jsonl(_decode(path), str(path))


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    # RFC 4180 line ends; with them a carriage return inside a text is quoted and so survives.
    with path.open("w", encoding="utf-8", newline="") as file:
        frame.to_csv(file, index=False, lineterminator="\r\n")


def _write_jsonl(frame: pd.DataFrame, path: Path) -> None:
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    names = list(frame.columns)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for values in zip(*(plain_values(frame[name]) for name in names), strict=True):
            record = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            file.write(encode(record) + "\n")


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    types = {"turn": pa.int64(), **dict.fromkeys(NUMBER_COLUMNS, pa.float64())}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in frame.columns])
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), path)


def plain_values(cells: pd.Series) -> list[Any]:
    """The cells of a typed column as str, int, float or None."""
    values = cells.to_numpy(dtype=object, copy=True)
    values[cells.isna().to_numpy()] = None
    if cells.name == "turn":
        return [None if value is None else int(value) for value in values]
    return list(values.tolist())


_READERS: dict[str, Callable[[Path], RawTable]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": read_parquet,
}
_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
