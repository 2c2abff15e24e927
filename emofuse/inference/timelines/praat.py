"""TextGrids of Praat, https://www.praat.org."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pympi import TextGrid

from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.tiers import annotation_tiers


def textgrid_text(segments: Sequence[EmotionSegment]) -> str:
    """Interval tiers for each speaker, from 0 to the end of the last utterance.

    Args:
        segments: of one recording, each with an end.

    Raises:
        EmofuseError: they are of several recordings, or nothing says when one was said.
    """
    tiers = annotation_tiers(segments, "a TextGrid")
    end = max(tier.annotations[-1].end for tier in tiers)
    grid = TextGrid(xmin=0.0, xmax=end / 1000)
    for tier in tiers:
        intervals = grid.add_tier(tier.name.replace('"', '""'))  # the library quotes texts, and no names
        for each in tier.annotations:
            # Tiers do not overlap; the library's own check would look at each pair.
            intervals.add_interval(each.start / 1000, each.end / 1000, each.value, check=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "grid"
        grid.to_file(str(file))
        return file.read_text(encoding="utf-8")
