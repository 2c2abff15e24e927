"""Subtitles in files: SubRip, WebVTT, ASS and SSA, read by pysubs2, beside a recording or named."""

from __future__ import annotations

import codecs
import re
import warnings
from pathlib import Path

from emofuse.data.stored_files import stored_bytes
from emofuse.data.text_encoding import decode_text
from emofuse.errors import EmofuseError
from emofuse.recordings.cue_text import is_spoken_style
from emofuse.recordings.cues import Cue
from emofuse.recordings.spoken import BY_SOUND, NoUtteranceError

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")
LARGEST_FILE = 16 << 20  # bytes; a day of subtitles takes less than one of these megabytes
# The library's patterns take time with the square of what they are given at once.
LONGEST_LINE, LONGEST_CUE = 20_000, 20_000
MOST_CUES = 200_000
LAST_SECOND = 360_000.0  # a hundred hours
_TIMING = re.compile(r"^\s*(?:\d{1,4}:)?\d{1,2}:\d{1,2}[.,]\d{1,3}\s*-->")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def subtitles_beside(recording: Path) -> list[Path]:
    """Subtitle files of a recording's own name in its folder, ``film.srt`` before ``film.en.srt``; often none."""
    stem = recording.stem.casefold()
    found = [
        file
        for file in recording.parent.iterdir()
        if file.suffix.lower() in SUFFIXES
        and file != recording
        and file.is_file()
        and _belongs(file.stem, stem)
    ]

    def rank(file: Path) -> tuple[bool, bool, int, str]:
        name = file.stem.casefold()
        return "forced" in name[len(stem) :], name != stem, SUFFIXES.index(file.suffix.lower()), file.name

    return sorted(found, key=rank)


def _belongs(name: str, stem: str) -> bool:
    name = name.casefold()
    return name == stem or name.startswith(f"{stem}.")


def read_subtitles(path: Path, encoding: str | None = None) -> tuple[list[Cue], tuple[str, ...]]:
    """Read the cues of a file, and what had to be done to read its text.

    Args:
        path: .srt, .vtt, .ass or .ssa; the content decides which of them it is.
        encoding: of its text; by default UTF-8 or UTF-16 by its mark, else UTF-8, and Windows-1252 for what is not that.

    Raises:
        NoUtteranceError: no cue is in it, or it is no text in its encoding.
        EmofuseError: the file cannot be read, is no subtitles, or is larger than subtitles are.
    """
    text, notes = _text_of(path, encoding)
    cues = cues_of_text(text, str(path))
    if not cues:
        raise NoUtteranceError(
            f"{path}: no cue of subtitles is in it",
            f"name another file with --subtitles, or {BY_SOUND}",
            by_sound=True,
        )
    return cues, notes


def cues_of_text(text: str, name: str) -> list[Cue]:
    """The cues of subtitles in a string.

    Args:
        text: the whole file.
        name: how messages call it.

    Raises:
        EmofuseError: it is no subtitles.
    """
    import pysubs2

    text = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    if text.lstrip().startswith("WEBVTT"):
        text, kind = _webvtt_cues(text), "vtt"
    elif re.search(r"^\[(?:Script Info|V4\+? Styles|Events)\]", text, flags=re.M | re.I):
        kind = "ass"
    elif any(_TIMING.match(line) for line in text.split("\n")):
        kind = "srt"
    else:
        raise EmofuseError(f"{name}: is no subtitles in SubRip, WebVTT, ASS or SSA")
    _check_lengths(text, name, is_timed=kind != "ass")
    options = {} if kind == "ass" else {"keep_html_tags": True}
    try:
        # The library takes a number at a text's end for that of the next cue; here it is one.
        whole = text if kind == "ass" else f"{text.rstrip()}\n\n0\n"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fields that are not used here
            events = pysubs2.SSAFile.from_string(whole, format_=kind, **options)
    except Exception as error:  # what its parsers raise on garbage is not one kind
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise EmofuseError(f"{name}: cannot be read as subtitles ({reason})") from None
    if len(events) > MOST_CUES:
        raise EmofuseError(f"{name}: has {len(events)} cues; no subtitles have more than {MOST_CUES}")
    return [
        Cue(
            event.start / 1000,
            event.end / 1000,
            event.text,
            _name(event.name),
            kind != "ass" or is_spoken_style(event.style),
        )
        for event in events
        if not event.is_comment and not event.is_drawing and 0 <= event.start / 1000 < LAST_SECOND
    ]


def _text_of(path: Path, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise EmofuseError(f"{path}: has {size >> 20} megabytes; that is too large for subtitles")
        data = stored_bytes(path, "name another file of subtitles", LARGEST_FILE)
    except OSError as error:
        raise EmofuseError(f"{path}: cannot be read ({error.strerror or error})") from None
    if encoding is None and not data.startswith(_UTF16):
        return decode_text(data, path)
    try:
        return data.decode(encoding or "utf-16").removeprefix("\ufeff"), ()
    except LookupError:
        raise EmofuseError(f"{path}: there is no text encoding {encoding!r}; try cp1252 or utf-8") from None
    except UnicodeError:
        raise NoUtteranceError(
            f"{path}: is no text in {encoding or 'UTF-16'}",
            "name another with --encoding of `emofuse segment`",
            by_sound=True,
        ) from None


def _webvtt_cues(text: str) -> str:
    """The cues alone, numbered: without notes, styles, regions and names of cues, which are no text."""
    cues: list[str] = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        timing = next((i for i, line in enumerate(lines[:2]) if _TIMING.match(line)), None)
        if timing is not None:
            cues.append(f"{len(cues) + 1}\n" + "\n".join(lines[timing:]))
    return "WEBVTT\n\n" + "\n\n".join(cues)


def _check_lengths(text: str, name: str, is_timed: bool) -> None:
    since = 0
    for number, line in enumerate(text.split("\n"), 1):
        since = 0 if "-->" in line else since + len(line) + 1
        if len(line) > LONGEST_LINE or (is_timed and since > LONGEST_CUE):
            raise EmofuseError(f"{name} line {number}: is longer than a cue of subtitles can be")


def _name(name: str | None) -> str | None:
    return " ".join(name.split()) or None if name else None
