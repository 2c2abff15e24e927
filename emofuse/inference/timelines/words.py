"""Times and predictions in words, the same in every format."""

from __future__ import annotations

from emofuse.inference.segments import EmotionSegment

NO_PREDICTION = "no prediction"


def clock(seconds: float) -> str:
    """``0:07.5``, ``12:07.5`` or ``1:02:07.5``."""
    tenths = round(10 * max(0.0, seconds))
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    ending = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{ending}" if hours else f"{minutes}:{ending}"


def amount(segment: EmotionSegment) -> str:
    """How probable the label is (``81 %``); of a run that predicts values, the value (``+0.52``)."""
    if segment.value is not None:
        return signed(segment.value)
    share = None if segment.label is None else segment.probabilities.get(segment.label)
    return "" if share is None else percent(share)


def label_and_amount(segment: EmotionSegment) -> str:
    """``joy 81 %``, or that there is no prediction."""
    return f"{segment.label or NO_PREDICTION} {amount(segment)}".strip()


def percent(share: float) -> str:
    """``81 %``."""
    return f"{100 * share:.0f} %"


def signed(value: float) -> str:
    """``+0.52``."""
    return f"{value:+.2f}".replace("-", "−")
