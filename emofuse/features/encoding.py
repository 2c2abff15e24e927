"""Read and encode utterances: in this process with threads that decode ahead, or in several processes.

What is read and not yet encoded is bounded, however many utterances there are and however long.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

import numpy as np

from emofuse.data.media_error import MediaError
from emofuse.data.pictures import ClipPictures
from emofuse.data.sampling_rate import RATE
from emofuse.data.utterance import Utterance
from emofuse.data.worker_processes import begin_worker, workers_starting
from emofuse.errors import EmofuseError
from emofuse.features.identity import UnusableInputError, UtteranceEncoder, needs_of
from emofuse.features.sources import Source, sources_of

Read = tuple[Source, Any]  # what the encoder takes, or the EmofuseError that reading it gave
Encoded = tuple[Source, np.ndarray | EmofuseError]

# Decoded sound that waits for the encoder: ten minutes, 38 MB, or one sound that is longer.
_WAITING_BYTES = 600 * RATE * 4
_MEDIA_PER_TASK = 8  # clips that a process is handed at once: seconds of work, so that progress shows


def reason_of(error: EmofuseError) -> str:
    """The short code under which a failure to read or encode is counted."""
    return error.reason if isinstance(error, MediaError | UnusableInputError) else "not-encodable"


def encode_utterances(
    utterances: Iterable[Utterance],
    encoder: UtteranceEncoder,
    *,
    batch_size: int = 32,
    on_note: Callable[[str, str], None] | None = None,
) -> Iterator[tuple[str, np.ndarray | EmofuseError | None]]:
    """Features of utterances that are not to be stored, as for a prediction.

    Args:
        utterances: with absolute paths; whole dialogues where the encoder needs context.
        encoder: of any modality.
        batch_size: most utterances that are handed to the encoder at once.
        on_note: called with (id, note) of what had to be done to read an utterance.

    Yields:
        (id, features (dim,) or (T, dim)), in no particular order; in place of the features None where the
        utterance has nothing of this modality, or the error that says why it cannot be encoded.
    """
    sources = sources_of(utterances, encoder)
    yield from ((utterance_id, None) for utterance_id, source in sources.items() if source is None)
    held = [source for source in sources.values() if source is not None]
    for batch in encode_in_process(encoder, held, batch_size=batch_size, workers=0):
        for source, result in batch:
            if on_note is not None:
                for note in source.notes:
                    on_note(source.id, note)
            yield source.id, result


def encode_in_process(
    encoder: UtteranceEncoder, sources: Sequence[Source], *, batch_size: int, workers: int
) -> Iterator[list[Encoded]]:
    """Encode in this process; ``workers`` threads decode ahead, 0 decodes in between."""
    most = 1 if needs_of(encoder).singly else batch_size
    for batch in _batches(_read_ahead(sources, workers), most):
        encoded = _encode(encoder, batch)
        del batch  # not to be held while the next one is read
        yield encoded


def encode_in_processes(
    encoder: UtteranceEncoder, sources: Sequence[Source], *, batch_size: int, processes: int
) -> Iterator[list[Encoded]]:
    """Encode in ``processes`` processes, each with a copy of the encoder, which must be picklable.

    Raises:
        EmofuseError: a process died.
    """
    per_task = batch_size if encoder.identity.modality == "text" else _MEDIA_PER_TASK
    tasks = iter([sources[begin : begin + per_task] for begin in range(0, len(sources), per_task)])
    threads = max(1, (os.cpu_count() or 1) // processes)
    # Spawned, because a fork of a process whose libraries have threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _begin_work, (encoder, batch_size, threads))
    try:
        with workers_starting():
            waiting = deque(pool.submit(_work, task) for task in islice(tasks, 2 * processes))
        while waiting:
            yield waiting.popleft().result()
            with workers_starting():
                waiting.extend(pool.submit(_work, task) for task in islice(tasks, 1))
    except BrokenProcessPool:
        raise EmofuseError(
            "a process that encodes has died, for want of memory perhaps; what was finished is kept, so run "
            "it again with fewer processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """What a process of :func:`encode_in_processes` works with; set once, when it begins."""

    encoder: UtteranceEncoder
    batch_size: int


def _begin_work(encoder: UtteranceEncoder, batch_size: int, threads: int) -> None:
    begin_worker(threads)
    _Worker.encoder, _Worker.batch_size = encoder, batch_size


def _work(sources: Sequence[Source]) -> list[Encoded]:
    batches = encode_in_process(_Worker.encoder, sources, batch_size=_Worker.batch_size, workers=0)
    return [one for batch in batches for one in batch]


def _encode(encoder: UtteranceEncoder, batch: Sequence[Read]) -> list[Encoded]:
    """Every utterance of a batch with its features, or with the reason why there are none."""
    unread = [(source, item) for source, item in batch if isinstance(item, EmofuseError)]
    readable = [(source, item) for source, item in batch if not isinstance(item, EmofuseError)]
    return unread + list(_features(encoder, readable))


def _features(encoder: UtteranceEncoder, readable: Sequence[Read]) -> Iterator[Encoded]:
    if not readable:
        return
    try:
        features = encoder.encode([item for _, item in readable])
    except (EmofuseError, MemoryError, RuntimeError) as error:
        if not isinstance(error, EmofuseError) and not _is_out_of_memory(error):
            raise
        if len(readable) == 1:
            source = readable[0][0]
            yield source, error if isinstance(error, EmofuseError) else _out_of_memory(source)
            return
        for one in readable:  # one bad utterance must not take the others of its batch with it
            yield from _features(encoder, [one])
        return
    yield from zip((source for source, _ in readable), features, strict=True)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    # torch raises RuntimeErrors of its own: "... can't allocate memory", "CUDA out of memory".
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "allocate memory" in words


def _out_of_memory(source: Source) -> EmofuseError:
    what = "there is not enough memory to encode it: cut it, or give start and end"
    if source.path is None:
        return UnusableInputError("out-of-memory", f"{source.id}: {what}")
    return MediaError(source.path, "out-of-memory", what)


def _try_read(source: Source) -> Read:
    try:
        return source.read()
    except EmofuseError as error:
        return source, error
    except MemoryError:
        return source, _out_of_memory(source)


def _read_ahead(sources: Iterable[Source], workers: int) -> Iterator[Read]:
    """Read in threads (decoders let go of the interpreter), in order.

    Ahead are at most 2 sources per worker, and no more than is allowed to wait, or one that is longer.
    """
    if workers == 0:
        yield from map(_try_read, sources)
        return
    waiting: deque[tuple[Future[Read], int]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            expected = 0
            for source in sources:
                size = source.expected_bytes()
                while waiting and (len(waiting) > 2 * workers or expected + size > _WAITING_BYTES):
                    expected -= waiting[0][1]
                    yield waiting.popleft()[0].result()
                waiting.append((pool.submit(_try_read, source), size))
                expected += size
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            for future, _ in waiting:
                future.cancel()


def _batches(read: Iterable[Read], most: int) -> Iterator[list[Read]]:
    """Up to ``most`` items, and no more sound or pictures at once than fit into bounded memory."""
    batch: list[Read] = []
    held = 0
    for source, item in read:
        batch.append((source, item))
        held += item.nbytes if isinstance(item, np.ndarray | ClipPictures) else 0
        del source, item  # not to be held while the next one is read
        if len(batch) >= most or held >= _WAITING_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
