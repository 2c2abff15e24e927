"""What `emofuse predict` writes besides what it prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import typer

from emofuse.data.nearest_names import none_of
from emofuse.data.output_paths import check_new_file
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.inference.timeline import EmotionTimeline
    from emofuse.inference.timelines.page_media import Media

_MEDIA = ("auto", "embed", "link", "none")


@dataclass(frozen=True)
class PredictionFiles:
    """The files that were asked for.

    Attributes:
        page: HTML.
        media: how the page plays the recording.
        subtitles: .vtt, .srt, .ass.
        tables: .csv, .json.
        tiers: .eaf, .TextGrid.
    """

    page: Path | None
    media: str | None
    subtitles: tuple[Path, ...]
    tables: tuple[Path, ...]
    tiers: tuple[Path, ...]

    @property
    def any(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.page or self.subtitles or self.tables or self.tiers)

    @property
    def of_one_recording(self) -> tuple[Path, ...]:
        """Those that count the seconds of one recording."""
        return (*self.subtitles, *self.tiers)

    def check(self) -> None:
        """See that each can be written, before the work.

        Raises:
            EmofuseError: a suffix says no format that fits, or a file cannot be written.
        """
        from emofuse.inference.timelines.save import PAGES, SUBTITLES, TABLES, TIERS, check_suffix

        pages = (self.page,) if self.page is not None else ()
        for files, suffixes in (
            (pages, PAGES),
            (self.subtitles, SUBTITLES),
            (self.tables, TABLES),
            (self.tiers, TIERS),
        ):
            for file in files:
                check_suffix(file, suffixes)
                check_new_file(file)
        if self.media is not None and self.page is None:
            raise EmofuseError("--media says how a page plays its recording; it goes with --page or a folder")
        checked_media(self.media)


def checked_media(media: str | None, usual: Literal["auto", "link"] = "auto") -> Media:
    """The way in which pages play recordings.

    Raises:
        EmofuseError: there is no such way.
    """
    if media is not None and media not in _MEDIA:
        raise EmofuseError(none_of("--media", media, _MEDIA))
    return cast("Media", media or usual)


def write_files(timeline: EmotionTimeline, files: PredictionFiles) -> None:
    """Write what was asked for, and name it."""
    written = [timeline.save(file) for file in (*files.subtitles, *files.tables, *files.tiers)]
    if files.page is not None:
        written.append(timeline.save_page(files.page, media=checked_media(files.media)))
    for file in written:
        typer.echo(f"written: {file}", err=True)
