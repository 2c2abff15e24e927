"""A raw clip as utterances: whole, in segments, and with what was said before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from emofuse.data.media import probe
from emofuse.data.utterance import Utterance
from emofuse.data.wording import shown
from emofuse.errors import EmofuseError

# More than a day in seconds; a slip of the pen asks for billions, which fill the memory.
MOST_SEGMENTS = 100_000


def clip_utterance(
    media: Path | str | None,
    *,
    text: str | None = None,
    audio: Path | str | None = None,
    speaker: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> tuple[Utterance, float | None]:
    """A clip as an utterance, and how long its recording is in seconds, where that is known.

    Args:
        media: a video or sound file.
        text: what is said in it.
        audio: a separate sound file.
        speaker: who speaks.
        start: seconds, the beginning of the utterance in ``media``.
        end: seconds, its end.

    Raises:
        EmofuseError: there is nothing at all, a file cannot be read, or the utterance does not end after it begins.
    """
    text = words_of(text)
    check_times(start, end)
    if media is None and audio is None and text is None:
        raise EmofuseError("nothing to predict from: give a video or sound file, or a text")
    path = Path(media) if media is not None else None
    sound = Path(audio) if audio is not None else None
    file = path or sound
    info = probe(file) if file is not None else None
    # A sound that is named beside a clip is looked at too: a misspelt name is no clip without sound.
    of_sound = info if path is None else None if sound is None else probe(sound)
    if of_sound is not None and not of_sound.has_audio:
        raise EmofuseError(f"{sound}: holds no sound; leave it out, or name another file")
    length = info.duration if info is not None else None
    if start is not None and length is not None and start >= length:
        raise EmofuseError(f"{file}: ends at {length:.2f} s, and start is {start:g} s; name an earlier start")
    recording = Utterance(
        id=shown(file.name) if file is not None else "text",
        dialogue=shown(file.stem) if file is not None else "text",
        turn=0,
        speaker=speaker,
        text=text,
        video=path if info is not None and info.has_video else None,
        audio=sound or (path if info is not None and info.has_audio else None),
        start=start,
        end=end,
        label=None,
        valence=None,
        split=None,
        group=None,
    )
    return recording, length


def words_of(text: str | None) -> str | None:
    """What is said; None for blank words, such as a script's empty variable gives."""
    return (text or "").strip() or None


def check_times(start: float | None, end: float | None, named: Callable[[str], str] = str) -> None:
    """See that an utterance ends after it begins.

    Args:
        start: seconds.
        end: likewise.
        named: how the message calls either.

    Raises:
        EmofuseError: it does not.
    """
    if end is not None and end <= (start or 0.0):
        begins = f"{named('start')} is {start or 0.0:g} s"
        raise EmofuseError(
            f"{named('end')} is {end:g} s, and {begins}: the utterance must end after it begins"
        )


def check_every(every: float | None, named: str = "every") -> None:
    """See that segments have a length.

    Raises:
        EmofuseError: they have none.
    """
    if every is not None and not every > 0:
        raise EmofuseError(f"{named}: a segment has a length above 0 seconds, not {every:g}")


def recording_of(utterance: Utterance) -> Path | None:
    """The file in which its seconds are counted; None for text alone."""
    return utterance.video or utterance.audio


def ends_of(utterances: Sequence[Utterance]) -> list[float | None]:
    """Where each utterance ends, in seconds; with its recording where nothing else is said."""
    lengths: dict[Path, float | None] = {}
    ends = []
    for utterance in utterances:
        file, end = recording_of(utterance), utterance.end
        if end is None and file is not None:
            if file not in lengths:
                lengths[file] = _length(file)
            end = lengths[file]
        ends.append(end)
    return ends


def _length(file: Path) -> float | None:
    """Seconds of a recording; None for one that cannot be read, which is reported where it is decoded."""
    try:
        return probe(file).duration
    except EmofuseError:
        return None


def fixed_length_segments(
    recording: Utterance,
    duration: float | None,
    every: float | None,
    *,
    most: int = MOST_SEGMENTS,
    named: Callable[[str], str] = str,
) -> list[Utterance]:
    """Cut an utterance into segments of ``every`` seconds; a last one under half of that joins its neighbour.

    Args:
        recording: what is cut; its end counts no further than the recording goes.
        duration: seconds of the recording; None where that is not known.
        every: seconds; None for the utterance as it is.
        most: segments that there may be.
        named: how a message calls an argument.

    Raises:
        EmofuseError: ``every`` is no length, nothing says where the last segment ends, there would be too many, or
            the recording's words are given, of which nobody knows in which segment they are said.
    """
    check_every(every, named("every"))
    if every is None:
        return [recording]
    ends = [end for end in (recording.end, duration) if end is not None]
    if not ends:
        raise EmofuseError(f"{named('every')}: nothing says how long the recording is; give start and end")
    first, last = recording.start or 0.0, min(ends)
    if not (last - first) / every <= most:
        raise EmofuseError(
            f"{named('every')}: {every:g} s would cut {recording_of(recording) or recording.id} into more than {most} segments; "
            "give longer ones"
        )
    count = max(1, round((last - first) / every))
    if count > 1 and recording.text is not None and recording_of(recording) is not None:
        raise EmofuseError(
            f"{named('every')}: the words of {named('text')} would count as said in each of {count} segments; leave one of the "
            f"two out, or let {named('segment')} find utterances and their words"
        )
    edges = np.linspace(first, last, count + 1) if count == 1 else first + every * np.arange(count + 1)
    edges[-1] = last
    return [
        replace(recording, id=f"{recording.id}#{i}", turn=i, start=float(a), end=float(b))
        for i, (a, b) in enumerate(pairwise(edges))
    ]


def context_utterances(utterance: Utterance, context: Sequence[str]) -> list[Utterance]:
    """What was said before an utterance, oldest first, as turns of its dialogue that have words alone; nothing blank."""
    context = [text for text in context if words_of(text)]
    return [
        replace(
            utterance,
            id=f"{utterance.id}, {len(context) - i} before",
            turn=(utterance.turn or 0) - len(context) + i,
            speaker=None,
            text=text,
            video=None,
            audio=None,
            start=None,
            end=None,
        )
        for i, text in enumerate(context)
    ]
