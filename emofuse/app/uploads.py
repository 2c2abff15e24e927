"""An upload on its way from a request to a job."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from fastapi import UploadFile

from emofuse.app.job import Job
from emofuse.app.jobs import JobQueue
from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import PredictOptions
from emofuse.app.storage import Storage, place_of_upload
from emofuse.evaluation.reporting.printable import printable

_LONGEST_NAME = 100
WORDS_ALONE = "words alone"


async def submit_upload(
    queue: JobQueue,
    storage: Storage,
    upload: UploadFile | None,
    options: PredictOptions,
    *,
    counted: int,
    page: bool,
) -> Job:
    """Make a job of a request's file.

    Args:
        queue: where it goes.
        storage: has counted the request.
        upload: the file; None for words alone.
        options: what is asked.
        counted: bytes that have been counted for it; they are the job's from here on.
        page: write the page of its timeline.

    Raises:
        RefusedError: there is nothing to predict, or no room.
    """
    try:
        _check(upload is not None, options)
        with _folder(storage) as folder:
            if upload is None:
                return queue.submit(folder, None, WORDS_ALONE, options, size=counted, page=page)
            file = place_of_upload(folder, upload.filename or "")
            await asyncio.to_thread(_write, upload, file)
            return queue.submit(folder, file, shown_name(upload.filename), options, size=counted, page=page)
    except BaseException:
        storage.release(counted)
        raise


def submit_file(queue: JobQueue, storage: Storage, source: Path | None, options: PredictOptions) -> Job:
    """Make a job of a file that the page has uploaded; the page keeps its own for a while.

    Raises:
        RefusedError: there is nothing to predict, or no room.
    """
    _check(source is not None, options)
    if source is None:
        with _folder(storage) as folder:
            return queue.submit(folder, None, WORDS_ALONE, options, size=0, page=True)
    if not source.resolve().is_relative_to(storage.page_folder.resolve()) or not source.is_file():
        raise RefusedError(422, "the recording is not here any more: upload it again")
    size = source.stat().st_size
    storage.take(size)
    try:
        with _folder(storage) as folder:
            file = place_of_upload(folder, source.name)
            os.link(source, file)
            return queue.submit(folder, file, shown_name(source.name), options, size=size, page=True)
    except BaseException:
        storage.release(size)
        raise


def shown_name(given: str | None) -> str:
    """The name of a client's file as it is shown: one line, without folders."""
    return printable(PurePosixPath((given or "").replace("\\", "/")).name, _LONGEST_NAME) or "recording"


def _check(has_file: bool, options: PredictOptions) -> None:
    if not has_file and not options.text:
        raise RefusedError(422, "nothing to predict: send a recording (file), or a text")


@contextmanager
def _folder(storage: Storage) -> Iterator[Path]:
    """A new folder, which is taken away again if no job came of it."""
    folder = storage.new_folder()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(upload: UploadFile, file: Path) -> None:
    with file.open("xb") as out:
        shutil.copyfileobj(upload.file, out, 1 << 20)
