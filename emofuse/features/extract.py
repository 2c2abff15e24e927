"""Fill a feature store from a manifest: only what is missing, in bounded memory, past what is broken."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emofuse.data.audio import read_audio
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.media_error import MediaError
from emofuse.data.modality import Modality
from emofuse.data.quarantine import Quarantine
from emofuse.errors import EmofuseError
from emofuse.features.identity import UtteranceEncoder
from emofuse.features.store import FeatureError, FeatureReader, FeatureStore, FeatureWriter

Progress = Callable[[int, int, str], None]

# Decoded sound that waits for the encoder: ten minutes, 38 MB, however long the single files are.
_WAITING_SAMPLES = 600 * 16_000
_NO_SOUND = "no-audio"


@dataclass(frozen=True)
class ExtractionReport:
    """What became of the utterances of a manifest, or of the share of it that was asked for.

    Attributes:
        done: encoded now.
        skipped: were in the store already, made from the same source.
        absent: have nothing of this modality; a video without sound is in the quarantine besides.
        quarantined: could not be read or encoded.
    """

    done: int = 0
    skipped: int = 0
    absent: int = 0
    quarantined: int = 0

    @property
    def total(self) -> int:
        """Utterances looked at."""
        return self.done + self.skipped + self.absent + self.quarantined


@dataclass(frozen=True)
class _Source:
    """One utterance as an encoder's input, not read yet."""

    id: str
    fingerprint: str
    text: str | None = None
    path: Path | None = None
    start: float | None = None
    end: float | None = None

    def read(self) -> str | np.ndarray:
        return read_audio(self.path, start=self.start, end=self.end) if self.path else self.text or ""


def extract_features(
    manifest: Manifest,
    encoder: UtteranceEncoder,
    store: FeatureStore,
    *,
    quarantine: Quarantine,
    batch_size: int = 64,
    progress: Progress | None = None,
    shard: tuple[int, int] | None = None,
    workers: int = 2,
) -> ExtractionReport:
    """Encode every utterance whose features are missing or were made from something else.

    It may be interrupted at any moment and run again: finished shards are kept, and nothing is encoded
    twice. Features of an utterance whose source has changed are made anew; where that fails they are
    withdrawn.

    Args:
        manifest: the utterances.
        encoder: of text, or of sound (from ``audio``, else from the track of ``video``).
        store: where features are looked up and added.
        quarantine: is told of what could not be read or encoded, with the reason.
        batch_size: most utterances that are handed to the encoder at once.
        progress: called with (utterances finished, utterances to do, what is being done).
        shard: (i, n): only every n-th row, from the i-th, 0 ≤ i < n; the n parts may run at once and on
            several machines.
        workers: threads that decode sound ahead of the encoder; 0 decodes in between.

    Raises:
        EmofuseError: the store is damaged or cannot be written.
    """
    job = _Job(encoder, store.reader(encoder.identity), quarantine)
    todo = job.plan(_share(manifest, shard))
    report_progress = progress or (lambda done, total, message: None)
    message = f"{encoder.identity.modality} features ({encoder.identity.name})"
    report_progress(0, len(todo), message)
    with store.writer(encoder.identity) as writer:
        for source_id in job.gone:
            writer.withdraw(source_id)
        finished = 0
        for batch in _batches(_read_ahead(todo, workers), batch_size):
            job.encode(batch, writer)
            finished += len(batch)
            report_progress(finished, len(todo), message)
    return job.report


def _share(manifest: Manifest, shard: tuple[int, int] | None) -> Iterator[Utterance]:
    index, count = shard or (0, 1)
    if not 0 <= index < count:
        raise EmofuseError(
            f"part {index} of {count} does not exist; parts are numbered from 0 to {count - 1}"
        )
    return (row for place, row in enumerate(manifest.rows()) if place % count == index)


