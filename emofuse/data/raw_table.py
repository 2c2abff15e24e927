"""Tables as files hold them: rows of untyped cells, each with the row number a person would count.

CSV, JSON lines and Parquet all become a :class:`RawTable`. Nothing is guessed here: a cell of a text
file stays a string (``"007"``, ``"NA"`` and ``" x "`` as they are), and only an empty cell is absent.
"""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.data.json_text import parse_json
from emofuse.data.wording import first_few
from emofuse.errors import EmofuseError

_MOST_CELLS = 50_000_000
_MOST_COLUMNS = 100_000
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class RawTable:
    """Rows of a file before they are typed.

    Attributes:
        frame: one column of object cells per column of the file; None where a cell is absent.
        rows: (n,) the number of each row in the file, the first after the header being 1; blank rows are
            counted and left out.
        broken: rows that could not be taken apart, with the reason; they are not in ``frame``.
        blank: rows without content; they are not in ``frame``.
    """

    frame: pd.DataFrame
    rows: NDArray[np.int64]
    broken: tuple[tuple[int, str], ...] = ()
    blank: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """All rows of the file, those left out included."""
        return len(self.frame) + len(self.broken) + len(self.blank)


def read_bytes(path: Path) -> bytes:
    """The content of a file that must have some.

    Raises:
        EmofuseError: there is no such file, it cannot be read, is a Git LFS pointer, or is empty.
    """
    try:
        refuse_lfs_pointer(path)
        _refuse_pipe(path)
        data = path.read_bytes()
    except FileNotFoundError:
        raise EmofuseError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise EmofuseError(f"{path}: is a folder; name a file in it") from None
    except OSError as error:
        raise EmofuseError(f"{path}: cannot be read ({error.strerror})") from None
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise EmofuseError(f"{path}: is empty")
    return data


def _refuse_pipe(path: Path) -> None:
    """See that a file is none that waits for somebody to write to it."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise EmofuseError(f"{path}: is no regular file; save the table in one")


def parse_csv(text: str, name: str, *, delimiter: str = ",", quoted: bool = True) -> RawTable:
    """Take apart delimited text with a header line; line breaks may stand inside quotes.

    Args:
        text: the whole content.
        name: how messages call the file.
        delimiter: what separates cells.
        quoted: whether double quotes enclose cells; otherwise they are ordinary characters.

    Raises:
        EmofuseError: the quoting is wrong, or the header has a name twice.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    return table_of_records(_records(text, name, delimiter, quoting), name)


def table_of_records(records: list[list[Any]], name: str) -> RawTable:
    """A table of lists of cells, the first that is not empty being the header; an empty text is an empty cell.

    Args:
        records: header and rows; rows that are too long for empty cells alone are shortened in place.
        name: how messages call the file.

    Raises:
        EmofuseError: there is no header, or it has a name twice.
    """
    first = next((index for index, record in enumerate(records) if not _is_blank(record)), len(records))
    if first == len(records):
        raise EmofuseError(f"{name}: is empty")
    header = [str(cell).strip() for cell in records[first]]
    _check_width(len(header), name)
    records = records[first + 1 :]
    blank = [_is_blank(record) for record in records]
    broken = _uneven(records, len(header))
    kept = [at for at, record in enumerate(records) if len(record) == len(header) and not blank[at]]
    body = [records[at] for at in kept]
    columns = list(zip(*body, strict=True)) if body else [()] * len(header)
    return RawTable(
        _named_columns(header, columns, name),
        np.array(kept, np.int64) + 1,
        broken,
        tuple(at + 1 for at, is_blank in enumerate(blank) if is_blank),
    )


def _check_width(columns: int, name: str | Path) -> None:
    if columns > _MOST_COLUMNS:
        raise EmofuseError(
            f"{name}: has {columns:,} columns, and at most {_MOST_COLUMNS:,} are read; leave out those that are not needed"
        )


def _records(text: str, name: str, delimiter: str, quoting: Literal[0, 3]) -> list[list[str]]:
    def reader() -> Any:
        lines = io.StringIO(text, newline="")
        return csv.reader(lines, delimiter=delimiter, strict=True, quoting=quoting)

    try:
        return list(reader())
    except csv.Error:
        pass
    # Either a cell is longer than the csv module takes by default, or the file is damaged.
    begin, rows = 1, reader()
    records: list[list[str]] = []
    with _cells_of_any_length(len(text)):
        try:
            for record in rows:
                records.append(record)
                begin = rows.line_num + 1
        except csv.Error as error:
            place = f"line {rows.line_num}"
            row = f" in the row that begins in line {begin}" if begin < rows.line_num else ""
            raise EmofuseError(
                f"{name} {place}: not well-formed CSV ({error}{row}); "
                'close every quote, and write a quote inside quotes twice ("")'
            ) from None
    return records


