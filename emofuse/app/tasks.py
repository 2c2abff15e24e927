"""What passes between the server and its workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.app.schemas import PredictOptions, RunDescription


@dataclass(frozen=True)
class PredictTask:
    """A recording to predict.

    Attributes:
        file: where the upload lies; None for words alone.
        name: of the recording, as it is shown; never used as a path.
        options: what is asked.
        page: where the page of its timeline is to be written; None for none.
        longest: seconds of a recording.
    """

    file: Path | None
    name: str
    options: PredictOptions
    page: Path | None = None
    longest: float | None = None


@dataclass(frozen=True)
class HearTask:
    """The next utterance of a conversation that is listened to.

    Attributes:
        number: of the utterance; 0 begins a conversation, and what was before is forgotten.
        start: seconds of the stream.
        samples: (n,) float32 at 16 kHz.
        pictures: (m, H, W, 3) uint8 that were seen meanwhile, evenly spread; None where the stream is sound alone.
        jpegs: the same as a client sent them, in the place of ``pictures``.
    """

    number: int
    start: float
    samples: NDArray[np.float32]
    pictures: NDArray[np.uint8] | None = None
    jpegs: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Cancel:
    """To the worker: stop what you are doing."""


@dataclass(frozen=True)
class Loaded:
    """From the worker: the run is there."""

    run: RunDescription


@dataclass(frozen=True)
class Progress:
    """From the worker: so far it is."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Outcome:
    """From the worker: how a task ended.

    Attributes:
        kind: "answer", "refused" (the request can be mended), "failed" (the server's fault) or "cancelled".
        value: the answer, as plain values.
        status: of HTTP, where there is no answer.
        line: why there is none.
    """

    kind: Literal["answer", "refused", "failed", "cancelled"]
    value: Any = None
    status: int = 200
    line: str = ""


Task = PredictTask | HearTask
