"""Words that go with numbers."""

from collections.abc import Iterable, Sequence


def counted(number: int, what: str, several: str | None = None) -> str:
    """``"1 row"`` or ``"2 rows"``; ``several`` is the plural where it takes more than an s."""
    return f"{number} {what if number == 1 else several or what + 's'}"


def first_few(names: Sequence[str], most: int = 5) -> str:
    """The first of a list, separated by commas, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def column_names(columns: Iterable[object]) -> str:
    """The columns of a table for a message, of which there may be tens of thousands."""
    return first_few([str(column) for column in columns], 20)
