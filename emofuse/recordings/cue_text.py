"""What a cue of subtitles says, and who says it: without markup, music and sounds."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_OVERRIDE = re.compile(r"\{[^{}]*\}")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]+)>")
_TAG = re.compile(r"</?[A-Za-z0-9:.][^<>]*>")
_MUSIC = "♪♫♩♬"
# Sounds and manners stand in brackets: [laughs], (door slams). Not further than a line, or the cue's end.
_SOUND = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|【[^【】]*】|\*[^*\n]+\*")
# Styles of ASS that show what nobody says: signs, translators' notes, songs that are sung along.
_UNSPOKEN_STYLE = re.compile(
    r"(?:^|[\W_])(?:signs?|songs?|lyrics?|karaoke|kara|(?-i:OP|ED)|opening|ending|credits?|titles?|notes?|tn|typeset(?:ting)?)"
    r"\d*(?:$|[\W_])",
    re.I,
)
_SPACES = re.compile(r"\s+")
_DASH = re.compile(r"^\s*(?:[-–—‐]+(?=\s*\S)|>>+)\s*")
# A name is one to four words of letters, with what titles and extras have beside them: "DR. O'NEIL:", "MAN #2:".
_WORD = r"(?:[^\W\d_][\w.'’&-]*|#?\d+)"
_LABEL = re.compile(rf"^\s*((?:[^\W\d_][\w.'’&-]*)(?:\s+{_WORD}){{0,3}})\s*:(?=\s|$)\s*")
_BRACKETED = re.compile(r"^\s*[\[(]\s*([^\[\]():]{1,40})\s*[\])]\s*:\s*")
_LONGEST_NAME = 40
_SEEN_AT_LEAST = 2
"""Times that "Ross:" must begin a line to be a name; "ROSS:" is one at once."""


@dataclass(frozen=True)
class CuePart:
    """One person's part of a cue."""

    speaker: str | None
    text: str


def plain_lines(raw: str) -> list[tuple[str | None, str]]:
    """The lines of a cue without markup, each with the name in a ``<v Name>`` before it.

    Args:
        raw: as the file has it, with ``\\N`` or line ends between the lines, tags of HTML, WebVTT or ASS.
    """
    text = raw.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    text = _OVERRIDE.sub("", text)
    lines: list[tuple[str | None, str]] = []
    for line in text.split("\n"):
        voice: str | None = None
        # re.split with one group gives text, name, text, name, text ...
        for place, part in enumerate(_VOICE.split(line)):
            if place % 2:
                voice = _SPACES.sub(" ", html.unescape(part)).strip() or None
                continue
            plain = html.unescape(_TAG.sub("", part)).replace("\u200b", "").replace("\ufeff", "")
            if plain.strip():
                lines.append((voice, _SPACES.sub(" ", plain).strip()))
    return lines


def spoken_parts(lines: Sequence[tuple[str | None, str]], names: frozenset[str]) -> list[CuePart]:
    """Who says what in a cue: one part, or several where dashes or names begin lines.

    Music and sounds are left out; a cue of nothing else has no parts.

    Args:
        lines: as :func:`plain_lines` gives them.
        names: of speakers that :func:`names_of` knows, for those that are not written in capitals.
    """
    parts: list[CuePart] = []
    several = sum(bool(_DASH.match(line)) for _, line in lines) > 1
    sounds_open = music_open = False
    for voice, line in lines:
        marks = sum(line.count(mark) for mark in _MUSIC)
        is_music = marks > 0 or music_open
        music_open = music_open != bool(marks % 2)  # a song over several lines has its marks at both ends
        if is_music or line == "#":
            continue
        bare, sounds_open = _without_sounds(line, sounds_open)
        dashed = _DASH.match(bare) is not None
        bare = _DASH.sub("", bare)
        speaker, bare = _speaker_of(bare, names)
        speaker = speaker or voice
        bare = _SPACES.sub(" ", bare).strip()
        begins = speaker is not None or (dashed and several)
        if parts and not begins:
            parts[-1] = CuePart(parts[-1].speaker, f"{parts[-1].text} {bare}".strip())
        elif bare or speaker is not None:
            parts.append(CuePart(speaker, bare))
    return [part for part in parts if any(character.isalnum() for character in part.text)]


def is_spoken_style(style: str | None) -> bool:
    """Whether a style of ASS is of what is spoken, as its name says: ``Sign`` and ``OP Romaji`` are not."""
    return style is None or _UNSPOKEN_STYLE.search(style) is None


def names_of(cues: Iterable[Sequence[tuple[str | None, str]]]) -> frozenset[str]:
    """Names that begin lines of a recording often enough to be names, such as "Ross" in "Ross: Hi."."""
    counts: Counter[str] = Counter()
    for lines in cues:
        for _, line in lines:
            match = _LABEL.match(_DASH.sub("", _SOUND.sub("", line)))
            if match and _is_title_case(match[1]):
                counts[match[1]] += 1
    return frozenset(name for name, count in counts.items() if count >= _SEEN_AT_LEAST)


def _without_sounds(line: str, is_open: bool) -> tuple[str, bool]:
    """A line without what is in brackets, also where those began in an earlier line, and whether they go on."""
    label = _BRACKETED.match(line)
    if label:
        line = f"{label[1]}: {line[label.end() :]}"
    if is_open:
        close = re.search(r"[\])]", line)
        if close is None:
            return "", True
        line = line[close.end() :]
    line = re.sub(r" +(?=[.,!?;:…])", "", _SOUND.sub(" ", line)) if _SOUND.search(line) else line
    opened = re.search(r"[\[(]", line)
    return (line, False) if opened is None else (line[: opened.start()], True)


def _speaker_of(line: str, names: frozenset[str]) -> tuple[str | None, str]:
    match = _LABEL.match(line)
    if match is None or len(match[1]) > _LONGEST_NAME:
        return None, line
    name = match[1]
    if _is_capitals(name) or name in names:
        return name, line[match.end() :]
    return None, line


def _is_capitals(name: str) -> bool:
    """ "ROSS", "DR. O'NEIL" and "McCOY", but not "I"."""
    letters = [character for character in name.replace("Mc", "MC") if character.isalpha()]
    return len(letters) > 1 and all(character.isupper() for character in letters)


def _is_title_case(name: str) -> bool:
    return all(word[0].isupper() or not word[0].isalpha() for word in name.split())
