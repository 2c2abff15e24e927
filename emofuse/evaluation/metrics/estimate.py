"""A number with what is known about its uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

MISSING = "–"


@dataclass(frozen=True)
class Estimate:
    """A score and its 95 % interval.

    Attributes:
        value: the score; NaN where it is not defined.
        low: lower end of the interval, None when there is none.
        high: upper end of the interval, None when there is none.
        sd: standard deviation over folds or seeds, for a mean of several runs; it is not an interval, and the
            mean may have one besides.
        share: the score is a part of one (accuracy, F1) and is shown in percent; otherwise it is shown
            as it is (a mean absolute error).
    """

    value: float
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    share: bool = True

    @classmethod
    def of(cls, value: float, interval: tuple[float, float] | None = None, *, share: bool = True) -> Estimate:
        """Join a score and a (low, high) pair, dropping an interval that is not finite."""
        low, high = interval if interval is not None else (math.nan, math.nan)
        if not (math.isfinite(low) and math.isfinite(high)):
            return cls(float(value), share=share)
        return cls(float(value), float(low), float(high), share=share)

    @property
    def defined(self) -> bool:
        """Whether there is a number at all."""
        return math.isfinite(self.value)

    @property
    def whisker(self) -> tuple[float, float] | None:
        """Ends of the interval, or one standard deviation to either side; None where neither is known."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if self.sd is None or not math.isfinite(self.sd):
            return None
        return self.value - self.sd, self.value + self.sd

    def value_text(self) -> str:
        """The score alone, e.g. ``72.4`` (percent) or ``0.713``."""
        return self._show(self.value)

    def spread_text(self) -> str:
        """What is known of the uncertainty: ``69.1 to 75.5``, ``± 1.3`` or both; empty when nothing is."""
        return ", ".join(part for part in (self._sd_text(), self._interval_text()) if part)

    def text(self) -> str:
        """The score with all that is known: ``72.4 (69.1 to 75.5)``, ``72.4 ± 1.3``, ``72.4 ± 1.3 (69.1 to 75.5)``."""
        interval = f"({self._interval_text()})" if self._interval_text() else ""
        return " ".join(part for part in (self.value_text(), self._sd_text(), interval) if part)

    def _sd_text(self) -> str:
        return f"± {self._show(self.sd)}" if self.sd is not None and math.isfinite(self.sd) else ""

    def _interval_text(self) -> str:
        if self.low is None or self.high is None:
            return ""
        return f"{self._show(self.low)} to {self._show(self.high)}"

    def _show(self, number: float) -> str:
        if not math.isfinite(number):
            return MISSING
        text = f"{100 * number:.1f}" if self.share else f"{number:.3f}"
        return text.replace("-", "−")


def p_text(p: float) -> str:
    """A p-value as it is printed."""
    if not math.isfinite(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
