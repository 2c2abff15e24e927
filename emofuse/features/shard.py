"""One file of the feature store.

A shard is an Arrow IPC file with the columns ``id``, ``fingerprint`` (of the source the features were
made from), ``length`` (T of a (T, dim) sequence, null for a vector) and ``features`` (flattened). It is
written aside, then renamed. Names begin with the time of writing, so the last one sorts last, and end
with a random token, so two writers never choose the same.
"""

from __future__ import annotations

import os
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emofuse.data.atomic import written_aside
from emofuse.data.stored_files import check_regular
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIX = ".arrow"
_DIGEST_KEY = b"emofuse.identity"
_MAGIC_BYTES = 8  # "ARROW1" and two of padding; what follows is a stream of messages
_MEND = "delete this file and run `emofuse extract` again"
# Fields of the tables in the metadata of a message, by their place in Arrow's schema.
_HEADER, _COMPRESSION = 2, 3


class Row(NamedTuple):
    """Features of one utterance: (dim,) or (T, dim) float32."""

    id: str
    fingerprint: str
    features: np.ndarray


@dataclass(frozen=True)
class Shard:
    """The columns of one shard; the arrays are views of the memory-mapped file."""

    ids: list[str]
    fingerprints: list[str]
    lengths: list[int | None]
    offsets: np.ndarray
    values: np.ndarray
    vectors: np.ndarray | None  # (rows, dim) when every row is a vector


def shard_files(folder: Path) -> list[Path]:
    """The finished shards of a folder, oldest first."""
    return sorted(folder.glob(f"[0-9]*-*{_SUFFIX}"))


def leftovers(folder: Path) -> Iterator[Path]:
    """Shards that are being written, or whose writer died over it."""
    return folder.glob(f".*{_SUFFIX}")


def _schema(metadata: dict[bytes, bytes] | None = None) -> pa.Schema:
    import pyarrow as pa

    columns = (
        pa.field("id", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("length", pa.int64()),
        pa.field("features", pa.large_list(pa.field("item", pa.float32(), nullable=False)), nullable=False),
    )
    return pa.schema(columns, metadata=metadata)


def write_shard(folder: Path, digest: str, rows: Sequence[Row]) -> None:
    """Write rows, one or more, as a new shard of the encoder with this identity digest."""
    import pyarrow as pa
    import pyarrow.ipc as ipc

    schema = _schema({_DIGEST_KEY: digest.encode()})
    sizes = np.array([0, *(row.features.size for row in rows)], dtype=np.int64)
    values = np.concatenate([row.features.reshape(-1) for row in rows])
    lengths = [len(row.features) if row.features.ndim == 2 else None for row in rows]
    columns = [
        pa.array([row.id for row in rows], pa.string()),
        pa.array([row.fingerprint for row in rows], pa.string()),
        pa.array(lengths, pa.int64()),
        pa.LargeListArray.from_arrays(
            pa.array(np.cumsum(sizes)), pa.array(values), type=schema.field("features").type
        ),
    ]
    batch = pa.record_batch(columns, schema=schema)
    name = f"{_next_stamp(folder):020d}-{uuid.uuid4().hex[:12]}{_SUFFIX}"
    with written_aside(folder / name) as aside, aside.open("wb") as sink:
        with ipc.new_file(sink, schema) as writer:
            writer.write_batch(batch)
        os.fsync(sink.fileno())  # so that a power cut cannot leave a name without its content


def _next_stamp(folder: Path) -> int:
    """Nanoseconds, later than every shard there is even when the clock has been set back."""
    newest = max((shard.name for shard in shard_files(folder)), default="0")
    return max(time.time_ns(), int(newest.split("-")[0]) + 1)


def open_shard(file: Path, identity: EncoderIdentity) -> Shard:
    """Map a shard into memory.

    Raises:
        EmofuseError: it is damaged, compressed, no regular file or a Git LFS pointer, or another encoder made it.
    """
    import pyarrow as pa

    check_regular(file, _MEND)
    try:
        table = _mapped(file)
        table.validate(full=True)
        return _checked_shard(table, identity)
    except (pa.ArrowException, OSError, ValueError, KeyError, struct.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise EmofuseError(f"{file}: a damaged feature shard ({reason}); {_MEND}") from None


def _mapped(file: Path) -> pa.Table:
    """The batch of a shard, as views of the file: a compressed one would unfold to any size in memory."""
    import pyarrow as pa
    import pyarrow.ipc as ipc

    with pa.memory_map(str(file)) as source:
        if ipc.open_file(source).num_record_batches != 1:
            raise ValueError("not one block of rows")
        # The message that has been looked at is the one that is read, whatever the file's end points to.
        source.seek(_MAGIC_BYTES)
        schema = ipc.read_schema(source)
        message = ipc.read_message(source)
        if message.type != "record batch":
            raise ValueError("not one block of rows")
        if _is_compressed(message.metadata.to_pybytes()):
            raise ValueError("it is compressed, and emofuse writes none that is")
        return pa.Table.from_batches([ipc.read_record_batch(message, schema)])


def _is_compressed(metadata: bytes) -> bool:
    """Whether the metadata of a message, which pyarrow has verified, are those of a compressed batch."""
    (root,) = struct.unpack_from("<I", metadata)
    header = _field(metadata, root, _HEADER)
    if header is None:
        raise ValueError("a block without a header")
    (offset,) = struct.unpack_from("<I", metadata, header)
    return _field(metadata, header + offset, _COMPRESSION) is not None


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Where a field of a FlatBuffers table lies; None where it is left out."""
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    entry = 4 + 2 * number  # behind the sizes of the list of fields and of the table
    if entry >= size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, table - back + entry)
    return table + offset if offset else None


def _checked_shard(table: pa.Table, identity: EncoderIdentity) -> Shard:
    if not table.schema.equals(_schema()):
        raise ValueError("its columns are not those of a feature shard")
    if (table.schema.metadata or {}).get(_DIGEST_KEY) != identity.digest.encode():
        raise ValueError("made by another encoder")
    if table.num_rows == 0 or table["features"].num_chunks != 1:
        raise ValueError("not one block of rows")
    features = table["features"].chunk(0)
    offsets = features.offsets.to_numpy()
    values = features.values.to_numpy(zero_copy_only=True)
    lengths = table["length"].to_pylist()
    expected = np.array([1 if length is None else length for length in lengths]) * identity.dim
    if offsets[0] != 0 or not np.array_equal(np.diff(offsets), expected):
        raise ValueError("row sizes do not fit the encoder")
    vectors = values.reshape(-1, identity.dim) if set(lengths) == {None} else None
    return Shard(table["id"].to_pylist(), table["fingerprint"].to_pylist(), lengths, offsets, values, vectors)
