"""What separates the cells of a text table: commas, or whatever its header or its first line says."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from pathlib import Path
from types import MappingProxyType

from emofuse.data.raw_table import RawTable, parse_csv
from emofuse.errors import EmofuseError

SEPARATORS = MappingProxyType({",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"})

_STATED = re.compile(r'"?sep=([^\r\n])"?[ ]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
_CONTENT = re.compile(r'[^\s,;|"]')
_QUOTED = re.compile(r'"[^"]*"')
# Programs that write these often do not quote: a quote there belongs to the text.
_MAYBE_UNQUOTED = ("\t", "|")


def parse_separated(
    text: str, path: Path, *, usual: str = ",", expected: Collection[str] = ()
) -> tuple[RawTable, tuple[str, ...]]:
    """Take apart delimited text, whatever separates its cells.

    Args:
        text: the whole content; a first line ``sep=;``, as Excel writes and reads it, names the separator.
        path: for messages.
        usual: the separator that files of this kind have.
        expected: names that the header must have; a separator that yields them is the right one.

    Returns:
        The table, and notes of whatever is unusual.

    Raises:
        EmofuseError: see :func:`emofuse.data.raw_table.parse_csv`.
    """
    rest, separator = find_separator(text, usual, expected)
    if rest is not text:
        text = "\n" + rest  # an empty line in its place, so that messages count lines as an editor does
    named = SEPARATORS.get(separator, repr(separator))
    notes = (f"{path.name} is separated by {named}",) if separator != usual else ()
    try:
        return parse_csv(text, str(path), delimiter=separator), notes
    except EmofuseError:
        if separator not in _MAYBE_UNQUOTED:
            raise
    raw = parse_csv(text, str(path), delimiter=separator, quoted=False)
    return raw, (*notes, f"{path.name}: its quotes were read as part of the text")


def find_separator(text: str, usual: str = ",", expected: Collection[str] = ()) -> tuple[str, str]:
    """The text without a first line that names its separator, and the separator.

    Without such a line it is the one that makes the expected names of the header, or else the one that the header has
    most of outside quotes, the usual one where several are as frequent.
    """
    stated = _STATED.match(text)
    if stated is not None:
        return text[stated.end() :], stated[1]
    header = _header(text)
    candidates = [usual, *(other for other in SEPARATORS if other != usual)]
    if expected:
        for separator in candidates:
            if set(expected) <= {cell.strip() for cell in _cells(header, separator)}:
                return text, separator
    if usual == "\t" and usual in header:
        return text, usual  # no name has a tab in it, while many have commas
    unquoted = _QUOTED.sub("", header)
    return text, max(candidates, key=unquoted.count)  # the first of equals


def _header(text: str) -> str:
    """The first line with more in it than separators."""
    content = _CONTENT.search(text)
    if content is None:
        return ""
    begin = max(text.rfind("\n", 0, content.start()), text.rfind("\r", 0, content.start())) + 1
    ends = [end for end in (text.find("\n", begin), text.find("\r", begin)) if end >= 0]
    return text[begin : min(ends, default=len(text))]


def _cells(header: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=separator), [])
    except csv.Error:
        return []
