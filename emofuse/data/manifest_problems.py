"""What is wrong with a manifest, as its author is told it: each cause once, with the rows that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emofuse.data.wording import counted, first_few
from emofuse.errors import EmofuseError

PRINTED_CAUSES = 50
PRINTED_ROWS = 5
PRINTED_EXAMPLES = 3


@dataclass(frozen=True)
class Problem:
    """Something wrong with a manifest.

    Attributes:
        row: number of the row in its file, the first after the header being 1; None if it is the whole.
        id: id of the row, if it has one.
        what: what is wrong and how to mend it.
        file: name of the file, where the rows come from several.
        cause: ``what`` without what differs from row to row; empty where that is nothing.
    """

    row: int | None
    id: str | None
    what: str
    file: str | None = None
    cause: str = ""

    @property
    def place(self) -> str:
        """``"dev.csv row 3 (id 'a')"`` as far as it is known."""
        file = f"{self.file} " if self.file else ""
        row = f"row {self.row}" if self.row is not None else ""
        named = f" (id {self.id!r})" if self.id is not None else ""
        return f"{file}{row}{named}".strip()

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what


class ManifestError(EmofuseError):
    """A manifest cannot be used; the message lists what is wrong.

    Attributes:
        problems: all of them, also those beyond the lines that the message prints.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def listing(cls, name: str, problems: Sequence[Problem]) -> ManifestError:
        """An error about the manifest called ``name``: each cause once, with the first rows that have it."""
        causes: dict[str, list[Problem]] = {}
        for problem in problems:
            causes.setdefault(problem.cause or problem.what, []).append(problem)
        lines = [f"{name}: {counted(len(problems), 'problem')} (rows are counted from 1, after the header)"]
        printed = list(causes.items())[:PRINTED_CAUSES]
        for cause, alike in printed:
            lines += _cause_lines(cause, alike)
        more = len(problems) - sum(len(alike) for _, alike in printed)
        if more:
            lines.append(f"  and {more} more")
        return cls("\n".join(lines), problems)


def _cause_lines(cause: str, problems: Sequence[Problem]) -> list[str]:
    """Problems of one cause as lines of a message."""
    if len(problems) == 1:
        return [f"  {problems[0]}"]
    head = f"  {counted(len(problems), 'row')}: {cause}"
    if all(problem.what == cause for problem in problems):
        return [head, f"    {first_few([problem.place for problem in problems], PRINTED_ROWS)}"]
    lines = [head, *(f"    {problem}" for problem in problems[:PRINTED_EXAMPLES])]
    more = len(problems) - PRINTED_EXAMPLES
    return [*lines, f"    and {more} more"] if more > 0 else lines


@dataclass(frozen=True)
class Origin:
    """Where each row of a frame stands: its number in its file, and the file where there are several."""

    rows: NDArray[np.int64]
    files: NDArray[np.object_] | None = None

    def take(self, positions: NDArray[np.intp]) -> Origin:
        """The origin of a selection of rows."""
        return Origin(self.rows[positions], None if self.files is None else self.files[positions])

    def place(self, position: int) -> str:
        """``"row 3"`` or ``"dev.csv row 3"``."""
        file = "" if self.files is None else f"{self.files[position]} "
        return f"{file}row {self.rows[position]}"

    def problem(self, position: int | np.intp, id: str | None, what: str, cause: str = "") -> Problem:
        """A problem of the row at a position."""
        file = None if self.files is None else str(self.files[position])
        return Problem(int(self.rows[position]), id, what, file, cause)