_FIELD_LIMIT = threading.Lock()


@contextmanager
def _cells_of_any_length(characters: int) -> Iterator[None]:
    """Let the csv module read longer cells than it does by default, and put its limit back."""
    with _FIELD_LIMIT:  # the limit belongs to the process
        before = csv.field_size_limit()
        csv.field_size_limit(max(before, characters + 1))
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _is_blank(cells: Sequence[Any]) -> bool:
    return cells.count("") == len(cells)  # 0 and False are content


def _uneven(records: list[list[Any]], width: int) -> tuple[tuple[int, str], ...]:
    """The rows that are not as wide as the header; empty cells beyond it are cut off in place."""
    broken = []
    for at, record in enumerate(records):
        if len(record) == width or _is_blank(record):
            continue
        if len(record) > width and _is_blank(record[width:]):
            records[at] = record[:width]  # spreadsheets pad rows with empty cells
            continue
        hint = "quote a cell that holds the separator" if len(record) > width else "is the row cut off?"
        broken.append((at + 1, f"has {len(record)} cells where the header has {width}; {hint}"))
    return tuple(broken)


def _named_columns(header: list[str], columns: Sequence[Sequence[Any]], name: str) -> pd.DataFrame:
    repeated = sorted(column for column, count in Counter(header).items() if column and count > 1)
    if repeated:
        raise EmofuseError(f"{name}: the header has {first_few(repeated)} more than once; rename one of them")
    cells: dict[str, NDArray[np.object_]] = {}
    for index, (column, values) in enumerate(zip(header, columns, strict=True)):
        if column or not _is_blank(values):  # a column without name and content is a stray separator
            array = np.array(values, dtype=object)
            array[array == ""] = None
            cells[column or f"column {index + 1}"] = array
    return pd.DataFrame(cells, dtype=object)


def parse_jsonl(text: str, name: str) -> RawTable:
    """Take apart JSON lines: one object per line; a key left out, or null, is absent.

    Raises:
        EmofuseError: no line is a JSON object.
    """
    records: list[dict[str, Any]] = []
    rows: list[int] = []
    broken: list[tuple[int, str]] = []
    blank: list[int] = []
    # Only "\n" ends a line: JSON strings may hold the other separators that str.splitlines knows.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        if not line.strip():
            blank.append(number)
            continue
        try:
            record = parse_json(line)
            if SURROGATE_ESCAPE.search(line):
                json.dumps(record, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            broken.append((number, "holds half a character (a lone surrogate); write it anew"))
            continue
        except ValueError as error:
            broken.append((number, f"is not JSON ({error})"))
            continue
        if isinstance(record, dict):
            records.append(record)
            rows.append(number)
        else:
            broken.append((number, "is not a JSON object; write one {...} per line"))
    if not records:
        raise EmofuseError(f"{name}: not JSON lines: row {broken[0][0]} {broken[0][1]}")
    keys = dict.fromkeys(chain.from_iterable(records))
    _check_width(len(keys), name)
    cells = {key: _objects([record.get(key) for record in records]) for key in keys}
    return RawTable(pd.DataFrame(cells, dtype=object), np.array(rows, np.int64), tuple(broken), tuple(blank))


def _objects(values: list[Any]) -> NDArray[np.object_]:
    # Not np.array: it would spread lists of equal length over a second axis.
    array = np.fromiter(values, dtype=object, count=len(values))
    array[[isinstance(value, str) and not value for value in values]] = None
    return array


def read_parquet(path: Path) -> RawTable:
    """Read one Parquet file.

    Raises:
        EmofuseError: it is missing, or not Parquet, or has a column twice.
    """
    refuse_lfs_pointer(path)
    try:
        _refuse_pipe(path)
        # ParquetFile, since read_table would take "split=train" in a folder's name for a column.
        with pq.ParquetFile(path) as file:
            _check_width(file.metadata.num_columns, path)
            # A few bytes can stand for any number of equal cells.
            if file.metadata.num_rows * file.metadata.num_columns > _MOST_CELLS + path.stat().st_size:
                raise EmofuseError(f"{path}: states more cells than its size can stand for; save it anew")
            table = file.read()
    except FileNotFoundError:
        raise EmofuseError(f"{path}: there is no such file") from None
    except (pa.ArrowException, OSError) as error:
        raise EmofuseError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    if repeated := [name for name, times in Counter(table.column_names).items() if times > 1]:
        raise EmofuseError(f"{path}: has the column {repeated[0]!r} twice; rename one of them")
    # Integers with nulls would otherwise become floats, and an id of 7 would be "7.0".
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return RawTable(frame, np.arange(1, len(frame) + 1))
