"""Listen to a source in this process, and answer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.app.live.cutter import CutSettings
from emofuse.app.live.detectors import SpeechDetector
from emofuse.app.live.events import Ended, Failed, Lost, Ready, Speech, SpokenUtterance, spoken
from emofuse.app.live.pictures import PictureBuffer, SeenPicture, as_film
from emofuse.app.live.recogniser import LiveRecogniser, check_hears
from emofuse.app.live.session import HeardCut, LiveSession
from emofuse.app.live.sources import PictureSource, SoundSource
from emofuse.app.predicting import describe_run
from emofuse.app.tasks import HearTask
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.app.live.cutter import SpeechBegan
    from emofuse.pipeline import EmotionPipeline

Event = Ready | Speech | SpokenUtterance | Lost | Failed | Ended


def listen(
    pipe: EmotionPipeline,
    source: SoundSource,
    settings: CutSettings | None = None,
    detector: SpeechDetector | None = None,
) -> Iterator[Event]:
    """Answer a stream utterance by utterance until it ends.

    Args:
        pipe: the run.
        source: of the sound.
        settings: what an utterance is.
        detector: of speech; the energy gate by default.

    Raises:
        EmofuseError: the run reads neither sound nor pictures that the source has, or the source cannot be read.
    """
    sees = "video" in pipe.modalities and isinstance(source, PictureSource) and source.has_pictures
    check_hears(pipe.modalities, sees=sees)
    if isinstance(source, PictureSource):
        source.wants_pictures = sees
    cut = settings or CutSettings()
    seen: PictureBuffer[SeenPicture] = PictureBuffer(cut.reach)
    session = LiveSession(source.rate, detector, cut)
    answered = 0
    with tempfile.TemporaryDirectory(prefix="emofuse-live-") as scratch:
        recogniser = LiveRecogniser(pipe, Path(scratch))
        yield Ready(run=describe_run(pipe, "run"))
        for piece in source.pieces():
            if piece.lost:
                yield Lost(seconds=round(piece.lost, 3))
            seen.add(piece.pictures)
            for event in session.push(piece.samples, piece.arrived):
                message = _answer(recogniser, event, answered, seen)
                answered += isinstance(message, SpokenUtterance)
                yield message
        for event in session.flush():
            message = _answer(recogniser, event, answered, seen)
            answered += isinstance(message, SpokenUtterance)
            yield message
    yield Ended(seconds=round(session.seconds, 3), utterances=answered)


def _answer(
    recogniser: LiveRecogniser,
    event: SpeechBegan | HeardCut,
    answered: int,
    seen: PictureBuffer[SeenPicture],
) -> Speech | SpokenUtterance | Failed:
    if not isinstance(event, HeardCut):
        return Speech(start=round(event.start, 3))
    pictures = as_film([one.pixels for one in seen.between(event.cut.start, event.cut.end)])
    try:
        segment = recogniser.hear(HearTask(answered, event.cut.start, event.cut.samples, pictures))
    except EmofuseError as error:
        return Failed(number=event.number, detail=str(error))
    return spoken(event, segment, saw=pictures is not None)
