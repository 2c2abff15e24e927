"""Which corpus a folder of runs belongs to, row by row, and what has changed in it since.

A run that is taken up on another corpus would be judged on what it has learnt from. So every run folder, and every
folder of many runs, keeps a digest of each row in ``corpus.parquet`` from before its first epoch on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from emofuse.data.atomic import written_aside
from emofuse.data.manifest_columns import COLUMNS, CROP, FACE, FEATURES, NUMBER_COLUMNS, PATH_COLUMNS
from emofuse.data.manifest_io import plain_values
from emofuse.data.stored_files import DamagedFileError, is_there, stored_table
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

CORPUS_FILE = "corpus.parquet"
_DIGEST_BYTES = 16
# What of a row a system is handed; the rest says how it is split and judged.
_READ = ("text", *PATH_COLUMNS, "start", "end", CROP, FEATURES, FACE)
_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("row", pa.binary(_DIGEST_BYTES), nullable=False),
        pa.field("content", pa.binary(_DIGEST_BYTES), nullable=False),
    ]
)


def _is_digest(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == _DIGEST_BYTES


@dataclass(frozen=True)
class CorpusIdentity:
    """A corpus as it was at one time.

    Attributes:
        ids: of its rows, in their order.
        rows: a digest of everything that a row says.
        contents: a digest of what a system is handed of it: text, media files with their sizes, and their segment.
    """

    ids: list[str]
    rows: list[bytes]
    contents: list[bytes]

    @classmethod
    def of(cls, manifest: Manifest) -> CorpusIdentity:
        """The corpus as it is now; time goes with its rows."""
        names = [name for name in (*COLUMNS, CROP, FEATURES, FACE) if name in manifest.frame]
        frame = manifest.frame
        # Adding zero makes one zero of the two.
        cells = [plain_values(frame[name] + 0.0 if name in NUMBER_COLUMNS else frame[name]) for name in names]
        read = [at for at, name in enumerate(names) if name in _READ]
        media = [names.index(name) for name in PATH_COLUMNS]
        sizes: dict[str, int | None] = {}
        rows, contents = [], []
        for values in zip(*cells, strict=True):
            size = [_size(manifest.root, values[at], sizes) for at in media]
            contents.append(_digest([*(values[at] for at in read), *size]))
            rows.append(_digest(list(values)))
        return cls(list(manifest.ids), rows, contents)

    @classmethod
    def read(cls, folder: Path) -> CorpusIdentity | None:
        """What a folder keeps, or None where it keeps nothing.

        Raises:
            EmofuseError: the file is damaged.
        """

        file = folder / CORPUS_FILE
        if not is_there(file):
            return None
        advice = "nobody can say which corpus these runs belong to: train in a new folder"
        table = stored_table(file, advice, _SCHEMA.names)
        if table.empty:
            raise DamagedFileError(file, "it holds no row", advice)
        for name in ("row", "content"):
            if not table[name].map(_is_digest).all():
                raise DamagedFileError(file, f"its column {name} does not hold digests alone", advice)
        if not table["id"].map(lambda value: isinstance(value, str)).all() or table["id"].duplicated().any():
            raise DamagedFileError(file, "its column id does not hold different texts", advice)
        return cls(*(table[name].tolist() for name in _SCHEMA.names))

    def write(self, folder: Path) -> None:
        """Keep it in a folder."""
        import pyarrow.parquet as pq

        table = pa.table([self.ids, self.rows, self.contents], schema=_SCHEMA)
        with written_aside(folder / CORPUS_FILE) as aside:
            pq.write_table(table, aside)

    @cached_property
    def digest(self) -> str:
        """Of all rows in their order, in hexadecimal."""
        return hashlib.blake2b(b"".join(self.rows), digest_size=_DIGEST_BYTES).hexdigest()

    @cached_property
    def row_of(self) -> dict[str, bytes]:
        """Id → digest of the row."""
        return dict(zip(self.ids, self.rows, strict=True))

    @cached_property
    def content_of(self) -> dict[str, bytes]:
        """Id → digest of what is read of it."""
        return dict(zip(self.ids, self.contents, strict=True))

    def changes_to(self, now: CorpusIdentity) -> CorpusChange:
        """What has changed between this corpus and a later one."""
        kept = [id for id in now.ids if id in self.row_of]
        return CorpusChange(
            added=[id for id in now.ids if id not in self.row_of],
            gone=[id for id in self.ids if id not in now.row_of],
            changed=[id for id in kept if self.row_of[id] != now.row_of[id]],
            media=[
                id
                for id in kept
                if self.row_of[id] == now.row_of[id] and self.content_of[id] != now.content_of[id]
            ],
            moved=kept != [id for id in self.ids if id in now.row_of],
        )


@dataclass(frozen=True)
class CorpusChange:
    """What differs between two states of a corpus.

    Attributes:
        added: ids of new rows.
        gone: ids of rows that are there no more.
        changed: ids of rows that say something else.
        media: ids of rows that say the same and whose media files have another size.
        moved: the rows that stayed stand in another order.
    """

    added: list[str]
    gone: list[str]
    changed: list[str]
    media: list[str]
    moved: bool

    @property
    def is_another_corpus(self) -> bool:
        """Whether more has changed than a file that was mended, of which features are made again."""
        return bool(self.added or self.gone or self.changed or self.moved)

    def __str__(self) -> str:
        """In counts, e.g. ``12 rows added, 1 row changed (d3t1)``."""
        counts = {
            "added": self.added,
            "gone": self.gone,
            "changed": self.changed,
            "with media of another size": self.media,
        }
        parts = [
            f"{len(ids)} {'row' if len(ids) == 1 else 'rows'} {what} ({ids[0]}{', …' if len(ids) > 1 else ''})"
            for what, ids in counts.items()
            if ids
        ]
        if self.moved:
            parts.append("the rows in another order")
        return ", ".join(parts)


def claim_corpus(folder: Path, manifest: Manifest, fingerprints: Iterable[str] = ()) -> None:
    """Let a folder belong to this corpus, or see that it does already.

    Args:
        folder: of a run, or of many.
        manifest: the corpus.
        fingerprints: those on record in a folder that an earlier version made, which kept no rows.

    Raises:
        EmofuseError: it belongs to another; the message says how many rows differ and what to do.
    """
    held, now = CorpusIdentity.read(folder), CorpusIdentity.of(manifest)
    if held is None:
        if any(fingerprint != manifest.fingerprint() for fingerprint in fingerprints):
            raise _other_corpus(folder, "it differs")
        now.write(folder)
        return
    change = held.changes_to(now)
    if change.is_another_corpus:
        raise _other_corpus(folder, str(change))


def refuse_learnt_rows(
    held: CorpusIdentity, now: CorpusIdentity, fitted: Collection[str], judged: Collection[str]
) -> None:
    """Refuse to judge rows that the run has learnt from under other ids.

    Args:
        held: the corpus that the run was trained on.
        now: the same corpus today.
        fitted: ids that the run was fitted to or chosen by.
        judged: ids of other utterances, all of them in both.

    Raises:
        EmofuseError: some of them are.
    """
    learnt = {held.content_of[id] for id in fitted if id in held.content_of}
    seen = [id for id in judged if now.content_of[id] in learnt and now.content_of[id] != held.content_of[id]]
    if seen:
        raise EmofuseError(
            f"leak: {len(seen)} of the {len(judged)} judged utterances now hold what the run has learnt "
            f"from ({seen[0]} among them); restore the corpus, or train again"
        )


def _other_corpus(folder: Path, what: str) -> EmofuseError:
    return EmofuseError(
        f"{folder}: belongs to another state of this corpus: {what}; what was trained there may have learnt from what "
        "would be judged now. Restore the corpus, or start in a new folder"
    )


def _digest(values: list[object]) -> bytes:
    text = json.dumps(values, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode("ascii"), digest_size=_DIGEST_BYTES).digest()


def _size(root: Path, path: object, known: dict[str, int | None]) -> int | None:
    """Bytes of a media file; its time of change would change with every copy of a corpus."""
    if not isinstance(path, str):
        return None
    if path not in known:
        try:
            known[path] = (root / path).stat().st_size
        except OSError:
            known[path] = None
    return known[path]
