"""How utterances are looked for in a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emofuse.data.nearest_names import none_of
from emofuse.errors import EmofuseError

Method = Literal["subtitles", "asr", "vad"]
By = Literal["auto", "subtitles", "asr", "vad"]


class SegmentSettings(BaseModel):
    """What counts as an utterance, and where it is looked for.

    Attributes:
        by: the way; ``"auto"`` takes subtitles where there are some, else speech recognition where that is installed,
            else voice activity.
        subtitles: a file of subtitles in the place of one beside or inside the recording.
        encoding: of the subtitles' text, where it is not UTF-8 or Windows-1252.
        speakers: how many people speak; ``"auto"`` finds it out, None leaves speakers alone.
        min_speech: seconds below which a sound is no utterance.
        pause: seconds of silence that end an utterance.
        pad: seconds that are added before and after what is heard.
        longest: seconds above which an utterance is divided at its longest pause.
        threshold: probability from which a sound is speech.
        asr_model: a model of speech recognition by name or folder; by default the packaged Whisper tiny.en.
        language: of the speech, as "en"; found out by default where the model knows several.
        faces: whether it is looked who of those that are seen speaks.
        active_speaker: weights of Light-ASD or LR-ASD, a file or a folder, that say it in the place of moving mouths.
        voice_model: a speaker verifier of transformers, by name or folder, in the place of Resemblyzer's network.
        voices_apart: cosine distance of two voices' mean vectors from which they are two, with ``speakers="auto"``; by default
            what was measured for Resemblyzer's network.
        device: where networks run: "cpu" or "cuda".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: By = "auto"
    subtitles: Path | None = None
    encoding: str | None = None
    speakers: int | Literal["auto"] | None = "auto"
    min_speech: float = Field(default=0.25, ge=0.05, le=10)
    pause: float = Field(default=0.5, ge=0.05, le=10)
    pad: float = Field(default=0.1, ge=0, le=2)
    longest: float = Field(default=20.0, ge=2, le=30)
    threshold: float = Field(default=0.5, gt=0.05, lt=1)
    asr_model: str | None = None
    language: str | None = None
    faces: bool = False
    active_speaker: Path | None = None
    voice_model: str | None = None
    voices_apart: float | None = Field(default=None, gt=0, lt=2)
    device: str = "cpu"

    @model_validator(mode="after")
    def _check(self) -> SegmentSettings:
        if self.active_speaker is not None and not self.faces:
            raise ValueError("active_speaker says who is seen speaking; ask for faces as well")
        if isinstance(self.speakers, int) and not 1 <= self.speakers <= 100:
            raise ValueError(f"speakers is 'auto', or a number from 1 to 100, not {self.speakers}")
        return self


def settings_of(
    given: SegmentSettings | By,
    *,
    faces: bool = False,
    active_speaker: Path | str | None = None,
    speakers: int | str | None = None,
) -> SegmentSettings:
    """Settings of a way, or settings with faces looked at.

    Args:
        given: a way, or settings.
        faces: look who of those that are seen speaks.
        active_speaker: weights that say it; faces are looked at then.
        speakers: how many people speak, ``"auto"`` or ``"none"``; by default what the settings say.

    Raises:
        EmofuseError: there is no such way, or no such number.
    """
    chosen = given if isinstance(given, SegmentSettings) else SegmentSettings(by=parse_by(given, "segment"))
    if speakers is not None:
        chosen = chosen.model_copy(update={"speakers": parse_speakers(str(speakers), "speakers")})
    if not faces and active_speaker is None:
        return chosen
    weights = chosen.active_speaker if active_speaker is None else Path(active_speaker)
    return chosen.model_copy(update={"faces": True, "active_speaker": weights})


def parse_speakers(given: str | None, option: str = "--speakers") -> int | Literal["auto"] | None:
    """``auto``, ``none`` or a number.

    Args:
        given: in words.
        option: by which it was given, for the message.

    Raises:
        EmofuseError: it is none of them.
    """
    if given is None or given == "none":
        return None
    if given == "auto":
        return "auto"
    if given.isdecimal() and 1 <= int(given) <= 100:
        return int(given)
    raise EmofuseError(none_of(option, given, ("auto", "none"), also="a number from 1 to 100"))


def parse_by(given: str, option: str = "--by") -> By:
    """A way of looking for utterances.

    Args:
        given: its name.
        option: by which it was given, for the message.

    Raises:
        EmofuseError: there is no such way.
    """
    for by in get_args(By):
        if given == by:
            return by
    raise EmofuseError(none_of(option, given, get_args(By)))
