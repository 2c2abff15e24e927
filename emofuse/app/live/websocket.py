"""The live stream of the server: sound and pictures in, events out; each conversation has a worker of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from emofuse.app.limits import ServeLimits
from emofuse.app.live.cutter import CutSettings, SpeechBegan
from emofuse.app.live.detectors import Gate, make_detector
from emofuse.app.live.events import Ended, Failed, Lost, Ready, Refused, Speech, spoken
from emofuse.app.live.picture_intake import PictureIntake
from emofuse.app.live.recogniser import check_hears
from emofuse.app.live.session import HeardCut, LiveSession, samples_of_pcm
from emofuse.app.metrics import ServerMetrics
from emofuse.app.refusals import JobCancelledError, RefusedError
from emofuse.app.schemas import RunDescription, Segment
from emofuse.app.tasks import HearTask
from emofuse.app.worker import WorkerSetup
from emofuse.app.worker_process import WorkerProcess
from emofuse.data.json_text import parse_json
from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError

SLOWEST, FASTEST = 8_000, 48_000  # Hz
LARGEST_FRAME = 1 << 18  # bytes; 2.7 s at the fastest rate
SOUND, PICTURE = b"\x00", b"\x01"  # first byte of a frame, where pictures come too
_MOST_WAITING = 8  # utterances
_IDLE_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
_BUSY, _WRONG, _TOO_BIG, _FAILED = 1013, 1007, 1009, 1011  # close codes of RFC 6455
_LONGEST_REASON = 100  # characters; a close frame holds 123 bytes
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Waiting:
    """An utterance that is to be answered, with what was seen meanwhile."""

    heard: HeardCut
    jpegs: tuple[bytes, ...]


@dataclass
class _Conversation:
    """What is going on in one connection."""

    session: LiveSession
    worker: WorkerProcess
    pictures: PictureIntake | None
    waiting: asyncio.Queue[_Waiting | None] = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))
    lock: threading.Lock = field(default_factory=threading.Lock)
    gone: bool = False
    answered: int = 0
    remembered: int = 0

    def load(self, seconds: float) -> RunDescription:
        """Begin the worker; it remembers nothing.

        Raises:
            RefusedError: it cannot load the run. Why is for the log alone, since places of this machine are named.
        """
        with self.lock:
            self.remembered = 0
            try:
                return self.worker.start(seconds, lambda: self.gone)
            except (RefusedError, JobCancelledError):
                raise
            except EmofuseError as error:
                _LOG.error("a live stream's worker could not be started: %s", error)
                raise RefusedError(503, "the run cannot be loaded; the server's log says why") from error

    def ask(self, one: _Waiting) -> Segment:
        """The emotion of an utterance."""
        cut = one.heard.cut
        task = HearTask(self.remembered, cut.start, cut.samples, jpegs=one.jpegs)
        with self.lock:
            segment: Segment = self.worker.run(task, seconds=_ANSWER_SECONDS, cancelled=lambda: self.gone)
        self.remembered += 1
        self.answered += 1
        return segment

    def end(self) -> None:
        """End the worker when no client waits for it."""
        with self.lock:
            self.worker.stop()


class LiveEndpoint:
    """``/live`` of a server.

    Args:
        setup: how workers are made.
        limits: bounds.
        metrics: counted into.
    """

    def __init__(self, setup: WorkerSetup, limits: ServeLimits, metrics: ServerMetrics) -> None:
        self._setup, self._limits, self._metrics = setup, limits, metrics
        self._open = 0

    def router(self) -> APIRouter:
        """The endpoint."""
        router = APIRouter()

        @router.websocket("/live")
        async def live(
            websocket: WebSocket, rate: int = RATE, gate: Gate = "auto", pictures: bool = False
        ) -> None:
            await websocket.accept()
            try:
                detector = await asyncio.to_thread(make_detector, gate)
            except EmofuseError as error:
                await websocket.close(_WRONG, str(error)[:_LONGEST_REASON])
                return
            if not SLOWEST <= rate <= FASTEST:
                await websocket.close(_WRONG, f"rate is {SLOWEST} to {FASTEST} Hz")
            elif self._open >= self._limits.live_sessions:
                await websocket.close(_BUSY, "as many conversations as this server takes are listened to")
            else:
                await self._converse(websocket, LiveSession(rate, detector), pictures)

        return router

    async def _converse(self, websocket: WebSocket, session: LiveSession, pictures: bool) -> None:
        intake = PictureIntake(CutSettings().reach) if pictures else None
        talk = _Conversation(session, WorkerProcess(self._setup), intake)
        try:
            async with self._place(talk), asyncio.TaskGroup() as both:
                both.create_task(self._listen(websocket, talk))
                both.create_task(self._answer(websocket, talk))
            # The place is free by now, so that whoever hears of the end can begin anew.
            await _send(websocket, Ended(seconds=round(talk.session.seconds, 3), utterances=talk.answered))
            await websocket.close()
        except* (WebSocketDisconnect, RuntimeError):  # the client has gone
            pass
        except* EmofuseError as failures:
            with suppress(RuntimeError, WebSocketDisconnect):
                await websocket.close(_FAILED, str(failures.exceptions[0])[:_LONGEST_REASON])

    @asynccontextmanager
    async def _place(self, talk: _Conversation) -> AsyncIterator[None]:
        """A place for a conversation; it is free again once its worker has ended."""
        self._open += 1
        try:
            with self._metrics.listening():
                yield
        finally:
            talk.gone = True
            await asyncio.to_thread(talk.end)
            self._open -= 1

    async def _listen(self, websocket: WebSocket, talk: _Conversation) -> None:
        """Take frames until the client says that the stream has ended, or goes."""
        until = time.monotonic() + self._limits.live_seconds
        while time.monotonic() < until:
            try:
                message = await asyncio.wait_for(websocket.receive(), _IDLE_SECONDS)
            except TimeoutError:
                break  # nothing comes any more
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            data = message.get("bytes")
            if data is None:
                if _is_end(message.get("text") or ""):
                    break
                await websocket.close(_WRONG, 'a text frame can only say {"event": "end"}')
                raise WebSocketDisconnect(_WRONG)
            if len(data) > LARGEST_FRAME:
                await websocket.close(_TOO_BIG, f"a frame has at most {LARGEST_FRAME} bytes")
                raise WebSocketDisconnect(_TOO_BIG)
            if talk.pictures is None:
                await self._tell(websocket, talk, talk.session.push(samples_of_pcm(data)))
            else:
                await self._take(websocket, talk, talk.pictures, data)
        await self._tell(websocket, talk, talk.session.flush())
        await talk.waiting.put(None)

    async def _take(
        self, websocket: WebSocket, talk: _Conversation, pictures: PictureIntake, data: bytes
    ) -> None:
        """A frame whose first byte says what it holds."""
        kind, body = data[:1], data[1:]
        refusal = None
        if kind == SOUND:
            await self._tell(websocket, talk, talk.session.push(samples_of_pcm(body)))
        elif kind == PICTURE:
            line = pictures.take(body, talk.session.seconds)
            if line is not None:
                await _send(websocket, Refused(detail=line))
            if pictures.is_abused:
                refusal = "too many pictures that cannot be taken"
        else:
            refusal = "with pictures=true a frame begins with the byte 0 (sound) or 1 (a JPEG)"
        if refusal is not None:
            await websocket.close(_WRONG, refusal)
            raise WebSocketDisconnect(_WRONG)

    async def _tell(
        self, websocket: WebSocket, talk: _Conversation, events: Sequence[SpeechBegan | HeardCut]
    ) -> None:
        for event in events:
            if not isinstance(event, HeardCut):
                await _send(websocket, Speech(start=round(event.start, 3)))
                continue
            if talk.waiting.full():
                oldest = talk.waiting.get_nowait()
                if oldest is not None:
                    cut = oldest.heard.cut
                    await _send(websocket, Lost(seconds=round(cut.end - cut.start, 3)))
            cut = event.cut
            jpegs = () if talk.pictures is None else talk.pictures.between(cut.start, cut.end)
            talk.waiting.put_nowait(_Waiting(event, jpegs))

    async def _answer(self, websocket: WebSocket, talk: _Conversation) -> None:
        """Load the run, then answer utterance by utterance."""
        run = await asyncio.to_thread(talk.load, self._limits.load_seconds)
        check_hears(run.modalities, sees=talk.pictures is not None)
        await _send(websocket, Ready(run=run))
        while (one := await talk.waiting.get()) is not None:
            try:
                answer = await asyncio.to_thread(talk.ask, one)
                event = spoken(one.heard, answer, saw=talk.pictures is not None)
                self._metrics.answered(event.latency.total)
                await _send(websocket, event)
            except RefusedError as error:
                await _send(websocket, Failed(number=one.heard.number, detail=error.line))
                if not talk.worker.is_alive:
                    self._metrics.worker_died()
                    await asyncio.to_thread(talk.load, self._limits.load_seconds)


def _is_end(text: str) -> bool:
    try:
        return bool(parse_json(text) == {"event": "end"})
    except ValueError:
        return False


async def _send(websocket: WebSocket, event: BaseModel) -> None:
    await websocket.send_text(event.model_dump_json())
