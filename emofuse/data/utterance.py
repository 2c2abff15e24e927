"""One utterance: a row of a manifest with its paths resolved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emofuse.data.face_place import FacePlace

Crop = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What someone said at a point of a conversation, and where picture and sound of it are.

    Attributes:
        id: its name, unique in the manifest.
        dialogue: the conversation it belongs to; its own id when it stands alone.
        turn: its place in the dialogue.
        speaker: who speaks.
        text: what was said.
        video: absolute path of the picture's file.
        audio: absolute path of a separate sound file.
        start: where it begins in the files, in seconds; None for their beginning.
        end: where it ends, in seconds; None for their end.
        label: its emotion.
        valence: its sentiment as a number.
        split: ``"train"``, ``"val"`` or ``"test"``, as the corpus says.
        group: what a split must not divide beyond dialogue and speaker (a film, a session).
        crop: the half of the picture that the speaker is in; None for the whole picture.
        face: the place of the speaker's face in the picture, or in the half; None where nobody was looked for.
        listeners: places of the other faces that are seen.
    """

    id: str
    dialogue: str
    turn: int | None
    speaker: str | None
    text: str | None
    video: Path | None
    audio: Path | None
    start: float | None
    end: float | None
    label: str | None
    valence: float | None
    split: str | None
    group: str | None
    crop: Crop | None = None
    face: FacePlace | None = None
    listeners: tuple[FacePlace, ...] = ()
