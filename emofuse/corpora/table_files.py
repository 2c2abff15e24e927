"""Anybody's table files: separators, encodings and their leftovers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from emofuse.data.raw_table import RawTable, parse_csv, parse_jsonl, read_bytes, read_parquet
from emofuse.errors import EmofuseError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

Fallback = Literal["cp1252", "gb18030"]
_ENCODINGS: dict[Fallback, str] = {"cp1252": "Windows-1252", "gb18030": "GB 18030"}


def _windows_1252() -> dict[int, str]:
    codes = {code: bytes([code]).decode("cp1252", errors="ignore") for code in range(0x80, 0xA0)}
    return {code: character for code, character in codes.items() if character}


# Bytes of Windows-1252 that somebody took for Latin-1 became control characters, which no text has.
C1_REMAINS = _windows_1252()
C1_PATTERN = "[\x80-\x9f]"


@dataclass(frozen=True)
class TableFile:
    """A table as its file holds it, and what had to be done to read it."""

    raw: RawTable
    notes: tuple[str, ...] = ()


def read_table_file(path: Path, fallback: Fallback = "cp1252") -> TableFile:
    """Read a ``.csv`` (also with semicolons), ``.tsv``, ``.jsonl`` or ``.parquet`` file.

    Text is UTF-8, or else Windows-1252; tab-separated text may be quoted or not. The notes say which,
    where it is not the first of the two.

    Args:
        path: the file.
        fallback: the encoding of text that is not UTF-8; GB 18030 holds GBK and GB 2312.

    Raises:
        EmofuseError: the file cannot be read as a table.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return TableFile(read_parquet(path))
    if suffix not in TABLE_SUFFIXES:
        raise EmofuseError(f"{path}: is no table by its suffix; save it as {', '.join(TABLE_SUFFIXES)}")
    text, notes = _decode(path, fallback)
    if suffix == ".jsonl":
        return TableFile(parse_jsonl(text, str(path)), notes)
    table = _parse_tsv(path, text) if suffix == ".tsv" else _parse_csv(path, text)
    return TableFile(table.raw, notes + table.notes)


def mend_c1(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Put the characters of Windows-1252 where their bytes stand as C1 control characters.

    ``don\\x92t`` becomes ``don’t``. The five bytes that Windows-1252 does not define stay.

    Args:
        cells: texts among other things; only texts are touched.

    Returns:
        The mended cells, and which of them were.
    """
    is_text = cells.map(lambda cell: isinstance(cell, str)).astype(bool)
    touched = is_text & cells.where(is_text, "").str.contains(C1_PATTERN)
    mended = cells.copy()
    mended[touched] = cells[touched].str.translate(C1_REMAINS)
    return mended, touched


def _decode(path: Path, fallback: Fallback) -> tuple[str, tuple[str, ...]]:
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    try:
        if b"\0" not in data:
            name = _ENCODINGS[fallback]
            return data.decode(fallback), (f"{path.name} is not UTF-8 and was read as {name}",)
    except UnicodeDecodeError:
        pass
    raise EmofuseError(f"{path}: is no text in UTF-8 or {_ENCODINGS[fallback]}; save it as UTF-8")


def _parse_csv(path: Path, text: str) -> TableFile:
    header = text.lstrip().split("\n", 1)[0]
    if header.count(";") > header.count(","):
        return TableFile(
            parse_csv(text, str(path), delimiter=";"), (f"{path.name} is separated by semicolons",)
        )
    return TableFile(parse_csv(text, str(path)))


def _parse_tsv(path: Path, text: str) -> TableFile:
    # Some programs quote cells as CSV does; others write quotes that belong to the text.
    try:
        return TableFile(parse_csv(text, str(path), delimiter="\t"))
    except EmofuseError:
        raw = parse_csv(text, str(path), delimiter="\t", quoted=False)
        return TableFile(raw, (f"{path.name}: its quotes were read as part of the text",))
