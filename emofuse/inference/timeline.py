"""Predictions of a call: a list of segments that can be looked at, tabulated and saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.page_media import EMBEDDED_BYTES, Media

if TYPE_CHECKING:
    import pandas as pd


class EmotionTimeline(list[EmotionSegment]):
    """What a run says of recordings, segment by segment. It is a list, and compares as one.

    Args:
        segments: in order.
        labels: of the run, in its order.
        notes: what a reader of a page must know, a paragraph each.
    """

    def __init__(
        self, segments: Iterable[EmotionSegment] = (), labels: Sequence[str] = (), notes: Sequence[str] = ()
    ) -> None:
        super().__init__(segments)
        self.labels = tuple(labels)
        self.notes = tuple(notes)

    @overload
    def __getitem__(self, place: SupportsIndex) -> EmotionSegment: ...

    @overload
    def __getitem__(self, place: slice) -> EmotionTimeline: ...

    def __getitem__(self, place: SupportsIndex | slice) -> EmotionSegment | EmotionTimeline:
        """One segment, or a part that is such a list too."""
        if isinstance(place, slice):
            return EmotionTimeline(super().__getitem__(place), self.labels, self.notes)
        return super().__getitem__(place)

    def to_frame(self) -> pd.DataFrame:
        """A table, a row for each segment; see :func:`emofuse.inference.timelines.table.segment_frame`."""
        from emofuse.inference.timelines.table import segment_frame

        return segment_frame(self)

    def save(self, file: Path | str) -> Path:
        """Write a file of the format that its suffix says.

        Args:
            file: ends in .html, .vtt, .srt, .ass, .csv, .json, .eaf or .TextGrid.

        Raises:
            EmofuseError: it ends otherwise, cannot be written, or the format holds one recording and these are several.
        """
        from emofuse.inference.timelines.save import PAGES, save_segments

        if Path(file).suffix.lower() in PAGES:
            return self.save_page(file)
        return save_segments(self, file, self.labels)

    def save_page(
        self,
        file: Path | str,
        *,
        media: Media = "auto",
        embed_bytes: int = EMBEDDED_BYTES,
        title: str | None = None,
    ) -> Path:
        """Write the page that plays the recordings beside their emotions.

        Args:
            file: ends in .html.
            media: ``"embed"`` puts the recordings into the page, ``"link"`` refers to them by a relative path,
                ``"auto"`` embeds what is small and links the rest, ``"none"`` leaves them out.
            embed_bytes: how much ``"auto"`` puts into the page.
            title: by default the recording's name.

        Raises:
            EmofuseError: there is nothing to show, more than a page can hold, or the file cannot be written.
        """
        from emofuse.inference.timelines.save import save_page

        return save_page(
            self,
            file,
            media=media,
            embed_bytes=embed_bytes,
            labels=self.labels,
            title=title,
            notes=self.notes,
        )

    def _repr_html_(self) -> str:
        """A table, as a notebook shows it."""
        from emofuse.inference.timelines.notebook import notebook_table

        return notebook_table(self)
