"""How much of a dialogue is seen at once."""

from __future__ import annotations

from dataclasses import dataclass

from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class WindowSize:
    """What of a dialogue is seen at once, which bounds memory however long it is.

    Attributes:
        longest: utterances; a longer dialogue is cut into windows of so many.
        overlap: utterances at either end of a window that are there as context alone, and predicted by the
            neighbouring window.
    """

    longest: int = 256
    overlap: int = 32

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.overlap < self.longest:
            raise EmofuseError(
                f"a window of {self.longest} utterances has no middle between two overlaps of {self.overlap}; "
                "make it longer, or the overlap smaller"
            )
