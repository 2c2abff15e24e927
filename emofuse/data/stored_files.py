"""Files that somebody else may have made: read within bounds, as what they should be, or refused in one line.

Whatever is read of a run folder or of a recipe goes through here. A folder or a pipe in a file's place, a file that is
too large, that nests too deeply, that unfolds to gigabytes, or that holds numbers which are not finite or characters
that no name has is one `EmofuseError`, and never waits for input.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emofuse.data.git_lfs import POINTER_ADVICE, POINTER_REASON, is_lfs_pointer
from emofuse.data.json_text import parse_json
from emofuse.data.value_bounds import check_values
from emofuse.data.yaml_text import parse_yaml
from emofuse.errors import EmofuseError, explain_os_error

if TYPE_CHECKING:
    import pandas as pd

_TEXT_BYTES = 256 << 20  # split.json of a corpus of millions stays far below
_YAML_BYTES = 4 << 20  # a recipe has a few kilobytes
_TABLE_BYTES = 8 << 30  # unpacked


class DamagedFileError(EmofuseError):
    """A file that is not what it should be.

    Attributes:
        file: which one.
        reason: what is wrong with it, in a few words.
    """

    def __init__(self, file: Path, reason: str, advice: str, state: str = "damaged") -> None:
        super().__init__(f"{_shown(file)}: {state} ({_line(reason)}); {advice}")
        self.file, self.reason = file, reason


def stored_bytes(file: Path, advice: str, limit: int = _TEXT_BYTES) -> bytes:
    """The content of a regular file.

    Args:
        file: to be read; links are followed.
        advice: what the user can do where it cannot be read.
        limit: most bytes that it may have.

    Raises:
        DamagedFileError: it is missing, is no regular file, is larger, or may not be read.
    """
    with _opened(file, advice) as handle:
        size = os.fstat(handle.fileno()).st_size
        if size > limit:
            raise DamagedFileError(file, f"it has {size:,} bytes, and at most {limit:,} make sense", advice)
        try:
            return handle.read(limit)
        except OSError as error:
            raise DamagedFileError(file, explain_os_error(error), advice) from None


def is_there(file: Path) -> bool:
    """Whether anything has this name. A link that leads nowhere has it: the file is damaged, and not left out."""
    return os.path.lexists(file)


def check_regular(file: Path, advice: str) -> None:
    """See that a library which opens a file by its name will find a regular one.

    Raises:
        DamagedFileError: it will not.
    """
    _opened(file, advice).close()


def stored_text(file: Path, advice: str, limit: int = _TEXT_BYTES) -> str:
    """The content of a file of UTF-8 text; see `stored_bytes`.

    Raises:
        DamagedFileError: as there, or it is no such text.
    """
    try:
        return stored_bytes(file, advice, limit).decode("utf-8")
    except UnicodeDecodeError:
        raise DamagedFileError(file, "it is not UTF-8 text", advice) from None


def stored_json(file: Path, advice: str, limit: int = _TEXT_BYTES) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        file: to be read.
        advice: what the user can do where it cannot be.
        limit: most bytes that it may have.

    Raises:
        DamagedFileError: as `stored_text`, or it is no JSON, nests too deeply, or holds a number that is not finite or a
            NUL.
    """
    text = stored_text(file, advice, limit)
    try:
        content = parse_json(text)
        check_values(content)
    except ValueError as error:
        raise DamagedFileError(file, str(error), advice) from None
    if not isinstance(content, dict):
        raise DamagedFileError(file, f"it holds a {type(content).__name__} and no object", advice)
    return content


def stored_yaml(file: Path, advice: str) -> Any:
    """What a YAML file holds, None where it is empty; see `stored_json`.

    Raises:
        DamagedFileError: as there; or its references unfold to more than a file of settings says.
    """
    text = stored_text(file, advice, _YAML_BYTES)
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise DamagedFileError(file, str(error), advice) from None


def stored_table(file: Path, advice: str, columns: Iterable[str] = ()) -> pd.DataFrame:
    """A Parquet file.

    Args:
        file: to be read.
        advice: what the user can do where it cannot be.
        columns: that it must have.

    Raises:
        DamagedFileError: as `stored_bytes`, or it is no Parquet, lacks a column, or unfolds to more than memory is for.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_regular(file, advice)
    try:
        # Not read_table, which would take "split=train" in a folder's name for a column.
        with pq.ParquetFile(file) as parquet:
            groups = (parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups))
            if sum(group.total_byte_size for group in groups) > _TABLE_BYTES:
                raise DamagedFileError(file, "it unfolds to more than eight gigabytes", advice)
            names = parquet.schema_arrow.names
            if len(set(names)) < len(names):
                raise DamagedFileError(file, "it has a column twice", advice)
            table = parquet.read().to_pandas(ignore_metadata=True)
    except (OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, pa.ArrowException) as error:
        raise DamagedFileError(file, str(error) or type(error).__name__, advice) from None
    return _with_columns(table, file, advice, columns)


def stored_csv(file: Path, advice: str, columns: Iterable[str] = ()) -> pd.DataFrame:
    """A CSV file; see `stored_table`.

    Raises:
        DamagedFileError: as there, with CSV for Parquet.
    """
    import pandas as pd

    check_regular(file, advice)
    try:
        table = pd.read_csv(file, index_col=False)  # cells beyond the header would become an index
    except (OSError, ValueError, OverflowError) as error:  # pandas's own errors are ValueErrors
        raise DamagedFileError(file, str(error) or type(error).__name__, advice) from None
    return _with_columns(table, file, advice, columns)


def check_numbers(
    table: pd.DataFrame, columns: Iterable[str], file: Path, advice: str, *, gaps: bool = False
) -> None:
    """See that columns of a table hold finite numbers; the first row that does not is named, from 1.

    Args:
        table: of the file.
        columns: of numbers.
        file: where the table is from.
        advice: what the user can do.
        gaps: a cell may be empty.

    Raises:
        DamagedFileError: they do not.
    """
    import pandas as pd

    for name in columns:
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = ~numbers.astype(float).abs().lt(math.inf) & ~(gaps & table[name].isna())
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise DamagedFileError(file, f"row {row + 1}, {name}: {table[name].iloc[row]!r}", advice)


def _opened(file: Path, advice: str) -> Any:
    """A handle on a regular file; one on a pipe would wait for somebody to write to it."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise DamagedFileError(file, "it is missing", advice, "cannot be read") from None
    except OSError as error:
        raise DamagedFileError(file, error.strerror or str(error), advice, "cannot be read") from None
    except ValueError:  # a NUL
        raise DamagedFileError(file, "no file has such a name", advice, "cannot be read") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DamagedFileError(file, "it is no regular file", advice, "cannot be read")
    if is_lfs_pointer(file):
        os.close(handle)
        raise DamagedFileError(file, f"it is {POINTER_REASON}", POINTER_ADVICE, "cannot be read")
    return os.fdopen(handle, "rb")


def _with_columns(table: pd.DataFrame, file: Path, advice: str, columns: Iterable[str]) -> pd.DataFrame:
    lacking = [name for name in columns if name not in table]
    if lacking:
        raise DamagedFileError(file, f"it has no column {lacking[0]!r}", advice)
    return table


def _shown(file: Path) -> str:
    """A path that one line can hold."""
    text = str(file)
    return text if text.isprintable() else repr(text)


def _line(reason: str) -> str:
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return lines[0][:200] if lines else "unreadable"
