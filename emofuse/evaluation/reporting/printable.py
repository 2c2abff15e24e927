"""Words that came from data, made fit to be shown."""

from __future__ import annotations

import re
import unicodedata

_ELLIPSIS = "…"
# An underscore inside a word, as in an id, is left alone by Markdown too.
_MARKDOWN_SIGNS = re.compile(r"([\\`*\[\]|#~]|(?<!\w)_|_(?!\w))")
_UNSHOWABLE = {"Cc", "Cs", "Co", "Cn"}
# Marks that turn the direction of what follows: one in a transcript would reorder the rest of the line.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def storable(text: str) -> str:
    """The text with a replacement mark for what UTF-8 or XML does not admit.

    That is control characters other than line break and tab, lone surrogates and unassigned code points.
    Marks that turn the direction of the text are taken out.
    """
    return "".join(_shown(character) for character in text)


def printable(text: object, limit: int | None = None) -> str:
    """One line that any picture, page or XML file can hold.

    Args:
        text: anything; None gives an empty string.
        limit: longest result in characters; what is longer ends in an ellipsis.

    Returns:
        The text with each run of white space as one space, and otherwise as :func:`storable` gives it.
    """
    line = storable(" ".join(("" if text is None else str(text)).split()))
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + _ELLIPSIS
    return line


def markdown_text(text: object) -> str:
    """One line that Markdown shows as it is, without a sign of its own or of HTML."""
    line = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN_SIGNS.sub(r"\\\1", line)


def _shown(character: str) -> str:
    if character in _DIRECTION_MARKS:
        return ""
    if character in "\n\t":
        return character
    return "\ufffd" if unicodedata.category(character) in _UNSHOWABLE else character
