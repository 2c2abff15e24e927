"""Which pictures of a clip an encoder asks for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureSampling:
    """Which pictures of a clip are taken, and how large. Give ``frames`` or ``rate``, ``size`` or ``longest``.

    Attributes:
        frames: how many, evenly spread.
        rate: how many per second, evenly spread; at least one.
        size: (height, width) in pixels that they are stretched to, whatever their shape.
        longest: pixels that a larger picture's longer side is reduced to, its shape kept.
    """

    frames: int | None = None
    rate: float | None = None
    size: tuple[int, int] | None = None
    longest: int | None = None

    def __post_init__(self) -> None:
        if (self.frames is None) == (self.rate is None) or (self.size is None) == (self.longest is None):
            raise ValueError(f"either frames or rate, and either size or longest: {self}")
