"""The first sheet of an Excel file as a table; needs the extra ``excel`` (openpyxl)."""

from __future__ import annotations

import datetime
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.data.raw_table import RawTable, table_of_records
from emofuse.data.wording import first_few
from emofuse.errors import EmofuseError

_INSTALL = "`pip install emofuse[excel]`, or save the sheet as CSV"
_UNPACKED_BYTES = 1 << 30
_MOST_ROWS = 1 << 20  # what Excel itself can hold
_MOST_CELLS = 50_000_000


def read_excel(path: Path) -> tuple[RawTable, tuple[str, ...]]:
    """Read the first sheet of an ``.xlsx`` file that holds anything.

    Formulas are their last values. Times of day become texts such as ``00:16:16``. Numbers stay numbers, so an id that
    Excel has made one has lost the zeros before it.

    Returns:
        The table, and a note where other sheets hold something too.

    Raises:
        EmofuseError: openpyxl is not installed, or the file is no Excel file, holds nothing, or would unfold to more than
            memory is for.
    """
    try:
        import openpyxl
    except ImportError:
        raise EmofuseError(f"{path}: Excel files need openpyxl: {_INSTALL}") from None
    _check_container(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and drop-down lists, which no table needs
            filled, records = _read_book(openpyxl, path)
    except EmofuseError:
        raise
    except Exception as error:  # a damaged file makes its XML and zip readers raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise EmofuseError(
            f"{path}: cannot be read as an Excel file ({reason}); save it anew, or as CSV"
        ) from None
    if not records:
        raise EmofuseError(f"{path}: is empty")
    others = f"; not read: {first_few(filled[1:])}" if len(filled) > 1 else ""
    notes = (f"{path.name}: the sheet {filled[0]!r} was read{others}",) if others else ()
    return table_of_records(records, str(path)), notes


def _check_container(path: Path) -> None:
    refuse_lfs_pointer(path)
    try:
        with zipfile.ZipFile(path) as archive:
            # No more than this is ever unpacked: the reader stops at the size that is stated.
            size = sum(entry.file_size for entry in archive.infolist())
    except FileNotFoundError:
        raise EmofuseError(f"{path}: there is no such file") from None
    except OSError as error:
        raise EmofuseError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise EmofuseError(f"{path}: is no Excel file (.xlsx); save it anew as one, or as CSV") from None
    if size > _UNPACKED_BYTES:
        raise EmofuseError(f"{path}: unfolds to more than {_UNPACKED_BYTES >> 30} GiB; save the sheet as CSV")


def _read_book(openpyxl: Any, path: Path) -> tuple[list[str], list[list[Any]]]:
    """The names of the sheets that hold anything, and the rows of the first of them."""
    # What is computed, not the formulas; nothing that the file refers to is opened.
    with closing(openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)) as book:
        filled = [sheet for sheet in book.worksheets if _holds_anything(sheet, path)]
        return [sheet.title for sheet in filled], list(_records(filled[0], path)) if filled else []


def _rows(sheet: Any, path: Path) -> Iterator[tuple[Any, ...]]:
    """The rows of a sheet as far as memory and patience reach.

    Raises:
        EmofuseError: there are more.
    """
    sheet.reset_dimensions()  # a file may state any size
    cells = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells += len(row) + 1
        if number > _MOST_ROWS or cells > _MOST_CELLS:
            raise EmofuseError(
                f"{path} row {number}: holds more cells than can be read; save the sheet as CSV"
            )
        yield row


def _holds_anything(sheet: Any, path: Path) -> bool:
    return any(cell is not None for row in _rows(sheet, path) for cell in row)


def _records(sheet: Any, path: Path) -> Iterator[list[Any]]:
    """The rows as lists that reach as far as the header; an empty cell is an empty text."""
    width = 0
    for row in _rows(sheet, path):
        record = [_plain(cell) for cell in row]
        while record and record[-1] == "":
            record.pop()
        width = width or len(record)
        # A sheet says nothing of empty cells at the end of a row.
        yield record + [""] * (width - len(record)) if record else []


def _plain(cell: Any) -> Any:
    """A cell as text, number or truth value; empty as an empty text."""
    if cell is None:
        return ""
    if isinstance(cell, datetime.timedelta):
        minutes, seconds = divmod(cell.total_seconds(), 60)
        return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}:{seconds:06.3f}"
    if isinstance(cell, (datetime.datetime, datetime.date, datetime.time)):
        return cell.isoformat()
    return cell
