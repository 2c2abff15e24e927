"""The list of media that could not be used, kept as ``quarantine.csv`` while the work goes on."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from emofuse.data.atomic import write_text_aside
from emofuse.data.spreadsheet import original_text, text_cell
from emofuse.data.stored_files import stored_bytes
from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class QuarantineEntry:
    """One medium of one utterance that was set aside.

    Attributes:
        id: the utterance.
        modality: ``text``, ``audio`` or ``video``.
        file: the file it was to be read from.
        reason: a short code, such as those of :data:`emofuse.data.media_error.Reason`.
        message: the reason in words, one line.
    """

    id: str
    modality: str
    file: str
    reason: str
    message: str


COLUMNS = tuple(field.name for field in fields(QuarantineEntry))


class Quarantine:
    """Entries of a ``quarantine.csv``, at most one for each utterance and modality: the latest.

    What an earlier run wrote is read first, so that interrupted work adds to it. A new entry is appended at
    once, as one line in one write: it survives whatever happens to the program next, several programs may
    share the file, and the cost does not grow with its length. A line that it replaces goes with :meth:`tidy`, or
    when the file is read again. The file comes to be with its first entry.

    Args:
        path: the file; it need not exist.

    Raises:
        EmofuseError: if the file exists and is no list of this kind.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._entries: dict[tuple[str, str], QuarantineEntry] = {}
        self._has_replaced = False
        if self.path.exists():
            self._load()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> list[QuarantineEntry]:
        """All entries, in the order in which their utterances were first set aside."""
        return list(self._entries.values())

    def add(self, id: str, modality: str, file: Path | str, reason: str, message: str) -> None:
        """Set a medium aside; an earlier entry of the same utterance and modality is replaced."""
        values = (id, modality, str(file), reason, " ".join(message.split()))
        # A file name need not be valid text; the list must be.
        entry = QuarantineEntry(*(value.encode(errors="backslashreplace").decode() for value in values))
        key = (entry.id, entry.modality)
        if self._entries.get(key) == entry:
            return
        self._has_replaced |= key in self._entries
        self._entries[key] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", newline="") as file_to:
            is_new = file_to.tell() == 0
            file_to.write(_csv([COLUMNS] if is_new else []) + _csv([astuple(entry)]))

    def discard(self, id: str, modality: str) -> None:
        """Take back an entry, if there is one, because its medium could be used after all."""
        if self._entries.pop((id, modality), None) is not None:
            self._rewrite()

    def tidy(self) -> None:
        """Leave what was replaced out of the file, once the work is done; what other programs have added stays."""
        if self._has_replaced:
            self._load()
            self._has_replaced = False

    def reasons(self) -> dict[str, int]:
        """How many entries there are of each reason, the most frequent first."""
        return dict(Counter(entry.reason for entry in self._entries.values()).most_common())

    def summary(self) -> str:
        """One line for the user, such as ``3 set aside (2 truncated, 1 no-audio): run/quarantine.csv``."""
        if not self._entries:
            return "nothing set aside"
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons().items())
        return f"{len(self)} set aside ({reasons}): {self.path}"

    def _load(self) -> None:
        content = stored_bytes(self.path, "move it elsewhere")
        complete_lines = content[: content.rfind(b"\n") + 1]
        try:
            rows = list(csv.reader(io.StringIO(complete_lines.decode("utf-8"), newline="")))
        except (UnicodeDecodeError, csv.Error) as error:
            raise self._not_a_list() from error
        header = _csv([COLUMNS]).encode()
        if not content.startswith(header) and not header.startswith(content):
            raise self._not_a_list()
        # A line that was broken off, at the end or under another's, costs one entry, not the list.
        entries = [QuarantineEntry(*map(original_text, row)) for row in rows[1:] if len(row) == len(COLUMNS)]
        self._entries = {(entry.id, entry.modality): entry for entry in entries}
        if complete_lines != content or len(self._entries) < len(rows) - 1:
            self._rewrite()

    def _rewrite(self) -> None:
        write_text_aside(self.path, _csv([COLUMNS, *map(astuple, self._entries.values())]))

    def _not_a_list(self) -> EmofuseError:
        return EmofuseError(
            f"{self.path}: not a list of media set aside (columns {', '.join(COLUMNS)}); move it elsewhere"
        )


def _csv(rows: Iterable[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(text_cell, row) for row in rows])
    return text.getvalue()
