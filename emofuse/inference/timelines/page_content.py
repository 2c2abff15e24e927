"""What stands on a page of emotions over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from emofuse.data import Modality
from emofuse.data.face_place import seen_in_words
from emofuse.data.wording import counted
from emofuse.evaluation.reporting.figures.style import emotion_colours, readable_text_colour
from emofuse.inference.segments import EmotionSegment, set_in_words
from emofuse.inference.timelines.lanes import by_recording, span_of, speaker_lanes
from emofuse.inference.timelines.page_media import PageMedia
from emofuse.inference.timelines.words import NO_PREDICTION, amount, clock, label_and_amount, percent, signed

_MIDDLE_WIDTH = (
    76.0  # CSS pixels in which a word such as "surprise" is read; the middle segment has them at first
)
_UNPREDICTED = "#9a9a9a"  # the colour of what has no emotion
_WIDEST = 60_000.0  # CSS pixels of a whole recording


@dataclass(frozen=True)
class Share:
    """The probability of one emotion."""

    label: str
    text: str
    part: float
    colour: str


@dataclass(frozen=True)
class ModalityOpinion:
    """What one modality says without the others."""

    modality: Modality
    says: str
    disagrees: bool


@dataclass(frozen=True)
class PageUtterance:
    """A segment as the page shows it.

    Attributes:
        key: names it within the page.
        start: seconds, None where nothing says when it was.
        length: seconds.
        clock: where it begins and ends, in words.
        remarks: what the run could not use, what is unlike its training, and the like; a line each.
    """

    key: str
    start: float | None
    length: float
    clock: str
    speaker: str
    text: str
    label: str
    amount: str
    colour: str
    ink: str
    shares: tuple[Share, ...]
    alone: tuple[ModalityOpinion, ...]
    used: str
    remarks: tuple[str, ...]

    @property
    def spoken(self) -> str:
        """All of it in a sentence, for a screen reader."""
        who = f"{self.speaker}: " if self.speaker else ""
        said = f", “{self.text}”" if self.text else ""
        return f"{self.clock}, {who}{self.label} {self.amount}{said}".strip()


@dataclass(frozen=True)
class PageLane:
    """The utterances of a speaker, in rows that do not overlap."""

    speaker: str
    rows: tuple[tuple[PageUtterance, ...], ...]

    @property
    def count(self) -> str:
        """How many there are."""
        return counted(sum(map(len, self.rows)), "utterance")


@dataclass(frozen=True)
class PageRecording:
    """One recording: its player, its lanes and its table.

    Attributes:
        key: names it within the page.
        seconds: until the last utterance ends.
        scale: CSS pixels of a second, at first.
        summary: how often each emotion, in words.
        labels: the columns of probabilities.
    """

    key: str
    name: str
    media: PageMedia | None
    seconds: float
    scale: float
    summary: str
    labels: tuple[str, ...]
    lanes: tuple[PageLane, ...]
    utterances: tuple[PageUtterance, ...]

    @property
    def has_text(self) -> bool:
        """Whether anything was said."""
        return any(u.text for u in self.utterances)

    @property
    def has_speakers(self) -> bool:
        """Whether anybody is named."""
        return any(u.speaker for u in self.utterances)

    @property
    def has_alone(self) -> bool:
        """Whether modalities were asked one by one."""
        return any(u.alone for u in self.utterances)

    @property
    def has_remarks(self) -> bool:
        """Whether there is anything to remark."""
        return any(u.remarks for u in self.utterances)


def page_recordings(
    segments: Sequence[EmotionSegment], media: Mapping[str, PageMedia], labels: Sequence[str] = ()
) -> list[PageRecording]:
    """The content of a page, recording by recording.

    Args:
        segments: of one or several recordings, or of texts alone.
        media: recording → how it is played.
        labels: of the run; those of the segments come along.
    """
    names = [name for s in segments for name in (s.label, *s.probabilities) if name is not None]
    order = list(dict.fromkeys([*labels, *names]))
    colours = emotion_colours(order)
    return [
        _recording(f"r{i}", recording, group, media.get(recording or ""), order, colours)
        for i, (recording, group) in enumerate(by_recording(segments).items())
    ]


def _recording(
    key: str,
    recording: str | None,
    segments: Sequence[EmotionSegment],
    media: PageMedia | None,
    order: Sequence[str],
    colours: Mapping[str, str],
) -> PageRecording:
    known = {name for s in segments for name in s.probabilities}
    labels = tuple(name for name in order if name in known)
    utterances = tuple(_utterance(f"{key}u{i}", s, labels, colours) for i, s in enumerate(segments))
    placed = [i for i, s in enumerate(segments) if s.end is not None]
    lanes = speaker_lanes([segments[i] for i in placed])
    spans = [span_of(segments[i]) for i in placed]
    seconds = max((end for _, end in spans), default=0.0)
    name = (media.name if media is not None else None) or (
        Path(recording).name if recording else "words alone"
    )
    return PageRecording(
        key=key,
        name=name,
        media=media,
        seconds=seconds,
        scale=_scale([end - start for start, end in spans], seconds),
        summary=_summary(segments, order),
        labels=labels,
        lanes=tuple(
            PageLane(
                lane.speaker or "",
                tuple(tuple(utterances[placed[i]] for i in row) for row in lane.rows),
            )
            for lane in lanes
        ),
        utterances=utterances,
    )


def _scale(lengths: Sequence[float], seconds: float) -> float:
    if not lengths:
        return 1.0
    return round(min(_MIDDLE_WIDTH / median(lengths), _WIDEST / seconds), 3)


def _summary(segments: Sequence[EmotionSegment], order: Sequence[str]) -> str:
    counts = [(label, sum(s.label == label for s in segments)) for label in order]
    counts = [
        *sorted(counts, key=lambda pair: -pair[1]),
        (NO_PREDICTION, sum(s.label is None for s in segments)),
    ]
    said = ", ".join(f"{label} {n}" for label, n in counts if n)
    return f"{counted(len(segments), 'utterance')}: {said}"


def _utterance(
    key: str, s: EmotionSegment, labels: Sequence[str], colours: Mapping[str, str]
) -> PageUtterance:
    start, end = span_of(s) if s.end is not None else (None, None)
    colour = _UNPREDICTED if s.label is None else colours[s.label]
    return PageUtterance(
        key=key,
        start=start,
        length=end - start if start is not None and end is not None else 0.0,
        clock=f"{clock(start)} – {clock(end)}" if start is not None and end is not None else "",
        speaker=s.speaker or "",
        text=s.text or "",
        label=s.label or NO_PREDICTION,
        amount=amount(s),
        colour=colour,
        ink=readable_text_colour(colour),
        shares=tuple(
            Share(
                label,
                percent(s.probabilities.get(label, 0.0)) if s.label is not None else "",
                s.probabilities.get(label, 0.0),
                colours[label],
            )
            for label in labels
        ),
        alone=tuple(_alone(s)),
        used=", ".join(s.used) or "nothing",
        remarks=tuple(_remarks(s)),
    )


def _alone(s: EmotionSegment) -> Iterator[ModalityOpinion]:
    for modality, says in s.by_modality.items():
        if not says:
            continue
        best = max(says, key=lambda label: says[label])
        said = signed(says[best]) if s.value is not None else f"{best} {percent(says[best])}"
        yield ModalityOpinion(modality, said, s.value is None and best != s.label)


def _remarks(s: EmotionSegment) -> Iterator[str]:
    if seen := seen_in_words(s.face, s.listeners):
        yield seen
    if s.label_set:
        yield set_in_words(s.label_set)
    for modality in s.unfamiliar:
        yield f"{modality} is unlike anything in training ({s.novelty[modality]:.1f} times the usual), so this is a guess"
    yield from (f"without {modality}: {why}" for modality, why in s.missing.items())
    yield from (f"{modality}: {note}" for modality, note in s.notes.items())


def page_title(segments: Sequence[EmotionSegment], recordings: Sequence[PageRecording]) -> str:
    """The title of a page that was given none."""
    if len(recordings) == 1:
        return recordings[0].name
    return counted(len(recordings), "recording") if recordings else "no recording"


__all__ = ["PageRecording", "PageUtterance", "label_and_amount", "page_recordings", "page_title"]
