"""Words that go with numbers, and names in a line of words."""

import re
from collections.abc import Iterable, Sequence

# Control characters, separators of lines, and halves of characters, which also stand for bytes that are no text.
_IN_NO_NAME = "\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_UNNAMEABLE = re.compile(f"[{_IN_NO_NAME}]")
# And the marks that turn the direction of what follows.
_UNSHOWABLE = re.compile(f"[{_IN_NO_NAME}\u202a-\u202e\u2066-\u2069]")


def is_name(text: str) -> bool:
    """Whether a text can name something: it has characters, and none that breaks lines or commands a terminal."""
    return bool(text) and not _UNNAMEABLE.search(text)


def shown(text: object) -> str:
    """A name, or anything else, in one line that a terminal shows and does not obey; the rest stands as escapes."""
    return _UNSHOWABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


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
