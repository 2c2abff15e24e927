"""Features on disk: one folder per encoder, filled in shards, read without copying.

    <root>/<identity digest>/identity.json     what the encoder is
    <root>/<identity digest>/<stamp>-<token>.arrow

Shards are never changed. Several writers may fill one store at once, and of two rows for one utterance
the newest counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from pydantic import ValidationError

from emofuse.data.atomic import write_text_aside
from emofuse.data.stored_files import stored_bytes
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity
from emofuse.features.shard import Row, Shard, leftovers, open_shard, shard_files, write_shard

_IDENTITY_FILE = "identity.json"
_IDENTITY_BYTES = 1 << 20
_WITHDRAWN = ""  # the fingerprint of a row that takes back earlier ones
_LEFTOVER_SECONDS = 3600.0  # a shard is written in seconds; an older aside file has lost its writer


class FeatureError(EmofuseError):
    """Features that cannot be kept: the utterance is at fault, not the store."""


class FeatureStore:
    """Features of any number of encoders below one folder.

    Args:
        root: the folder; made when something is first written.
        shard_rows: rows a writer gathers before it writes a shard.
        shard_seconds: time after which it writes what it has; bounds what an interruption costs.
        shard_bytes: size after which it writes what it has; bounds memory.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        shard_rows: int = 2048,
        shard_seconds: float = 30.0,
        shard_bytes: int = 64 << 20,
    ) -> None:
        self.root = Path(root)
        self.shard_rows, self.shard_seconds, self.shard_bytes = shard_rows, shard_seconds, shard_bytes

    def identities(self) -> list[EncoderIdentity]:
        """The encoders that have features here, in the order of their digests."""
        return [_read_identity(file) for file in sorted(self.root.glob(f"*/{_IDENTITY_FILE}"))]

    def reader(self, identity: EncoderIdentity) -> FeatureReader:
        """What is stored of ``identity`` now; empty when there is nothing."""
        return FeatureReader(self.root / identity.digest, identity)

    def writer(self, identity: EncoderIdentity) -> FeatureWriter:
        """Add features of ``identity``; use it in a ``with`` block."""
        return FeatureWriter(
            self.root / identity.digest, identity, self.shard_rows, self.shard_seconds, self.shard_bytes
        )


def _read_identity(file: Path) -> EncoderIdentity:
    advice = f"delete {file.parent} and extract again"
    try:
        return EncoderIdentity.model_validate_json(stored_bytes(file, advice, _IDENTITY_BYTES))
    except ValidationError:
        raise EmofuseError(f"{file}: does not say which encoder made these features; {advice}") from None


