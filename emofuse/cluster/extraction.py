"""Features made on a Ray cluster: Ray Data hands rows to encoders, and each writes shards of its own into the store."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import isqrt
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import ray.data
import torch
from ray.exceptions import RayError

from emofuse.cluster.shared_folders import SharedFolders, UnseenFolderError, shared_folders
from emofuse.cluster.tasks import places, task_options
from emofuse.data.manifest import Manifest
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.errors import EmofuseError, reason_of
from emofuse.features.encoding import encode_in_process
from emofuse.features.encoding import reason_of as code_of
from emofuse.features.extract import Kept
from emofuse.features.identity import UnusableInputError, UtteranceEncoder
from emofuse.features.sources import Source, sources_of
from emofuse.features.store import FeatureError, FeatureStore
from emofuse.runs.corpus import choose_device

# Of each block of rows an encoder writes one shard; what dies with it costs one block. Many small ones slow readers down.
_BLOCKS, _SMALLEST, _LARGEST = 256, 8, 2048
_RESULT_COLUMNS = pa.schema(
    [("id", pa.string()), ("reason", pa.string()), ("message", pa.string()), ("notes", pa.list_(pa.string()))]
)
RowResult = tuple[str, str | None, str | None, list[str]]
# In the place of a row's reason: why a node's encoder could not be set up.
_NOT_SET_UP: dict[str, type[EmofuseError]] = {"unseen": UnseenFolderError, "not-set-up": EmofuseError}


@dataclass(frozen=True)
class ClusterExtraction:
    """Encodes and stores on the cluster what `extract_features` hands it.

    Attributes:
        manifest: file that every node reads.
        spec: of the encoder, which every node makes for itself.
        store: folder of the feature store.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        workers: threads of a process that decode media.
        threads: processor threads of a process.
    """

    manifest: Path
    spec: EncoderSpec
    store: Path
    device: str
    workers: int
    threads: int

    def __call__(self, encoder: UtteranceEncoder, sources: Sequence[Source]) -> Iterator[list[Kept]]:
        """Encode sources; what a process died at is tried again in smaller blocks, and a row alone that it dies of is named.

        Args:
            encoder: the same on this machine; what the nodes make must have its identity.
            sources: of the manifest.

        Yields:
            Each source, with the reason why nothing was stored of it, or None.

        Raises:
            EmofuseError: a node does not see the folders, or makes another encoder.
        """
        if not sources:
            return
        waiting = {source.id: source for source in sources}
        with shared_folders(self.store, [self.manifest, *self._model_folder()]) as folders:
            size = min(_LARGEST, max(_SMALLEST, len(sources) // _BLOCKS))
            # What a process died at is tried again in smaller blocks, since each that succeeds is a shard.
            for each in (size, *([isqrt(size)] if size > _SMALLEST else []), 1):
                for results in self._pass(encoder, list(waiting.values()), each, folders):
                    yield [(waiting.pop(one["id"]), _result(one)) for one in results]
        yield [(source, _died(source)) for source in waiting.values()]

    def _model_folder(self) -> list[Path]:
        folder = Path(self.spec.name).expanduser()
        return [folder] if folder.is_dir() else []

    def _pass(
        self, encoder: UtteranceEncoder, sources: Sequence[Source], size: int, folders: SharedFolders
    ) -> Iterator[list[dict[str, Any]]]:
        """What became of the rows of each block; a block is missing where its process died each time."""
        if not sources:
            return
        rows = pa.table(
            {
                "id": [source.id for source in sources],
                "fingerprint": [source.fingerprint for source in sources],
            }
        )
        blocks = [rows.slice(begin, size) for begin in range(0, len(rows), size)]
        results = _mapped(
            blocks,
            {
                "folders": asdict(folders),
                "manifest": str(self.manifest.absolute()),
                "spec": self.spec.model_dump(mode="json"),
                "store": str(self.store.absolute()),
                "device": self.device,
                "digest": encoder.identity.digest,
                "workers": self.workers,
                "threads": self.threads,
            },
            task_options(self.threads, self.device),
        )
        try:
            for block in results.iter_batches(batch_size=None, batch_format="pyarrow"):
                found = block.to_pylist()
                for one in found:
                    if one["reason"] in _NOT_SET_UP:
                        raise _NOT_SET_UP[one["reason"]](one["message"])
                yield found
        except RayError as error:
            raise EmofuseError(
                f"the cluster stopped encoding ({reason_of(error)[:300]}); what was finished is kept"
            ) from None


def _mapped(blocks: list[pa.Table], settings: dict[str, Any], options: dict[str, Any]) -> ray.data.Dataset:
    """The blocks through encoders, one for each place on the cluster."""
    _calm_ray_data()  # first: a data set keeps what holds when it is made
    del options["scheduling_strategy"]  # Ray Data spreads them itself
    most = min(len(blocks), places(options))
    with warnings.catch_warnings():
        # pyproject.toml names the version from which on this is asked for otherwise.
        warnings.simplefilter("ignore", DeprecationWarning)
        return ray.data.from_arrow(blocks).map_batches(
            _NodeEncoder,
            fn_constructor_kwargs=settings,
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            # One block at a time, so that none dies of its neighbour.
            compute=ray.data.ActorPoolStrategy(
                min_size=1, initial_size=most, max_size=most, max_tasks_in_flight_per_actor=1
            ),
            # An encoder that has died is made again. Ray would give it the same rows for ever.
            ray_remote_args_fn=partial(dict, max_restarts=-1, max_task_retries=0),
            **options,
        )


def _calm_ray_data() -> None:
    """No bars of its own, and a block that is lost ends nothing."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def _result(row: dict[str, Any]) -> EmofuseError | tuple[str, ...]:
    if row["reason"] is None:
        return tuple(row["notes"])
    return UnusableInputError(row["reason"], row["message"])


