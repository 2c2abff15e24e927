"""What a run says of one segment of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from emofuse.data import Modality
from emofuse.data.face_place import FacePlace


@dataclass(frozen=True)
class EmotionSegment:
    """The emotion of one segment of a recording.

    Attributes:
        id: the utterance's id, or the file's name.
        start: seconds from the beginning of the recording.
        end: seconds; None where nothing said how long it is (text alone).
        label: the most probable emotion; of a run that predicts a value, its sign. None where nothing could be used:
            there is no prediction then.
        probabilities: label → probability, summing to 1; empty for a run that predicts a value, and without a prediction.
        used: the modalities that this prediction rests on.
        missing: modality → why the run could not use it.
        speaker: who speaks, where that was given.
        text: what was said, where that was given.
        value: what a run that predicts values says, on the scale of its corpus.
        recording: the file in which start and end are counted; None for text alone.
        notes: modality → what had to be done to read it, such as leaving out a channel.
        novelty: modality → how unlike the training data it is; above 1 it is unlike nearly all of it.
        label_set: labels among which the true one is with the coverage that was asked for; empty where none was,
            and without a prediction.
        by_modality: modality → what the run says when it is given that one alone, where that was asked for.
        face: where the speaker's face is seen, x1, y1, x2, y2 as shares of the picture; None where that is not known.
        listeners: the same of the others that are seen.
    """

    id: str
    start: float
    end: float | None
    label: str | None
    probabilities: dict[str, float]
    used: tuple[Modality, ...]
    missing: dict[Modality, str]
    speaker: str | None = None
    text: str | None = None
    value: float | None = None
    recording: str | None = None
    notes: dict[Modality, str] = field(default_factory=dict)
    novelty: dict[Modality, float] = field(default_factory=dict)
    label_set: tuple[str, ...] = ()
    by_modality: dict[Modality, dict[str, float]] = field(default_factory=dict)
    face: FacePlace | None = None
    listeners: tuple[FacePlace, ...] = ()

    @property
    def unfamiliar(self) -> tuple[Modality, ...]:
        """The modalities that are unlike anything in training."""
        return tuple(modality for modality, value in self.novelty.items() if value > 1)

    @property
    def disagreeing(self) -> tuple[Modality, ...]:
        """The modalities that alone say another label than all together."""
        return tuple(
            modality
            for modality, scores in self.by_modality.items()
            if scores and max(scores, key=lambda label: scores[label]) != self.label
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def set_in_words(labels: Sequence[str]) -> str:
    """A set of labels for a person."""
    return f"one of: {', '.join(labels)}" if len(labels) > 1 else f"only {labels[0]}"