class FeatureWriter:
    """Gathers rows and writes them as shards. Made by :meth:`FeatureStore.writer`."""

    def __init__(
        self, folder: Path, identity: EncoderIdentity, rows: int, seconds: float, nbytes: int
    ) -> None:
        self.folder, self.identity = folder, identity
        self._limits = (rows, seconds, nbytes)
        self._rows: list[Row] = []
        self._bytes = 0
        self._since = time.monotonic()
        self._prepare()

    def _prepare(self) -> None:
        file = self.folder / _IDENTITY_FILE
        if self.folder.is_symlink():  # a store may be anybody's, and does not decide where it is written
            raise EmofuseError(
                f"{self.folder}: is a link; remove it, since features are kept in a store itself"
            )
        try:
            if not file.exists():
                write_text_aside(file, self.identity.model_dump_json(indent=2) + "\n")
            for leftover in leftovers(self.folder):
                if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                    leftover.unlink(missing_ok=True)
        except OSError as error:
            raise self._refusal("cannot keep features there", error) from None
        if _read_identity(file) != self.identity:
            raise EmofuseError(f"{file}: names another encoder than its folder; delete {self.folder}")

    def add(self, utterance_id: str, fingerprint: str, features: np.ndarray) -> None:
        """Take one utterance's features: (dim,) or (T, dim).

        Args:
            utterance_id: whose they are.
            fingerprint: of the source they were made from; not empty.
            features: finite numbers.

        Raises:
            FeatureError: another shape, or a number that is not finite.
            EmofuseError: the shard that was due cannot be written.
        """
        array = np.array(features, dtype=np.float32)  # a copy: batches are reused and memory-mapped
        if array.ndim not in (1, 2) or array.shape[-1] != self.identity.dim:
            raise FeatureError(
                f"utterance {utterance_id}: features of shape {array.shape} do not fit {self.identity.name}, "
                f"which gives {self.identity.dim} per vector"
            )
        if not np.isfinite(array).all():
            raise FeatureError(
                f"utterance {utterance_id}: its features hold NaN or infinity; nothing is kept"
            )
        self._gather(utterance_id, fingerprint, array)

    def withdraw(self, utterance_id: str) -> None:
        """Take back what is stored of an utterance whose source can no longer be read."""
        self._gather(utterance_id, _WITHDRAWN, np.zeros(self.identity.dim, np.float32))

    def _gather(self, utterance_id: str, fingerprint: str, array: np.ndarray) -> None:
        self._rows.append(Row(utterance_id, fingerprint, array))
        self._bytes += array.nbytes
        rows, seconds, nbytes = self._limits
        late = time.monotonic() - self._since >= seconds
        if late or len(self._rows) >= rows or self._bytes >= nbytes:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered as one shard."""
        if self._rows:
            try:
                write_shard(self.folder, self.identity.digest, self._rows)
            except OSError as error:
                raise self._refusal("cannot write features", error) from None
        self._rows, self._bytes, self._since = [], 0, time.monotonic()

    def _refusal(self, what: str, error: OSError) -> EmofuseError:
        return EmofuseError(
            f"{self.folder}: {what} ({error.strerror or error}); make room, or name another folder with "
            "--set data.features=FOLDER (`emofuse extract`: --store FOLDER)"
        )

    def __enter__(self) -> FeatureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What was encoded before an error or an interruption is finished work.
        self.flush()


class FeatureReader(Mapping[str, np.ndarray]):
    """Features of one encoder by utterance id. Made by :meth:`FeatureStore.reader`.

    A snapshot of what was stored when it was first used. It may be handed to other processes: each
    opens the files itself. Arrays are read-only views of the files: (dim,) or (T, dim) float32.
    """

    def __init__(self, folder: Path, identity: EncoderIdentity) -> None:
        self.folder, self.identity = folder, identity
        self._opened: tuple[list[Shard], dict[str, tuple[int, int]]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "identity": self.identity, "_opened": None}

    def _open(self) -> tuple[list[Shard], dict[str, tuple[int, int]]]:
        if self._opened is None:
            shards = [open_shard(file, self.identity) for file in shard_files(self.folder)]
            places: dict[str, tuple[int, int]] = {}
            for number, shard in enumerate(shards):
                places.update((utterance_id, (number, row)) for row, utterance_id in enumerate(shard.ids))
            for utterance_id, (number, row) in list(places.items()):
                if shards[number].fingerprints[row] == _WITHDRAWN:
                    del places[utterance_id]
            self._opened = shards, places
        return self._opened

    @property
    def dim(self) -> int:
        """Features per vector."""
        return self.identity.dim

    @property
    def ids(self) -> list[str]:
        """Every utterance that has features, in no particular order."""
        return list(self._open()[1])

    def __len__(self) -> int:
        return len(self._open()[1])

    def __iter__(self) -> Iterator[str]:
        return iter(self._open()[1])

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self._open()[1]

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        shards, places = self._open()
        number, row = places[utterance_id]
        shard = shards[number]
        array = shard.values[shard.offsets[row] : shard.offsets[row + 1]]
        length = shard.lengths[row]
        return array if length is None else array.reshape(length, self.identity.dim)

    def fingerprint(self, utterance_id: str) -> str:
        """Of the source that the features were made from."""
        shards, places = self._open()
        number, row = places[utterance_id]
        return shards[number].fingerprints[row]

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those of ``ids`` that have no features, in their order."""
        places = self._open()[1]
        return [utterance_id for utterance_id in ids if utterance_id not in places]

    def matrix(self, ids: Sequence[str]) -> np.ndarray:
        """(N, dim) float32, a copy, one row per id.

        Raises:
            EmofuseError: an id without features, or with a sequence instead of a vector.
        """
        absent = self.missing(ids)
        if absent:
            raise EmofuseError(
                f"{self.folder}: {len(absent)} of {len(ids)} utterances have no features, the first is "
                f"{absent[0]}; run `emofuse extract` on them"
            )
        shards, places = self._open()
        where = np.array([places[utterance_id] for utterance_id in ids], dtype=np.int64).reshape(-1, 2)
        out = np.empty((len(ids), self.identity.dim), dtype=np.float32)
        for number in np.unique(where[:, 0]):
            vectors = shards[number].vectors
            if vectors is None:
                raise EmofuseError(f"{self.folder}: holds sequences, not one vector per utterance")
            chosen = where[:, 0] == number
            out[chosen] = vectors[where[chosen, 1]]
        return out
