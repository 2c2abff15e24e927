"""What an encoder is, precisely enough that its features are never mistaken for another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from emofuse.data.modality import Modality
from emofuse.data.picture_sampling import PictureSampling
from emofuse.errors import EmofuseError
from emofuse.features.dialogue_context import ContextWindow

IMPORTED = "imported"  # the kind of features that came with a file


class EncoderIdentity(BaseModel):
    """All that decides the numbers an encoder gives for an utterance.

    Attributes:
        modality: what it reads.
        kind: the family of encoder, e.g. ``"hashed-ngrams"`` or ``"hf-text"``.
        name: the model, by a name that holds on every machine (never a path).
        revision: the version of its weights or of its code.
        pooling: how time steps or tokens become one vector; ``"tokens"`` keeps them all.
        dim: features per vector.
        sampling: how the medium is read (rate in Hz, longest piece, precision, ...).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality
    kind: str
    name: str
    revision: str
    pooling: str
    dim: int = Field(ge=1)
    sampling: dict[str, str | int | float] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """16 hex digits that differ whenever any of the above does."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class InputNeeds:
    """What of an utterance an encoder must be handed, beyond its text or its sound.

    Attributes:
        context: text encoders: the turns around the utterance; items are then
            :class:`~emofuse.features.dialogue_context.TextInContext`.
        pictures: video encoders, which must say it: the pictures of an item.
        singly: nothing is gained by handing over several utterances at once.
        faces: video encoders: of an utterance that names the speaker's face, that one alone is looked at.
    """

    context: ContextWindow | None = None
    pictures: PictureSampling | None = None
    singly: bool = False
    faces: bool = False


class UtteranceEncoder(Protocol):
    """Anything that turns utterances of one modality into features.

    Text encoders take strings; audio encoders 16 kHz mono float32 arrays (samples,); video encoders
    :class:`~emofuse.data.pictures.ClipPictures`. One that needs more, as every video encoder does, has an
    attribute ``needs``, an :class:`InputNeeds`. To work in several processes it must be picklable.
    """

    @property
    def identity(self) -> EncoderIdentity:
        """What the features are filed under."""

    @property
    def dim(self) -> int:
        """Features per vector."""

    def encode(self, items: Sequence[Any]) -> np.ndarray | list[np.ndarray]:
        """Encode B utterances; neither their order nor their neighbours change a result.

        Returns:
            (B, dim) float32, or B arrays (T, dim) when the encoder keeps every token.

        Raises:
            EmofuseError: an utterance cannot be encoded; :class:`UnusableInputError` where it lacks something.
        """


def needs_of(encoder: UtteranceEncoder) -> InputNeeds:
    """What an encoder must be handed."""
    needs: InputNeeds = getattr(encoder, "needs", InputNeeds())
    return needs


class UnusableInputError(EmofuseError):
    """Readable, but it lacks what an encoder looks for, such as a face.

    Attributes:
        reason: a short code for counting and for ``quarantine.csv``: ``"no-face"``, ``"too-short"``,
            ``"not-finite"``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)  # both, so that the error survives the way out of a worker
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[1])
