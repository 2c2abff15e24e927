"""Predict many recordings: in several processes, each recording's result kept as it comes."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emofuse.data.atomic import write_text_aside
from emofuse.data.found_recordings import RecordingFile
from emofuse.data.nearest_names import none_of
from emofuse.data.wording import counted
from emofuse.ensemble import EnsemblePipeline, open_pipeline
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.folders.index_page import IndexRow, index_page
from emofuse.folders.results import (
    RecordingState,
    ResultFiles,
    StoredResult,
    finished,
    keep,
    run_fingerprint,
    stored_result,
    write_result,
)
from emofuse.folders.workers import run_tasks
from emofuse.inference.exporting.places import is_export
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.timelines.page_media import Media
from emofuse.inference.timelines.save import SUBTITLES
from emofuse.inference.timelines.table import segment_csv
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.ensemble_folder import is_ensemble, members_of
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.named_run import run_place
from emofuse.runs.run_folder import RunFolder
from emofuse.starter import STARTER

_NAME_BYTES = 255  # of a file, on every usual system
TABLE, INDEX = "table.csv", "index.html"
FORMATS = (*SUBTITLES, ".csv", ".eaf", ".TextGrid")  # besides the result as JSON and the page
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class FolderRequest:
    """What is asked of a run for each recording.

    Attributes:
        run: its folder or that of its export, ``"starter"``, or a name on the hub.
        device: where to compute.
        options: of :meth:`emofuse.pipeline.EmotionPipeline.predict_recording`, plain values.
        media: how the pages play the recordings.
        also: suffixes of further files for each recording, of :data:`FORMATS`.
    """

    run: str
    device: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    media: Media = "link"
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderOutcome:
    """What came of it.

    Attributes:
        out: the folder of results.
        done: how many recordings were predicted now.
        kept: how many had been predicted before.
        unpredicted: how many of either time have no prediction, since nothing of them could be used; counted here alone.
        failed: name of a recording → why it could not be predicted.
        notes: what whoever sees the predictions must know.
    """

    out: Path
    done: int
    kept: int
    unpredicted: int
    failed: dict[str, str]
    notes: tuple[str, ...] = ()


def predict_folder(
    request: FolderRequest,
    recordings: Sequence[RecordingFile],
    out: Path,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> FolderOutcome:
    """Predict recordings, and write what came of each, a table and a page of all.

    ``out`` then holds ``table.csv``, ``index.html``, and for each recording its result (``recordings/NAME.json``), its
    page and what else was asked for. A recording whose result is there, of the same run, question and content, is not
    done again; one that failed is tried again. What lies beside a result is of the same run and question as it.

    Args:
        request: the run and what is asked of it.
        recordings: of :func:`emofuse.data.found_recordings.find_recordings`.
        out: made if it is missing; one job at a time works in it.
        jobs: processes, each with the run in memory.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: the run cannot be loaded, or another job works in ``out``.
    """
    place, runs = _runs_of(request.run)
    fingerprint = run_fingerprint(runs, dict(request.options))
    job = _PredictJob(request, place, fingerprint, out)
    with locked_folder(out):
        known, failed = _done_before(job, recordings)
        pending = [r for r in recordings if r.name not in known and r.name not in failed]
        before = set(known)
        ended = 0

        def end(place: int, reason: str | None) -> None:
            nonlocal ended
            ended += 1
            if reason is not None:
                failed[pending[place].name] = reason
            if progress is not None:
                progress(ended, len(pending), "recordings")

        if progress is not None:
            progress(0, len(pending), "recordings")
        run_tasks(job, pending, jobs, end)
        for recording in pending:
            if recording.name not in failed:
                timeline = finished(ResultFiles(out, recording.name), recording, fingerprint)
                if timeline is None:
                    failed[recording.name] = _changed(recording)
                else:
                    known[recording.name] = timeline
        notes = tuple(dict.fromkeys(note for timeline in known.values() for note in timeline.notes))
        _write_overview(out, recordings, known, failed, notes)
    predicted = {name for name, timeline in known.items() if any(s.label is not None for s in timeline)}
    return FolderOutcome(
        out=out,
        done=len(predicted - before),
        kept=len(predicted & before),
        unpredicted=len(known) - len(predicted),
        failed=failed,
        notes=notes,
    )


def _done_before(
    job: _PredictJob, recordings: Sequence[RecordingFile]
) -> tuple[dict[str, EmotionTimeline], dict[str, str]]:
    """What is there already, with what is newly asked for, and why that could not be written."""
    known: dict[str, EmotionTimeline] = {}
    failed: dict[str, str] = {}
    for recording in recordings:
        held = stored_result(ResultFiles(job.out, recording.name), recording, job.fingerprint)
        if held is None:
            continue
        try:
            job.write_missing(recording, *held)
        except EmofuseError as error:  # such as one that is too large to be within its page
            failed[recording.name] = str(error)
        else:
            known[recording.name] = held[1]
    return known, failed


def _runs_of(run: str) -> tuple[str, list[RunFolder]]:
    """How processes open the run, and the run itself or those of an ensemble."""
    if is_ensemble(Path(run)):
        return run, list(members_of(Path(run)))
    place = run_place(run)
    # An exported run has a program in the place of weights, and no training to be finished.
    folder = RunFolder(place) if is_export(place) else RunFolder.open(place)
    # A run of the hub is named by its folder from here on, so that nothing is fetched twice.
    return run if run == STARTER else str(folder.path), [folder]


def _changed(recording: RecordingFile) -> str:
    return f"{recording.file}: changed while it was predicted; run it again"


def _check_name(files: ResultFiles, also: Sequence[str]) -> None:
    """See that a recording's results can be called by its name, before time is spent on them."""
    names = (files.page, files.result, *map(files.beside, also))
    over = max(len(os.fsencode(file.name)) for file in names) - _NAME_BYTES
    if over > 0:
        raise EmofuseError(
            f"its name is {counted(over, 'byte')} too long for those of its results; shorten it"
        )


