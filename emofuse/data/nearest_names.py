"""The known names that are most like a misspelt one, for the line that refuses it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


def is_meant(name: str, known: Iterable[str], *, most: int = 1, beginnings: bool = True) -> str:
    """``"; perhaps 'A'"`` or ``"; perhaps 'A' or 'B'"``, or nothing where none is near; see `nearest`."""
    found = [repr(near) for near in nearest(name, known, most=most, beginnings=beginnings)]
    if not found:
        return ""
    return f"; perhaps {' or '.join(found)}"


def none_of(what: str, name: str, known: Collection[str], *, also: str = "", hint: bool = True) -> str:
    """The line that refuses a name which is none of a choice: ``"--by: 'vda' is none of auto, vad; perhaps 'vad'"``.

    Args:
        what: was named, such as an option.
        name: what was written.
        known: all that can be chosen.
        also: what can be chosen besides and is no name, such as "a number".
        hint: whether the nearest is asked for.
    """
    listed = ", ".join([*known, also] if also else known)
    return f"{what}: {name!r} is none of {listed}{is_meant(name, known) if hint else ''}"


def nearest(
    name: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6, beginnings: bool = True
) -> list[str]:
    """The known names that are most like this one, the nearest first; capitals and spaces around make no difference.

    Args:
        name: what was written.
        known: what there is.
        most: so many names are given.
        cutoff: how like it a name is at least, from 0 to 1, as `difflib.get_close_matches` counts it.
        beginnings: whether a name that begins the other, as ``id`` begins ``ident``, is nearer than any that does not.
    """
    lowered, asked = {other.lower(): other for other in known}, name.strip().lower()
    begun = [other for other in lowered if beginnings and _begins(other, asked)]
    found = difflib.get_close_matches(asked, begun or lowered, n=most, cutoff=0.0 if begun else cutoff)
    return [lowered[other] for other in found]


def _begins(a: str, b: str) -> bool:
    return min(len(a), len(b)) > 1 and (a.startswith(b) or b.startswith(a))
