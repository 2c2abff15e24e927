"""What a live stream answers: one JSON object for each event."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from emofuse.app.live.session import HeardCut
from emofuse.app.schemas import RunDescription, Segment


class Ready(BaseModel):
    """The run is loaded; sound that came before was kept."""

    event: Literal["ready"] = "ready"
    run: RunDescription


class Speech(BaseModel):
    """Somebody has begun to speak."""

    event: Literal["speech"] = "speech"
    start: float = Field(description="seconds of the stream")


class UtteranceLatency(BaseModel):
    """Seconds from the end of an utterance to its answer."""

    pause: float = Field(description="silence until it was known to have ended")
    answer: float = Field(description="from then on")
    total: float


class SpokenUtterance(BaseModel):
    """An utterance has ended, and this is its emotion."""

    event: Literal["utterance"] = "utterance"
    number: int
    start: float = Field(description="seconds of the stream")
    end: float
    label: str | None = Field(description="null where nothing could be used")
    probabilities: dict[str, float]
    value: float | None = None
    used: list[str] = []
    unfamiliar: list[str] = []
    missing: dict[str, str] = {}
    latency: UtteranceLatency


class Lost(BaseModel):
    """Sound or an utterance was left out, because the answers do not keep up."""

    event: Literal["lost"] = "lost"
    seconds: float


class Failed(BaseModel):
    """An utterance could not be answered; the stream goes on."""

    event: Literal["failed"] = "failed"
    number: int
    detail: str


class Refused(BaseModel):
    """A picture was left out; the stream goes on."""

    event: Literal["refused"] = "refused"
    detail: str


class Ended(BaseModel):
    """Nothing comes after this."""

    event: Literal["end"] = "end"
    seconds: float
    utterances: int


def spoken(heard: HeardCut, segment: Segment, *, saw: bool = False) -> SpokenUtterance:
    """The event of an answer that is there now; ``saw`` where the stream had pictures."""
    latency = heard.latency()
    return SpokenUtterance(
        number=heard.number,
        start=round(heard.cut.start, 3),
        end=round(heard.cut.end, 3),
        label=segment.label,
        probabilities=segment.probabilities,
        value=segment.value,
        unfamiliar=segment.unfamiliar,
        used=segment.used,
        missing={m: why for m, why in segment.missing.items() if m == "audio" or (saw and m == "video")},
        latency=UtteranceLatency(
            pause=round(latency.pause, 4), answer=round(latency.answer, 4), total=round(latency.total, 4)
        ),
    )
