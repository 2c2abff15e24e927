"""Write predictions as a file of the format that its suffix says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from emofuse.data.atomic import write_text_aside
from emofuse.data.output_paths import check_new_file
from emofuse.errors import EmofuseError
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.lanes import by_recording
from emofuse.inference.timelines.page_media import EMBEDDED_BYTES, Media

SUBTITLES = (".vtt", ".srt", ".ass")
TABLES = (".csv", ".json")
TIERS = (".eaf", ".textgrid")
PAGES = (".html", ".htm")

Render = Callable[[Sequence[EmotionSegment], Path, Sequence[str]], str]


def save_segments(segments: Sequence[EmotionSegment], file: Path | str, labels: Sequence[str] = ()) -> Path:
    """Write predictions in the format that the suffix says; a page is written as :func:`save_page` does by default.

    Args:
        segments: of one recording for subtitles and tiers, else of any number.
        file: ends in .html, .vtt, .srt, .ass, .csv, .json, .eaf or .TextGrid; written aside and renamed.
        labels: of the run.

    Raises:
        EmofuseError: the suffix is none of these, the file cannot be written, or the format cannot hold what is given.
    """
    path = Path(file)
    if path.suffix.lower() in PAGES:
        return save_page(segments, path, labels=labels)
    check_suffix(path, (*PAGES, *_RENDERED))
    check_new_file(path)
    write_text_aside(path, _RENDERED[path.suffix.lower()](segments, path, labels))
    return path


def save_page(
    segments: Sequence[EmotionSegment],
    file: Path | str,
    *,
    media: Media = "auto",
    embed_bytes: int = EMBEDDED_BYTES,
    labels: Sequence[str] = (),
    title: str | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the page that plays the recordings beside their emotions.

    Args:
        segments: of one or several recordings.
        file: written aside and renamed.
        media: whether recordings are within the page, as in
            :func:`emofuse.inference.timelines.page_media.media_of_page`.
        embed_bytes: how much ``"auto"`` puts into the page.
        labels: of the run.
        title: of the page.
        notes: what the reader must know, a paragraph each.

    Raises:
        EmofuseError: there is nothing to show, more than a page can hold, or the file cannot be written.
    """
    from emofuse.inference.timelines.page import timeline_page
    from emofuse.inference.timelines.page_media import media_of_page

    path = Path(file)
    check_suffix(path, PAGES)
    check_new_file(path)
    recordings = [name for name in by_recording(segments) if name is not None]
    played = media_of_page(recordings, path, media, embed_bytes)
    write_text_aside(path, timeline_page(segments, played, labels=labels, title=title, notes=notes))
    return path


def check_suffix(file: Path, suffixes: Sequence[str]) -> None:
    """See that a file's name says a format that can be written.

    Raises:
        EmofuseError: it says another, or none.
    """
    if file.suffix.lower() not in suffixes:
        raise EmofuseError(
            f"{file}: the name says in which format it is written; let it end in {', '.join(map(_spelled, suffixes))}"
        )


def _spelled(suffix: str) -> str:
    return ".TextGrid" if suffix == ".textgrid" else suffix


# Each format is imported where it is written: their libraries need not be loaded for the others.


def _subtitles(segments: Sequence[EmotionSegment], file: Path, labels: Sequence[str]) -> str:
    from emofuse.inference.timelines.subtitles import Form, subtitle_text

    forms: dict[str, Form] = {".vtt": "vtt", ".srt": "srt", ".ass": "ass"}
    return subtitle_text(segments, forms[file.suffix.lower()])


def _csv(segments: Sequence[EmotionSegment], file: Path, labels: Sequence[str]) -> str:
    from emofuse.inference.timelines.table import segment_csv

    return segment_csv(segments)


def _json(segments: Sequence[EmotionSegment], file: Path, labels: Sequence[str]) -> str:
    from emofuse.inference.timelines.table import segment_json

    return segment_json(segments) + "\n"


def _elan(segments: Sequence[EmotionSegment], file: Path, labels: Sequence[str]) -> str:
    from emofuse.inference.timelines.elan import elan_text

    return elan_text(segments, file, labels)


def _textgrid(segments: Sequence[EmotionSegment], file: Path, labels: Sequence[str]) -> str:
    from emofuse.inference.timelines.praat import textgrid_text

    return textgrid_text(segments)


_RENDERED: Mapping[str, Render] = MappingProxyType(
    {
        **dict.fromkeys(SUBTITLES, _subtitles),
        ".csv": _csv,
        ".json": _json,
        ".eaf": _elan,
        ".textgrid": _textgrid,
    }
)
