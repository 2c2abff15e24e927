"""Anybody's table files, by their suffix, and what is left in them of other encodings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emofuse.corpora.excel_files import read_excel
from emofuse.data.raw_table import RawTable, parse_jsonl, read_bytes, read_parquet
from emofuse.data.separators import parse_separated
from emofuse.data.text_encoding import Fallback, decode_text
from emofuse.errors import EmofuseError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")


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
    """Read a ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx`` file.

    Text is UTF-8, stray bytes or the whole of it Windows-1252. Cells are separated as the suffix says, or else by commas,
    semicolons, tabs or vertical bars, whichever the header has most of, or as a first line ``sep=;`` says. The notes
    say what is unusual.

    Args:
        path: the file.
        fallback: the encoding of text that is not UTF-8; GB 18030 holds GBK and GB 2312.

    Raises:
        EmofuseError: the file cannot be read as a table.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise EmofuseError(f"{path}: is no table by its suffix; save it as {', '.join(TABLE_SUFFIXES)}")
    if suffix == ".parquet":
        return TableFile(read_parquet(path))
    if suffix == ".xlsx":
        return TableFile(*read_excel(path))
    text, notes = decode_text(read_bytes(path), path, fallback)
    if suffix == ".jsonl":
        return TableFile(parse_jsonl(text, str(path)), notes)
    raw, more = parse_separated(text, path, usual="\t" if suffix == ".tsv" else ",")
    return TableFile(raw, notes + more)


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
