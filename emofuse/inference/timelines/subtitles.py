"""Subtitles that say the emotion of each utterance: WebVTT, SubRip and Advanced SubStation Alpha.

What was said goes in as words alone. No tag, no style and no second cue comes of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Literal

from pysubs2 import Color, SSAEvent, SSAFile, SSAStyle

from emofuse.evaluation.reporting.figures.style import emotion_colours
from emofuse.evaluation.reporting.printable import printable
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timelines.lanes import only_recording, span_of
from emofuse.inference.timelines.words import label_and_amount

Form = Literal["vtt", "srt", "ass"]
_JOINER = "\u2060"  # takes no room, and keeps what stands around it from being one sign
_TIME = re.compile(r"(\d):(?=\d\d[:.,])")
_SHORTEST = 10  # milliseconds; the formats count hundredths or thousandths of a second


def subtitle_text(segments: Sequence[EmotionSegment], form: Form) -> str:
    """A subtitle file: a cue for each utterance, with who said it, the words, and the emotion in brackets.

    Args:
        segments: of one recording, each with an end.
        form: the format; in ``"ass"`` each emotion has a style in its colour.

    Raises:
        EmofuseError: they are of several recordings, or nothing says when one was said.
    """
    only_recording(segments, "subtitles")
    subs = SSAFile()
    subs.info["Title"] = "emofuse"
    styles = _styles(sorted({s.label for s in segments if s.label is not None}))
    subs.styles |= dict(styles.values())
    for segment in sorted(segments, key=lambda s: s.start):
        start, end = (round(1000 * seconds) for seconds in span_of(segment))
        subs.events.append(
            SSAEvent(
                start=start,
                end=max(end, start + _SHORTEST),
                text=_cue(segment, form),
                name=printable(segment.speaker).replace(",", " "),
                style=styles[segment.label][0] if form == "ass" and segment.label else "Default",
            )
        )
    # Tags are left as they are, since there is none: with them translated, a brace would swallow words.
    return subs.to_string(form) if form == "ass" else subs.to_string(form, keep_ssa_tags=True)


def _cue(segment: EmotionSegment, form: Form) -> str:
    says = f"[{_inert(label_and_amount(segment), form)}]"
    said, who = _inert(segment.text, form), _inert(segment.speaker, form)
    if not said:
        return f"{who}: {says}" if who else says
    if who and form == "vtt":
        return f"<v {who}>{said}\\N{says}"
    return f"{who}: {said}\\N{says}" if who else f"{said}\\N{says}"


def _inert(text: str | None, form: Form) -> str:
    """One line in which nothing is a sign of the format."""
    line = printable(text).replace("\\", f"\\{_JOINER}")
    line = _TIME.sub(
        rf"\1:{_JOINER}", line
    )  # some readers take any line with two times for the head of a cue
    if form == "vtt":
        return escape(line, quote=False)
    if form == "srt":
        return re.sub(r"[<{]", rf"\g<0>{_JOINER}", line).replace("-->", f"--{_JOINER}>")
    return line.replace("{", "(").replace("}", ")")


def _styles(labels: Sequence[str]) -> dict[str, tuple[str, SSAStyle]]:
    """Label → name and style: white words in a border of the emotion's colour, since the words must be read on any picture."""
    colours = emotion_colours(labels)
    found = {}
    for number, label in enumerate(labels):
        red, green, blue = (int(colours[label][i : i + 2], 16) for i in (1, 3, 5))
        word = re.sub(r"\W+", " ", printable(label)).strip()
        style = SSAStyle(outlinecolor=Color(red, green, blue), outline=3.0, shadow=0.0)
        found[label] = (f"emotion {number} {word}".strip(), style)
    return found
