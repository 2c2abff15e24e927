"""Fill a feature store from a manifest: only what is missing, in bounded memory. Broken files are set aside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emofuse.errors import EmofuseError
from emofuse.features.encoding import Encoded, encode_in_process, encode_in_processes, reason_of
from emofuse.features.identity import UtteranceEncoder
from emofuse.features.sources import Source, sources_of
from emofuse.features.store import FeatureError, FeatureReader, FeatureStore, FeatureWriter

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest
    from emofuse.data.quarantine import Quarantine

Progress = Callable[[int, int, str], None]
# A source whose features have been stored already, with the notes on it, or the reason why there are none.
Kept = tuple[Source, tuple[str, ...] | EmofuseError]
Elsewhere = Callable[[UtteranceEncoder, Sequence[Source]], Iterator[Sequence[Kept]]]

# There is nothing of the modality to encode, which is no fault of the file.
_ABSENT = ("no-audio", "silent")


@dataclass(frozen=True)
class ExtractionReport:
    """What became of the utterances of a manifest, or of the share of it that was asked for.

    Attributes:
        done: encoded now.
        skipped: were in the store already, made from the same source.
        absent: have nothing of this modality; a video without sound, or silent sound, is in the quarantine besides.
        quarantined: could not be read or encoded.
        reasons: how many of those set aside now, for each reason, such as ``{"no-face": 3}``.
        notes: how many were encoded now in a way that a user should know of, for each note in words.
    """

    done: int = 0
    skipped: int = 0
    absent: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict, compare=False)
    notes: dict[str, int] = field(default_factory=dict, compare=False)

    @property
    def total(self) -> int:
        """Utterances looked at."""
        return self.done + self.skipped + self.absent + self.quarantined


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
    processes: int = 1,
    base: FeatureReader | None = None,
    only: Collection[str] | None = None,
    elsewhere: Elsewhere | None = None,
) -> ExtractionReport:
    """Encode every utterance whose features are missing or were made from something else.

    It may be interrupted at any moment and run again: finished shards are kept, and nothing is encoded
    twice. Features of an utterance whose source has changed are made anew; where that fails they are
    withdrawn.

    Args:
        manifest: the utterances.
        encoder: of text, of sound (from ``audio``, else from the track of ``video``) or of video.
        store: where features are looked up and added.
        quarantine: notes what could not be read or encoded, with the reason.
        batch_size: most utterances that are handed to the encoder at once.
        progress: called with (utterances finished, utterances to do, what is being done).
        shard: (i, n): only every n-th row, from the i-th, 0 ≤ i < n; the n parts may run at once and on
            several machines.
        workers: threads that decode sound and video ahead of the encoder; 0 decodes in between.
        processes: above 1, so many processes decode and encode, each with a copy of the encoder, and
            ``workers`` has no meaning. It pays where an encoder works on one core (openSMILE, the embedded
            ones), and on large corpora: a process takes seconds to start. A script that asks for it must
            keep its own work under ``if __name__ == "__main__"``.
        base: of the same encoder, in a store that is only read: what it has is not made again.
        only: these utterances alone; the others are read as their context where the encoder reads that.
        elsewhere: encodes and stores what it is handed, on other machines; ``batch_size``, ``workers`` and
            ``processes`` have no meaning then.

    Raises:
        EmofuseError: the store is damaged or cannot be written.
    """
    job = _Job(encoder, store.reader(encoder.identity), quarantine, base)
    rows = _share(manifest, encoder, shard)
    todo = job.plan(rows if only is None else (row for row in rows if row[0] in only))
    report_progress = progress or (lambda done, total, message: None)
    message = f"{encoder.identity.modality} features ({encoder.identity.name})"
    report_progress(0, len(todo), message)
    if base is not None and not todo and not job.gone:
        return job.report
    with store.writer(encoder.identity) as writer:
        for source_id in job.gone:
            writer.withdraw(source_id)
        finished = 0
        batches: Iterable[Sequence[Encoded | Kept]]
        if elsewhere is not None:
            batches = elsewhere(encoder, todo)
        elif processes > 1:
            batches = encode_in_processes(encoder, todo, batch_size=batch_size, processes=processes)
        else:
            batches = encode_in_process(encoder, todo, batch_size=batch_size, workers=workers)
        for batch in batches:
            job.file(batch, writer)
            finished += len(batch)
            report_progress(finished, len(todo), message)
    return job.report


def _share(
    manifest: Manifest, encoder: UtteranceEncoder, shard: tuple[int, int] | None
) -> Iterator[tuple[str, Source | None]]:
    index, count = shard or (0, 1)
    if not 0 <= index < count:
        raise EmofuseError(
            f"part {index} of {count} does not exist; parts are numbered from 0 to {count - 1}"
        )
    # Of the whole manifest, because the neighbours of an utterance may belong to another part.
    sources = sources_of(manifest.rows(), encoder)
    return (row for place, row in enumerate(sources.items()) if place % count == index)


class _Job:
    """Decides what is to be done, files what comes of it, and counts."""

    def __init__(
        self,
        encoder: UtteranceEncoder,
        reader: FeatureReader,
        quarantine: Quarantine,
        base: FeatureReader | None = None,
    ) -> None:
        self._modality, self._reader, self._quarantine = encoder.identity.modality, reader, quarantine
        self._base = base
        self.report = ExtractionReport()
        self.gone: list[str] = []

    def plan(self, rows: Iterator[tuple[str, Source | None]]) -> list[Source]:
        """Sources to encode; texts longest first, so that like lengths meet in a batch."""
        todo = []
        for utterance_id, source in rows:
            if source is None:
                self._count(absent=1)
                if utterance_id in self._reader:
                    self.gone.append(utterance_id)
            elif _holds(self._reader, source) or _holds(self._base, source):
                self._count(skipped=1)
                self._quarantine.discard(utterance_id, self._modality)
                if utterance_id in self._reader and not _holds(self._reader, source):
                    self.gone.append(utterance_id)
            else:
                todo.append(source)
        return sorted(todo, key=lambda source: -source.text_length)

    def file(self, batch: Sequence[Encoded | Kept], writer: FeatureWriter) -> None:
        """Store features that are not stored yet, and set aside what has none."""
        for source, found in batch:
            if isinstance(found, EmofuseError):
                self._set_aside(source, found, writer)
            elif isinstance(found, tuple):
                self._count_done(source, found)
            else:
                try:
                    writer.add(source.id, source.fingerprint, found)
                except FeatureError as error:
                    self._set_aside(source, error, writer)
                else:
                    self._count_done(source, source.notes)

    def _count_done(self, source: Source, notes: Iterable[str]) -> None:
        self._count(done=1)
        for note in notes:
            self.report.notes[note] = self.report.notes.get(note, 0) + 1
        self._quarantine.discard(source.id, self._modality)

    def _set_aside(self, source: Source, error: EmofuseError, writer: FeatureWriter) -> None:
        reason = reason_of(error)
        if reason in _ABSENT:
            self._count(absent=1)
        else:
            self._count(quarantined=1)
        self.report.reasons[reason] = self.report.reasons.get(reason, 0) + 1
        self._quarantine.add(source.id, self._modality, str(source.path or ""), reason, str(error))
        if source.id in self._reader:
            writer.withdraw(source.id)

    def _count(self, **more: int) -> None:
        counts = {name: getattr(self.report, name) + number for name, number in more.items()}
        self.report = ExtractionReport(**{**vars(self.report), **counts})


def up_to_date(manifest: Manifest, encoder: UtteranceEncoder, reader: FeatureReader) -> set[str]:
    """Utterances whose features in a store were made from what the manifest has now."""
    return {id for id, source in sources_of(manifest.rows(), encoder).items() if _holds(reader, source)}


def _holds(reader: FeatureReader | None, source: Source | None) -> bool:
    """Whether a store has features that were made from this source."""
    if reader is None or source is None or source.id not in reader:
        return False
    return reader.fingerprint(source.id) == source.fingerprint