class _Job:
    """Decides what is to be done, does it batch by batch, and counts."""

    def __init__(self, encoder: UtteranceEncoder, reader: FeatureReader, quarantine: Quarantine) -> None:
        self._encoder, self._reader, self._quarantine = encoder, reader, quarantine
        self.report = ExtractionReport()
        self.gone: list[str] = []

    def plan(self, rows: Iterable[Utterance]) -> list[_Source]:
        """Sources to encode; texts longest first, so that like lengths meet in a batch."""
        todo = []
        modality = self._encoder.identity.modality
        for row in rows:
            source = _source(row, modality)
            if source is None:
                self._count(absent=1)
                if row.id in self._reader:
                    self.gone.append(row.id)
            elif row.id in self._reader and self._reader.fingerprint(row.id) == source.fingerprint:
                self._count(skipped=1)
                self._quarantine.discard(row.id, modality)
            else:
                todo.append(source)
        return sorted(todo, key=lambda source: -len(source.text or ""))

    def encode(self, batch: Sequence[_Read], writer: FeatureWriter) -> None:
        """Encode what could be read and file it; set the rest aside."""
        readable = []
        for source, item in batch:
            if isinstance(item, EmofuseError):
                self._set_aside(source, item, writer)
            else:
                readable.append((source, item))
        for source, features in self._features(readable):
            if isinstance(features, EmofuseError):
                self._set_aside(source, features, writer)
                continue
            try:
                writer.add(source.id, source.fingerprint, features)
            except FeatureError as error:
                self._set_aside(source, error, writer)
            else:
                self._count(done=1)
                self._quarantine.discard(source.id, self._encoder.identity.modality)

    def _features(self, readable: Sequence[tuple[_Source, Any]]) -> Iterator[tuple[_Source, Any]]:
        """Sources with their features, or with the error of those that the encoder refuses."""
        if not readable:
            return
        try:
            features = self._encoder.encode([item for _, item in readable])
        except EmofuseError as error:
            if len(readable) == 1:
                yield readable[0][0], error
                return
            for one in readable:  # one bad utterance must not take the others of its batch with it
                yield from self._features([one])
            return
        yield from zip((source for source, _ in readable), features, strict=True)

    def _set_aside(self, source: _Source, error: EmofuseError, writer: FeatureWriter) -> None:
        reason = error.reason if isinstance(error, MediaError) else "not-encodable"
        if reason == _NO_SOUND:
            self._count(absent=1)
        else:
            self._count(quarantined=1)
        modality, path = self._encoder.identity.modality, str(source.path or "")
        self._quarantine.add(source.id, modality, path, reason, str(error))
        if source.id in self._reader:
            writer.withdraw(source.id)

    def _count(self, **more: int) -> None:
        counts = {name: getattr(self.report, name) + number for name, number in more.items()}
        self.report = ExtractionReport(**{**vars(self.report), **counts})


_Read = tuple[_Source, Any]  # what the encoder takes, or the EmofuseError that reading it gave


def _source(row: Utterance, modality: Modality) -> _Source | None:
    if modality == "text":
        if row.text is None:
            return None
        return _Source(row.id, _digest("text", row.text), text=row.text)
    path = row.audio or row.video
    if path is None:
        return None
    try:
        status = path.stat()
        stamp = f"{status.st_size} {status.st_mtime_ns}"
    except OSError:
        stamp = "missing"  # reading it will say so
    return _Source(
        row.id,
        _digest("media", path.name, stamp, repr(row.start), repr(row.end)),
        path=path,
        start=row.start,
        end=row.end,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _try_read(source: _Source) -> _Read:
    try:
        return source, source.read()
    except EmofuseError as error:
        return source, error


def _read_ahead(sources: Iterable[_Source], workers: int) -> Iterator[_Read]:
    """Read in threads (decoders let go of the interpreter), in order, at most 2 per worker ahead."""
    if workers == 0:
        yield from map(_try_read, sources)
        return
    waiting: deque[Future[_Read]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for source in sources:
                waiting.append(pool.submit(_try_read, source))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(read: Iterable[_Read], most: int) -> Iterator[list[_Read]]:
    """Up to ``most`` items, and no more sound at once than fits into bounded memory."""
    batch: list[_Read] = []
    samples = 0
    for source, item in read:
        batch.append((source, item))
        samples += item.size if isinstance(item, np.ndarray) else 0
        if len(batch) >= most or samples >= _WAITING_SAMPLES:
            yield batch
            batch, samples = [], 0
    if batch:
        yield batch
