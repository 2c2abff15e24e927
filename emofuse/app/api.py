"""The interface for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from pydantic import ValidationError
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from emofuse.app.body import BODY
from emofuse.app.interface_page import interface_page
from emofuse.app.job import Job
from emofuse.app.jobs import JobQueue
from emofuse.app.metrics import ServerMetrics
from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import (
    ErrorLine,
    Health,
    JobStatus,
    Prediction,
    PredictOptions,
    RunDescription,
    SegmentWay,
)
from emofuse.app.storage import Storage
from emofuse.app.uploads import submit_upload
from emofuse.data.nearest_names import is_meant

_LOOK_EVERY = 0.05  # seconds
# A page of a recording shows what came from outside: it runs apart from the server's own origin.
_SANDBOX = "sandbox allow-scripts allow-downloads; frame-ancestors 'self'"
_NO_PAGE = "this job has no page, or not yet: ask for it with page=true"
_GIVEN_UP = "this job's page had to make room for others: send the recording again"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorLine, "description": "the form cannot be taken apart"},
    401: {"model": ErrorLine, "description": "no token, or a wrong one"},
    403: {"model": ErrorLine, "description": "a host or an origin that is not the server's"},
    408: {"model": ErrorLine, "description": "the upload takes too long"},
    413: {"model": ErrorLine, "description": "the upload is too large, or the recording too long"},
    422: {"model": ErrorLine, "description": "the recording or an option cannot be used"},
    503: {"model": ErrorLine, "description": "too many wait, or it took too long"},
}
_DIED: dict[int | str, dict[str, Any]] = {
    500: {"model": ErrorLine, "description": "the process that worked on it has died"}
}
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": ErrorLine, "description": "there is no such job"}}


def form_options(
    text: Annotated[str | None, Form(description="what is said in the recording")] = None,
    speaker: Annotated[str | None, Form(description="who speaks")] = None,
    context: Annotated[
        list[str] | None, Form(description="what was said before, oldest first; once for each utterance")
    ] = None,
    start: Annotated[float | None, Form(description="seconds, where the utterance begins")] = None,
    end: Annotated[float | None, Form(description="seconds, where it ends")] = None,
    every: Annotated[
        float | None, Form(description="one prediction for each segment of so many seconds")
    ] = None,
    segment: Annotated[
        SegmentWay | None, Form(description="find the utterances, each with a prediction of its own")
    ] = None,
    faces: Annotated[
        bool,
        Form(description="with segment: look who of those that are seen speaks, and read that face alone"),
    ] = False,
    coverage: Annotated[
        float | None, Form(description="name a set of labels that holds the true one in this share")
    ] = None,
    by_modality: Annotated[bool, Form(description="say as well what each modality says alone")] = False,
    explain: Annotated[bool, Form(description="say how much each modality moved the label")] = False,
) -> PredictOptions:
    """The options of a form.

    Raises:
        RefusedError: one is out of bounds.
    """
    given = dict(locals())
    try:
        return PredictOptions(**(given | {"context": tuple(context or ())}))
    except ValidationError as error:
        raise RefusedError(422, first_error(error.errors())) from None


def check_fields(names: Iterable[str], *, page: bool) -> None:
    """A misspelt option would be passed over, and a misspelt ``file`` answered by the words alone.

    Args:
        names: of the fields that were sent.
        page: whether the page of a timeline may be asked for.

    Raises:
        RefusedError: a field of the form is unknown.
    """
    known = ("file", *PredictOptions.model_fields, *(["page"] if page else []))
    for name in names:
        if name not in known:
            near = is_meant(name, known)
            raise RefusedError(422, f"there is no field {name[:100]!r}{near}; there are {', '.join(known)}")


Options = Annotated[PredictOptions, Depends(form_options)]
Recording = Annotated[UploadFile | None, File(description="a video or sound file")]


def first_error(errors: Any) -> str:
    """One line of what pydantic found; values that were given are not repeated."""
    where = ".".join(str(part) for part in errors[0]["loc"] if part not in ("body", "query", "path"))
    return f"{where or 'request'}: {errors[0]['msg']}"


def make_routers(queue: JobQueue, storage: Storage, metrics: ServerMetrics) -> list[APIRouter]:
    """The endpoints over a queue."""
    return [_service(queue, metrics), _predictions(queue, storage), _jobs(queue)]


def _service(queue: JobQueue, metrics: ServerMetrics) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get("/health", summary="Whether the server can work; needs no token")
    async def health(response: Response) -> Health:
        workers = queue.ready_workers()
        response.status_code = 200 if workers else 503
        return Health(status="ok" if workers else "loading", workers=workers)

    @router.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def counters() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/run", summary="The run that answers: its labels, and what it uses")
    async def run() -> RunDescription:
        return queue.run

    return router


def _predictions(queue: JobQueue, storage: Storage) -> APIRouter:
    router = APIRouter(tags=["recordings"])

    async def submitted(
        request: Request, file: UploadFile | None, options: PredictOptions, *, page: bool | None
    ) -> Job:
        """``page``: whether one is made; None where none can be asked for."""
        check_fields(await request.form(), page=page is not None)
        counted = request.scope[BODY].hand_over()
        return await submit_upload(queue, storage, file, options, counted=counted, page=bool(page))

    @router.post(
        "/predict", summary="Predict a recording, and wait for the answer", responses=_REFUSALS | _DIED
    )
    async def predict(request: Request, options: Options, file: Recording = None) -> Prediction:
        job = await submitted(request, file, options, page=None)
        try:
            while job.finished is None:
                await asyncio.sleep(_LOOK_EVERY)
                if await request.is_disconnected():
                    raise RefusedError(499, "the client has gone")
            if job.error is not None:
                raise job.error
            assert job.result is not None
            return job.result
        finally:
            queue.cancel(job)

    @router.post(
        "/jobs", status_code=202, summary="Predict a long recording, and ask later", responses=_REFUSALS
    )
    async def submit(
        request: Request,
        options: Options,
        file: Recording = None,
        page: Annotated[bool, Form(description="make the page of its timeline as well")] = False,
    ) -> JobStatus:
        return queue.status(await submitted(request, file, options, page=page))

    return router


def _jobs(queue: JobQueue) -> APIRouter:
    router = APIRouter(tags=["recordings"])

    @router.get("/jobs/{job_id}", summary="How far a job is, and its answer", responses=_MISSING)
    async def status(job_id: str) -> JobStatus:
        return queue.status(queue.get(job_id))

    @router.delete("/jobs/{job_id}", summary="Cancel a job, or forget a finished one", responses=_MISSING)
    async def cancel(job_id: str) -> JobStatus:
        job = queue.get(job_id)
        queue.cancel(job)
        return queue.status(job)

    @router.get(
        "/jobs/{job_id}/page",
        summary="The timeline of a finished job, as a page",
        response_class=HTMLResponse,
        responses=_MISSING,
    )
    async def page(job_id: str) -> FileResponse:
        job = queue.get(job_id)
        if job.page is None:
            given_up = job.state == "done" and job.task.page is not None
            raise RefusedError(404, _GIVEN_UP if given_up else _NO_PAGE)
        return FileResponse(
            job.page,
            media_type="text/html",
            headers={"Content-Security-Policy": _SANDBOX},
            background=BackgroundTask(setattr, job, "is_fetched", True),
        )

    return router


def add_interface_page(app: FastAPI) -> None:
    """The documentation of the interface: it needs no script, and nothing of another server."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(interface_page(app.openapi()))


def _form_refusal(reason: str) -> tuple[int, str]:
    """Status and line for a form that cannot be read, by what the library says of it."""
    if "exceeded maximum size" in reason:
        return 413, (
            "text, speaker, context and the other fields besides file hold at most 1 MB each, and one of them has more: "
            "shorten it, and send a recording as file, with a filename"
        )
    return 400, f"the form cannot be taken apart ({reason.rstrip('.')}): send it as multipart/form-data"


def add_error_lines(app: FastAPI) -> None:
    """Every refusal is JSON with one line; a traceback goes nowhere but to the log."""

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> JSONResponse:
        headers = {"Retry-After": "10"} if error.status == 503 else {}
        return JSONResponse({"detail": error.line}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": first_error(error.errors())}, 422)

    @app.exception_handler(HTTPException)
    async def unreadable(request: Request, error: HTTPException) -> JSONResponse:
        status, line = error.status_code, error.detail
        if status == 400:  # of the library that takes forms apart; the other words are our own
            status, line = _form_refusal(line)
        return JSONResponse({"detail": line}, status, error.headers)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": f"the server failed ({type(error).__name__})"}, 500)