@dataclass(frozen=True)
class _PredictJob:
    """What each process does."""

    request: FolderRequest
    run: str
    fingerprint: str
    out: Path

    def begin(self) -> EmotionPipeline | EnsemblePipeline:
        return open_pipeline(self.run, device=self.request.device)

    def do(self, held: EmotionPipeline | EnsemblePipeline, task: RecordingFile) -> None:
        _check_name(ResultFiles(self.out, task.name), self.request.also)
        before = RecordingState.of(task.file)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EmofuseWarning)
            timeline = held(task.file, **self.request.options)
        if not before.is_of(task.file):  # such as one that is still being copied
            raise EmofuseError(_changed(task))
        files = ResultFiles(self.out, task.name)
        found = [str(each.message) for each in caught if issubclass(each.category, EmofuseWarning)]
        # The result goes first and comes last, since it says that all else is there and of the same run.
        files.result.unlink(missing_ok=True)
        for suffix in set(FORMATS) - set(self.request.also):
            files.beside(suffix).unlink(missing_ok=True)
        self._write(files, timeline, found)
        keep(files, before, self.fingerprint, timeline, found=found, media=self.request.media)

    def write_missing(
        self, recording: RecordingFile, stored: StoredResult, timeline: EmotionTimeline
    ) -> None:
        """Write what is asked for now and was not when the recording was predicted.

        Raises:
            EmofuseError: the page cannot play the recording as it is asked to, or a file cannot be written.
        """
        files = ResultFiles(self.out, recording.name)
        if stored.media != self.request.media:
            # A kill in between leaves no page, which is then written in the way that is asked for.
            files.page.unlink(missing_ok=True)
            write_result(files, stored.model_copy(update={"media": self.request.media}))
        self._write(files, timeline, stored.found, missing_only=True)

    def _write(
        self,
        files: ResultFiles,
        timeline: EmotionTimeline,
        found: Sequence[str],
        *,
        missing_only: bool = False,
    ) -> None:
        if not (missing_only and files.page.exists()):
            # How utterances were found stands on the recording's own page: of a thousand, nobody would read the lines.
            told = EmotionTimeline(timeline, timeline.labels, (*timeline.notes, *found))
            told.save_page(files.page, media=self.request.media, title=files.name)
        for suffix in self.request.also:
            file = files.beside(suffix)
            if not (missing_only and file.exists()):
                timeline.save(file)


def _write_overview(
    out: Path,
    recordings: Sequence[RecordingFile],
    known: Mapping[str, EmotionTimeline],
    failed: Mapping[str, str],
    notes: Sequence[str],
) -> None:
    segments: list[EmotionSegment] = [s for r in recordings for s in known.get(r.name, ())]
    if segments:
        write_text_aside(out / TABLE, segment_csv(segments))
    rows = [
        IndexRow(r.name, ResultFiles(out, r.name).page.relative_to(out), known[r.name])
        for r in recordings
        if r.name in known
    ]
    write_text_aside(out / INDEX, index_page(rows, failed, notes=notes, has_table=bool(segments)))


def checked_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Suffixes of formats that were named with or without a dot, in any case.

    Raises:
        EmofuseError: one is not known.
    """
    known = {suffix.removeprefix(".").lower(): suffix for suffix in FORMATS}
    found = []
    for name in names:
        key = name.strip().lower().removeprefix(".")
        if key not in known:
            raise EmofuseError(none_of("--also", name, known))
        found.append(known[key])
    return tuple(dict.fromkeys(found))


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without what was left unsaid, as values that JSON holds; they are part of a result's fingerprint."""
    # A zero is said, though it equals False: it is refused where it is used, as for a single recording.
    given = {k: value for k, value in options.items() if not (value is None or value is False or value == ())}
    return dict(json.loads(json.dumps(given, default=list)))
