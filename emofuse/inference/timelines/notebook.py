"""Predictions as a notebook shows them."""

from __future__ import annotations

from collections.abc import Sequence

from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.page import page_environment
from emofuse.inference.timelines.page_content import page_recordings

MOST_ROWS = 60


def notebook_table(segments: Sequence[EmotionSegment]) -> str:
    """A table of at most :data:`MOST_ROWS` segments, in the notebook's own type and colours; no script."""
    shown = segments[:MOST_ROWS]
    return (
        page_environment()
        .get_template("notebook.html.j2")
        .render(recordings=page_recordings(shown, {}), left_out=len(segments) - len(shown))
    )
