"""What goes over the wire, with types; the page of the interface's documentation is made of these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emofuse.app.limits import LONGEST_TEXT, MOST_CONTEXT, MOST_EXPLAINED, SHORTEST_SEGMENT
from emofuse.data.face_place import FacePlace

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
SegmentWay = Literal["auto", "subtitles", "asr", "vad"]
SpokenText = Annotated[str, Field(max_length=LONGEST_TEXT)]


class PredictOptions(BaseModel):
    """What is asked of a recording."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: SpokenText | None = Field(default=None, description="what is said in the recording")
    speaker: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="who speaks")
    context: tuple[SpokenText, ...] = Field(
        default=(), max_length=MOST_CONTEXT, description="what was said before, oldest first"
    )
    start: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="seconds, its beginning")
    end: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="seconds, its end")
    every: float | None = Field(
        default=None,
        ge=SHORTEST_SEGMENT,
        allow_inf_nan=False,
        description="one prediction for each segment of so many seconds",
    )
    segment: SegmentWay | None = Field(
        default=None,
        description="find the utterances: by subtitles inside the recording, speech recognition (asr), voice activity (vad), "
        "or what there is (auto)",
    )
    faces: bool = Field(
        default=False,
        description="with segment: look who of those that are seen speaks; encoders of faces then read that face alone",
    )
    coverage: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="name a set of labels that holds the true one in this share of utterances like the corpus's",
    )
    by_modality: bool = Field(default=False, description="say as well what each modality says alone")
    explain: bool = Field(
        default=False,
        description=f"say how much each modality moved the label (Shapley values), of the first {MOST_EXPLAINED} segments",
    )

    @model_validator(mode="after")
    def _check_together(self) -> PredictOptions:
        if self.end is not None and self.end <= (self.start or 0.0):
            raise ValueError("end: the utterance must end after it starts")
        given = (self.text, self.speaker, self.start, self.end, self.every, *self.context)
        if self.segment is not None and any(one is not None for one in given):
            raise ValueError(
                "segment: finds the utterances and what is said in them; leave out text, speaker, context, start, end and every"
            )
        if self.faces and self.segment is None:
            raise ValueError(
                "faces: who is seen speaking is looked at in utterances that are found; give segment as well"
            )
        return self


class Shares(BaseModel):
    """How much each modality moved the probability of the label, in points of probability from -1 to 1."""

    shapley: dict[str, float]
    leave_one_out: dict[str, float]
    notes: list[str] = []


class Segment(BaseModel):
    """The emotion of one segment of a recording."""

    id: str
    start: float = Field(description="seconds from the beginning of the recording")
    end: float | None = Field(description="seconds; null where nothing says when it was")
    label: str | None = Field(description="null where nothing could be used: there is no prediction")
    probabilities: dict[str, float]
    value: float | None = Field(default=None, description="of a run that predicts values")
    used: list[str] = Field(description="the modalities that this rests on")
    missing: dict[str, str] = Field(description="modality and why it could not be used")
    notes: dict[str, str] = {}
    speaker: str | None = None
    text: str | None = None
    novelty: dict[str, float] = Field(
        default={},
        description="modality and how unlike training it is; above 1 it is unlike nearly all of it",
    )
    unfamiliar: list[str] = []
    label_set: list[str] = []
    by_modality: dict[str, dict[str, float]] = {}
    disagreeing: list[str] = []
    face: FacePlace | None = Field(
        default=None,
        description="where the speaker's face is seen: left, top, right, bottom as shares of the picture",
    )
    listeners: list[FacePlace] = Field(default=[], description="the same of the others that are seen")
    explanation: Shares | None = None


class Prediction(BaseModel):
    """What the run says of a recording."""

    recording: str = Field(description="the name that the client gave the file; no path")
    seconds: float | None = Field(description="length of the recording, where it is known")
    labels: list[str]
    segments: list[Segment]
    notes: list[str] = Field(default=[], description="what the reader must know")


class JobStatus(BaseModel):
    """How far a job is."""

    id: str
    state: JobState
    position: int | None = Field(default=None, description="jobs before it in the queue, while it waits")
    done: int = Field(default=0, description="steps of the present work that are done")
    total: int = Field(default=0, description="steps of the present work; 0 while that is not known")
    doing: str = Field(default="", description="the present work")
    error: str | None = Field(default=None, description="why it failed, one line")
    result: Prediction | None = None
    has_page: bool = Field(default=False, description="whether /jobs/{id}/page shows its timeline")


class RunDescription(BaseModel):
    """The run that answers."""

    name: str
    system: str
    task: str
    labels: list[str]
    modalities: list[str]
    notes: list[str] = []


class Health(BaseModel):
    """Whether the server can work."""

    status: Literal["ok", "loading"]
    workers: int = Field(description="workers that have the run loaded")


class ErrorLine(BaseModel):
    """Why a request was refused."""

    detail: str
