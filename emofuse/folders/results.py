"""What is kept of each recording, and how it is known that it need not be done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from emofuse.data.atomic import write_text_aside
from emofuse.data.found_recordings import RecordingFile
from emofuse.data.stored_files import stored_json
from emofuse.errors import EmofuseError
from emofuse.inference.exporting.places import EXPORT_FILE, PROGRAM_FILES, is_export
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.timelines.page_media import Media
from emofuse.runs.hub import RUN_FILES
from emofuse.runs.run_folder import RunFolder

_DESCRIPTIONS = frozenset({"README.md", "metrics.json"})  # what says nothing else changes no prediction
RECORDINGS = "recordings"


class RecordingState(BaseModel):
    """A recording as it was before it was predicted."""

    model_config = ConfigDict(extra="forbid")

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, file: Path) -> RecordingState:
        """A recording as it is now.

        Raises:
            OSError: it cannot be read.
        """
        status = file.stat()
        return cls(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=_sha256(file))

    def is_of(self, file: Path) -> bool:
        """Whether a recording is this one: its size and time of change are, or else its content is.

        Raises:
            OSError: it cannot be read.
        """
        status = file.stat()
        if status.st_size != self.size:
            return False
        return status.st_mtime_ns == self.mtime_ns or _sha256(file) == self.sha256


class StoredResult(BaseModel):
    """The file of a recording's result.

    Attributes:
        emofuse: the version that made it.
        run: fingerprint of the run and of what was asked of it.
        recording: the file that was predicted.
        labels: of the run.
        notes: what whoever sees the predictions must know.
        segments: what the run says.
        found: how its utterances were found, which its page says.
        media: how its page plays it.
    """

    model_config = ConfigDict(extra="forbid")

    emofuse: str
    run: str
    recording: RecordingState
    labels: list[str]
    notes: list[str]
    segments: list[dict[str, Any]]
    found: list[str] = []
    media: Media | None = None

    def timeline(self) -> EmotionTimeline:
        """The predictions.

        Raises:
            ValidationError: somebody has edited them.
        """
        segments = TypeAdapter(list[EmotionSegment]).validate_python(self.segments)
        return EmotionTimeline(segments, self.labels, self.notes)


@dataclass(frozen=True)
class ResultFiles:
    """Where the results of one recording lie below the folder of results."""

    out: Path
    name: str

    @property
    def result(self) -> Path:
        """Everything, as JSON; there once the recording is done."""
        return self.beside(".json")

    @property
    def page(self) -> Path:
        """The page."""
        return self.beside(".html")

    def beside(self, suffix: str) -> Path:
        """The recording's name with another suffix behind its own, so that no two share a file."""
        return self.out / RECORDINGS / f"{self.name}{suffix}"


def run_fingerprint(runs: Sequence[RunFolder], options: Mapping[str, Any]) -> str:
    """SHA-256 of all that decides a prediction besides the recording.

    Args:
        runs: one, or those of an ensemble; the files that a prediction reads are taken in by content, of an exported
            run the program and export.json too.
        options: what is asked of the run; plain values.
    """
    digest = hashlib.sha256(version("emofuse").encode())
    digest.update(json.dumps(options, sort_keys=True, ensure_ascii=True).encode())
    for run in runs:
        for name, file in _run_files(run):
            digest.update(f"\0{name}\0{_sha256(file)}".encode())
    return digest.hexdigest()


def _run_files(run: RunFolder) -> Iterator[tuple[str, Path]]:
    program = (EXPORT_FILE, *PROGRAM_FILES.values()) if is_export(run.path) else ()
    for name in (*RUN_FILES, *program):
        if name not in _DESCRIPTIONS and (run.path / name).is_file():
            yield name, run.path / name
    encoders = run.path / "encoders"
    for file in sorted(encoders.rglob("*")) if encoders.is_dir() else ():
        if file.is_file():
            yield file.relative_to(run.path).as_posix(), file


def finished(files: ResultFiles, recording: RecordingFile, run: str) -> EmotionTimeline | None:
    """What was kept of a recording, if it is of the same run, the same question and the same recording."""
    held = stored_result(files, recording, run)
    return None if held is None else held[1]


def stored_result(
    files: ResultFiles, recording: RecordingFile, run: str
) -> tuple[StoredResult, EmotionTimeline] | None:
    """The same, with all that its file says."""
    try:
        if not files.result.is_file():  # an error where the name is longer than the system takes
            return None
        stored = StoredResult.model_validate(stored_json(files.result, "it is made again"))
        if stored.run != run or not stored.recording.is_of(recording.file):
            return None
        return stored, stored.timeline()
    except (EmofuseError, ValidationError, OSError):
        return None


def keep(
    files: ResultFiles,
    recording: RecordingState,
    run: str,
    timeline: EmotionTimeline,
    *,
    found: Sequence[str] = (),
    media: Media | None = None,
) -> None:
    """Write the result of a recording, which is then done.

    Args:
        files: of its results.
        recording: as it was before it was predicted.
        run: fingerprint of the run and of what was asked of it.
        timeline: what the run says.
        found: how its utterances were found.
        media: how its page plays it.

    Raises:
        OSError: it cannot be written.
    """
    stored = StoredResult(
        emofuse=version("emofuse"),
        run=run,
        recording=recording,
        labels=list(timeline.labels),
        notes=list(timeline.notes),
        segments=[segment.to_dict() for segment in timeline],
        found=list(found),
        media=media,
    )
    write_result(files, stored)


def write_result(files: ResultFiles, stored: StoredResult) -> None:
    """Write the file of a recording's result.

    Raises:
        OSError: it cannot be written.
    """
    files.result.parent.mkdir(parents=True, exist_ok=True)
    # ASCII, since the name of a file may hold bytes that are no text.
    write_text_aside(files.result, json.dumps(stored.model_dump(), ensure_ascii=True) + "\n")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
