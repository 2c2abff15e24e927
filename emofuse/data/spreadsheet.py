"""Texts in CSV files that people open in a spreadsheet, which would take some of them for formulas.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return is computed when the file is opened, and
may fetch addresses or start programs. An apostrophe in front makes it a text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emofuse.data.manifest_columns import DECIMAL

if TYPE_CHECKING:
    import pandas as pd

_COMPUTED = re.compile(r"'*[=+\-@\t\r＝＋－＠]")  # the wide ones are computed as well
_NUMBER = re.compile(DECIMAL)


def text_cell(value: Any) -> Any:
    """A cell that no spreadsheet computes: texts like formulas get an apostrophe, numbers and the rest stay."""
    if isinstance(value, str) and _COMPUTED.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def original_text(cell: str) -> str:
    """The text that :func:`text_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and text_cell(cell[1:]) == cell else cell


def spreadsheet_csv(table: pd.DataFrame) -> str:
    """A table as CSV that no spreadsheet computes anything of, without its index."""
    return table.map(text_cell).rename(columns=text_cell).to_csv(index=False)
