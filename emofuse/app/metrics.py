"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class ServerMetrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._jobs = Counter("emofuse_jobs", "Jobs that have ended", ["outcome"], registry=self.registry)
        self._seconds = Histogram(
            "emofuse_job_seconds",
            "Time that workers spent on a job",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._waited = Histogram(
            "emofuse_waiting_seconds", "Time that jobs waited", buckets=_SECONDS, registry=self.registry
        )
        self._waiting = Gauge("emofuse_jobs_waiting", "Jobs in the queue", registry=self.registry)
        self._running = Gauge("emofuse_jobs_running", "Jobs that are worked on", registry=self.registry)
        self._ready = Gauge("emofuse_workers", "Workers that have the run loaded", registry=self.registry)
        self._deaths = Counter(
            "emofuse_worker_deaths", "Workers that died and were replaced", registry=self.registry
        )
        self._bytes = Counter("emofuse_upload_bytes", "Bytes of requests", registry=self.registry)
        self._refused = Counter(
            "emofuse_refused_requests", "Requests that were refused", ["status"], registry=self.registry
        )
        self._listening = Gauge("emofuse_live_sessions", "Conversations listened to", registry=self.registry)
        self._latency = Histogram(
            "emofuse_live_latency_seconds",
            "From the end of an utterance to its answer",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def watch_queue(self, waiting: Callable[[], int], ready: Callable[[], int]) -> None:
        """Ask the queue whenever the metrics are read."""
        self._waiting.set_function(lambda: float(waiting()))
        self._ready.set_function(lambda: float(ready()))

    def finished(self, outcome: str) -> None:
        """A job has ended."""
        self._jobs.labels(outcome).inc()

    def waited(self, seconds: float) -> None:
        """A job's turn has come."""
        self._waited.observe(seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """A worker is at a job."""
        with self._running.track_inprogress(), self._seconds.time():
            yield

    def worker_died(self) -> None:
        """A worker has died."""
        self._deaths.inc()

    def received(self, count: int) -> None:
        """Bytes of a request."""
        self._bytes.inc(count)

    def refused(self, status: int) -> None:
        """A request was refused."""
        self._refused.labels(str(status)).inc()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """A conversation is listened to."""
        with self._listening.track_inprogress():
            yield

    def answered(self, latency: float) -> None:
        """An utterance's emotion was told."""
        self._latency.observe(latency)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
