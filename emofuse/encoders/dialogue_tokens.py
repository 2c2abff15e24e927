"""How an utterance and the turns around it lie in a language model's input (MFCRE §3.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Arranged(NamedTuple):
    """Token ids of one input, and the places of the utterance's own tokens in it.

    Attributes:
        ids: of at most the length that was asked for.
        own: first and last + 1 place of the utterance's tokens; the place before ``own[0]`` holds the special
            token that opens them, the first of all where nothing comes before.
    """

    ids: list[int]
    own: tuple[int, int]


def arrange(
    before: Sequence[int], own: Sequence[int], after: Sequence[int], *, first: int, between: int, longest: int
) -> Arranged:
    """Lay out ``first before between own between after between``, without the parts that are empty.

    The utterance comes first when room is scarce; the context then loses what is farthest from it, on both
    sides alike unless one needs less than its half.

    Args:
        before: token ids of the turns before, without special tokens.
        own: of the utterance.
        after: of the turns after.
        first: id of the token that begins every input (CLS, ``<s>``).
        between: id of the token that ends a part (SEP, ``</s>``).
        longest: most tokens in all, at least 3.
    """
    own = own[: longest - 2]
    # The context's own separators are counted as if both sides had one.
    room = max(0, longest - 2 - len(own) - bool(before) - bool(after))
    ahead = min(len(before), max(room // 2, room - len(after)))
    behind = min(len(after), room - ahead)
    ids = [first]
    if ahead:
        ids += [*before[len(before) - ahead :], between]
    begin = len(ids)
    ids += [*own, between]
    if behind:
        ids += [*after[:behind], between]
    return Arranged(ids, (begin, begin + len(own)))
