"""The server put together, and its life from start to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from socket import socket

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

import emofuse
from emofuse.app.api import add_error_lines, add_interface_page, make_routers
from emofuse.app.guard import Access, Guard
from emofuse.app.jobs import JobQueue
from emofuse.app.limits import ServeLimits
from emofuse.app.live.websocket import LARGEST_FRAME, LiveEndpoint
from emofuse.app.metrics import ServerMetrics
from emofuse.app.storage import Storage
from emofuse.app.worker import WorkerSetup
from emofuse.app.worker_process import WorkerProcess
from emofuse.errors import EmofuseError

_SWEEP_EVERY = 10.0  # seconds
_LAST_ANSWERS = 3  # seconds that open connections have when the server stops


@dataclass(frozen=True)
class ServeSettings:
    """A server.

    Attributes:
        run: folder of the run, or "starter".
        host: address to listen at.
        port: likewise; 0 for any that is free.
        access: who may ask.
        limits: how much of everything is taken.
        workers: processes that predict.
        device: where they compute.
        threads: of torch in each of them.
        page: whether there is a page besides the interface for programs.
    """

    run: str
    host: str = "127.0.0.1"
    port: int = 7860
    access: Access = field(default_factory=Access)
    limits: ServeLimits = field(default_factory=ServeLimits)
    workers: int = 1
    device: str = "auto"
    threads: int | None = None
    page: bool = True


class EmotionServer:
    """Workers, storage and the application over them.

    Args:
        settings: what is served, and to whom.

    Raises:
        EmofuseError: the run cannot be loaded.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.metrics = ServerMetrics()
        self.storage = Storage(settings.limits.stored_bytes)
        setup = WorkerSetup(settings.run, settings.device, settings.threads, self.storage.scratch)
        workers = [WorkerProcess(setup) for _ in range(settings.workers)]
        self.queue = JobQueue(workers, self.storage, settings.limits, self.metrics)
        self._live = LiveEndpoint(setup, settings.limits, self.metrics)
        try:
            self.run = self.queue.start()
            self.app = self._application()
        except BaseException:
            self.close()
            raise

    def _application(self) -> ASGIApp:
        app = FastAPI(
            title="emofuse",
            version=emofuse.__version__,
            description="Emotions of a recording, utterance by utterance.",
            docs_url=None,  # the usual pages load scripts of another server
            redoc_url=None,
            lifespan=self._lifespan,
        )
        add_error_lines(app)
        for router in (*make_routers(self.queue, self.storage, self.metrics), self._live.router()):
            app.include_router(router)
        add_interface_page(app)
        if self.settings.page:
            from emofuse.app.page import mount_page

            mount_page(app, self.queue, self.storage, self.settings.limits)
        return Guard(app, self.settings.access, self.settings.limits, self.storage, self.metrics)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping

    async def _sweep(self) -> None:
        kept = self.settings.limits.kept_seconds
        while True:
            await asyncio.sleep(min(_SWEEP_EVERY, kept / 2))
            await asyncio.to_thread(self.queue.sweep)
            await asyncio.to_thread(self.storage.sweep_page, kept)

    def close(self) -> None:
        """End the workers, remove what was uploaded."""
        self.queue.close()
        self.storage.close()


def serve(settings: ServeSettings, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to end; then end at once, and leave nothing behind.

    Args:
        settings: what is served, and to whom.
        ready: called with the address when requests are taken.

    Raises:
        EmofuseError: the run cannot be loaded, or the address cannot be had.
    """
    check_installed(page=settings.page)
    # A worker that is ended in its work leaves locks behind; the process that puts them away would say so after the last line.
    os.environ["PYTHONWARNINGS"] = ",".join(
        filter(None, (os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning"))
    )
    server = EmotionServer(settings)
    try:
        _Uvicorn(server, ready).run()
    finally:
        server.close()


def check_installed(*, page: bool) -> None:
    """See that the parts of the server are there.

    Raises:
        EmofuseError: they are not.
    """
    wanted = [
        "fastapi",
        "uvicorn",
        "multipart",
        "prometheus_client",
        "websockets",
        *(["gradio"] if page else []),
    ]
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise EmofuseError(f"the server needs {', '.join(missing)}: pip install 'emofuse[app]'")


class _Uvicorn(uvicorn.Server):
    """uvicorn, told to stop by signals that end the jobs first, and quiet about it."""

    def __init__(self, server: EmotionServer, ready: Callable[[str], None]) -> None:
        settings = server.settings
        super().__init__(
            uvicorn.Config(
                server.app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,  # an address may hold a token
                server_header=False,
                timeout_graceful_shutdown=_LAST_ANSWERS,
                ws="websockets-sansio",
                ws_max_size=LARGEST_FRAME,
                ws_max_queue=8,
            )
        )
        self._emotions, self._ready = server, ready

    def run(self, sockets: list[socket] | None = None) -> None:
        """Until a signal comes."""
        try:
            super().run(sockets)
        except SystemExit as error:  # uvicorn has logged why
            settings = self._emotions.settings
            raise EmofuseError(
                f"cannot listen at {settings.host}:{settings.port}: choose another --host or --port"
            ) from error

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            address = self.servers[0].sockets[0].getsockname()
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            self._ready(f"http://{host}:{address[1]}/")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the server in order; they are not raised again afterwards."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, self._stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        self.force_exit = self.should_exit  # asked twice: without waiting for connections
        self.should_exit = True
        self._emotions.queue.stop()
