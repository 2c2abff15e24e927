"""How much of everything the server takes."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000
SHORTEST_SEGMENT = 0.25  # seconds
MOST_SEGMENTS = 5_000
MOST_EXPLAINED = 20  # an explanation asks the run once for every set of modalities
LONGEST_TEXT = 10_000  # characters
MOST_CONTEXT = 50  # utterances


@dataclass(frozen=True)
class ServeLimits:
    """Bounds on what is asked of a server.

    Attributes:
        upload_bytes: of one request.
        stored_bytes: of all uploads that are coming in or waiting, and of the pages of finished jobs, together.
        upload_seconds: that a request may take to arrive.
        recording_seconds: length of a recording.
        job_seconds: that a prediction may take once it is begun.
        load_seconds: that a worker may take to load the run.
        waiting: jobs that wait for a worker.
        kept_seconds: that a finished job's answer is kept.
        live_sessions: conversations that are listened to at once; each has a worker of its own.
        live_seconds: that one of them may last.
    """

    upload_bytes: int = 200 * MEGABYTE
    stored_bytes: int = 2_000 * MEGABYTE
    upload_seconds: float = 300.0
    recording_seconds: float = 1_800.0
    job_seconds: float = 600.0
    load_seconds: float = 300.0
    waiting: int = 50
    kept_seconds: float = 600.0
    live_sessions: int = 2
    live_seconds: float = 7_200.0