def _died(source: Source) -> EmofuseError:
    what = source.path or source.id
    return UnusableInputError(
        "worker-died", f"{what}: the process that encoded it died each time; look at this row"
    )


class _NodeEncoder:
    """An encoder in a process of a node; Ray makes it once and hands it blocks of rows."""

    def __init__(
        self,
        *,
        folders: dict[str, Any],
        manifest: str,
        spec: dict[str, Any],
        store: str,
        device: str,
        digest: str,
        workers: int,
        threads: int,
    ) -> None:
        torch.set_num_threads(threads)
        self._workers, self._batch_size = workers, int(spec["batch_size"])
        self._trouble: tuple[str, str] | None = None
        try:
            SharedFolders(**folders).enter()
            self._manifest = Manifest.read(manifest)
            self._encoder = create_encoder(EncoderSpec.model_validate(spec), device=choose_device(device))
            if self._encoder.identity.digest != digest:
                raise EmofuseError(f"encoder {self._encoder.identity.name}: a node has another version of it")
        except Exception as error:  # told with the first block, since Ray would try for ever
            kind = "unseen" if isinstance(error, UnseenFolderError) else "not-set-up"
            self._trouble = kind, reason_of(error)
            return
        self._store = FeatureStore(store)
        # Texts may be read with their neighbours; a look at each media file is left for when its turn comes.
        is_text = self._encoder.identity.modality == "text"
        self._texts = sources_of(self._manifest.rows(), self._encoder) if is_text else {}

    def __call__(self, rows: pa.Table) -> pa.Table:
        ids, fingerprints = rows["id"].to_pylist(), rows["fingerprint"].to_pylist()
        results: list[RowResult]
        if self._trouble is not None:
            results = [(id, *self._trouble, []) for id in ids]
        else:
            results = list(self._encode(dict(zip(ids, fingerprints, strict=True))))
        columns = zip(*results, strict=True)
        return pa.table([list(column) for column in columns], schema=_RESULT_COLUMNS)

    def _encode(self, wanted: dict[str, str]) -> Iterator[RowResult]:
        found = self._texts or sources_of([self._manifest.utterance(id) for id in wanted], self._encoder)
        sources = []
        for id, fingerprint in wanted.items():
            source = found.get(id)
            if source is None or source.fingerprint != fingerprint:
                yield (
                    id,
                    "changed",
                    f"{id}: a node sees it differently than this machine; copy it again, or wait",
                    [],
                )
            else:
                sources.append(source)
        with self._store.writer(self._encoder.identity) as writer:
            for batch in encode_in_process(
                self._encoder, sources, batch_size=self._batch_size, workers=self._workers
            ):
                for source, features in batch:
                    if isinstance(features, EmofuseError):
                        yield source.id, code_of(features), str(features), []
                        continue
                    try:
                        writer.add(source.id, source.fingerprint, features)
                    except FeatureError as error:
                        yield source.id, code_of(error), str(error), []
                    else:
                        yield source.id, None, None, list(source.notes)
