"""The manifest: one row per utterance, and the folder that its media lie in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from emofuse.data.manifest_checks import find_problems, find_unwritable
from emofuse.data.manifest_columns import (
    COLUMNS,
    PATH_COLUMNS,
    UnreadableCell,
    typed,
)
from emofuse.data.manifest_fingerprint import content_fingerprint
from emofuse.data.manifest_io import (
    check_manifest_suffix,
    read_manifest_file,
    write_manifest_file,
)
from emofuse.data.manifest_problems import ManifestError, Origin, Problem
from emofuse.data.manifest_rows import RowReader
from emofuse.data.paths import ContainedPaths, lexical_refusal
from emofuse.data.utterance import Utterance
from emofuse.data.wording import column_names
from emofuse.errors import EmofuseError

__all__ = ["COLUMNS", "Manifest", "ManifestError", "Origin", "Problem", "Utterance"]

_EXPECTED = {
    "turn": "not a whole number",
    "start": "not a number of seconds",
    "end": "not a number of seconds",
    "valence": "not a number",
}


class Manifest:
    """Utterances with their texts, media, labels and dialogues.

    Made by :meth:`read` or :meth:`from_frame`. Only the column ``id`` is required. An empty cell is an
    absent one, since a CSV cannot tell them apart; everything else stays as written (``"NA"`` is a text,
    ``"007"`` an id). Without ``dialogue`` a row is its own dialogue; without ``turn`` the rows of a
    dialogue are numbered from 0 as they come. ``dev``, ``valid`` and ``validation`` are read as ``val``.
    Where two people share a picture, an optional column ``crop`` names the half (``left`` or ``right``) that
    the speaker is in, and ``face`` where the speaker's face is (``listeners``: the others'), as `emofuse segment --faces`
    writes them; where there are features but no text or media, an optional column ``features`` names
    their modalities. Further columns are kept as text and written back, but nothing depends on them. Rows
    that are empty throughout are skipped (and counted in row numbers).

    A manifest is not changed after it is made: selections and edits make another.

    Attributes:
        frame: typed columns, :data:`COLUMNS` first; text columns hold str or None, ``turn`` is Int64,
            ``start``, ``end`` (seconds) and ``valence`` are float64 with NaN for absent.
        root: absolute folder that the paths in ``video`` and ``audio`` are relative to.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        root: Path | str,
        *,
        name: str = "manifest",
        origin: Origin | None = None,
        broken: Sequence[Problem] = (),
    ) -> None:
        """Type the cells of a frame; :meth:`read` and :meth:`from_frame` are the usual ways in.

        Args:
            frame: cells of any type.
            root: folder of the media.
            name: how messages call the manifest.
            origin: where the rows stand in the files they came from.
            broken: rows of those files that could not be taken apart.

        Raises:
            ManifestError: there is no column ``id``.
        """
        raw = frame.rename(columns=str).reset_index(drop=True)
        if "id" not in raw.columns:
            raise ManifestError(f"{name}: has no column 'id', only {column_names(raw.columns)}")
        self.frame, self._unreadable = typed(raw)
        self.root = Path(os.path.realpath(root))
        self._name = name
        self._origin = origin or Origin(np.arange(1, len(raw) + 1))
        self._broken = tuple(broken)

    @classmethod
    def read(cls, path: Path | str) -> Manifest:
        """Read a ``.csv`` (UTF-8), ``.jsonl`` or ``.parquet`` file.

        Cells of the wrong type do not stop the reading: :meth:`problems` lists them with all others.

        Raises:
            EmofuseError: the file cannot be parsed at all; one line says why.
        """
        path = Path(path)
        table = read_manifest_file(path)
        broken = [Problem(row, None, what) for row, what in table.broken]
        return cls(table.frame, path.parent, name=str(path), origin=Origin(table.rows), broken=broken)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, root: Path | str) -> Manifest:
        """Make a manifest of a data frame with some of :data:`COLUMNS`.

        Args:
            frame: one row per utterance; it is not changed. None, NaN and ``""`` are absent.
            root: folder that its paths are relative to.

        Raises:
            ManifestError: there is no column ``id``.
        """
        return cls(frame, root)

    def write(self, path: Path | str) -> None:
        """Write the manifest in the format of the suffix, with paths relative to the new file's folder.

        The file appears when it is whole, and takes the place of one that was there.

        Raises:
            ManifestError: media lie outside the new file's folder, or cells could not be read and would
                be lost.
            EmofuseError: the suffix is none of the three, or the file cannot be written.
        """
        path = Path(path)
        frame, outside = self._relative_to(path.parent)
        problems = [*self._unread(), *find_unwritable(self.frame, self._origin), *outside]
        if problems:
            raise ManifestError.listing(f"{path}: cannot be written", problems)
        write_manifest_file(frame, path)

    def check_target(self, path: Path | str) -> None:
        """See that :meth:`write` could name all media from the folder of a new file, before work is done for it.

        Raises:
            EmofuseError: the file's suffix is none of a manifest, or media lie outside that folder.
        """
        check_manifest_suffix(Path(path))
        _, outside = self._relative_to(Path(path).parent)
        if outside:
            raise ManifestError.listing(f"{path}: cannot be written", outside)

    def _relative_to(self, folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
        """The frame with paths as seen from ``folder``, and the rows whose media lie outside it."""
        base = os.path.realpath(folder)
        frame, outside = self.frame.copy(), {}
        for column in PATH_COLUMNS:
            seen = {path: self._seen_from(base, path) for path in frame[column].dropna().unique()}
            frame[column] = pd.Series([seen.get(path) for path in frame[column]], dtype=object)
            outside[column] = frame[column].str.match(r"\.\.(/|$)", na=False).to_numpy(bool)
        columns = " or ".join(column for column, rows in outside.items() if rows.any())
        what = (
            f"{columns} lies outside {folder}; write the manifest to {self.root} or a folder above, or put the media "
            f"below {folder}"
        )
        rows = np.flatnonzero(np.any(list(outside.values()), axis=0))
        return frame, [self._problem(at, what) for at in rows]

    def _seen_from(self, base: str, path: str) -> str:
        if base == str(self.root) and not Path(path).is_absolute():
            return path
        return Path(os.path.relpath(self.root / path, base)).as_posix()

    def problems(
        self,
        check_files: bool = True,
        labels: Sequence[str] | None = None,
        *,
        check_places: bool = False,
    ) -> list[Problem]:
        """Everything that is wrong, in the order of the rows.

        Args:
            check_files: whether to look for the media on the disk.
            labels: the labels that may occur; None for any.
            check_places: without ``check_files``: whether to see on the disk that no link leads out of the folder.
        """
        paths = self._paths
        check_path = paths.file_problem if check_files else paths.refusal if check_places else lexical_refusal
        found = list(self._unread())
        if len(self) or not found:
            found += find_problems(self.frame, self._origin, check_path, labels)
        return sorted(found, key=lambda problem: (problem.file or "", problem.row or 0))

    def validate(
        self,
        check_files: bool = True,
        labels: Sequence[str] | None = None,
        *,
        check_places: bool = False,
    ) -> Manifest:
        """This manifest, if nothing is wrong with it; the arguments are those of :meth:`problems`.

        Raises:
            ManifestError: listing every bad row; all of them are in its ``problems``.
        """
        problems = self.problems(check_files, labels, check_places=check_places)
        if problems:
            raise ManifestError.listing(self._name, problems)
        return self

    def _unread(self) -> Iterator[Problem]:
        yield from self._broken
        for cell in self._unreadable:
            expected = _EXPECTED.get(cell.column, "not a text")
            what = f"{cell.column} {cell.value!r} is {expected}"
            yield self._problem(cell.position, what, f"{cell.column} is {expected}")

    def _problem(self, position: int | np.intp, what: str, cause: str = "") -> Problem:
        return self._origin.problem(position, self.frame["id"].iloc[int(position)], what, cause)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"Manifest({len(self)} utterances, root={str(self.root)!r})"

    @cached_property
    def ids(self) -> list[str]:
        """The ids, in the order of the rows."""
        return list(self.frame["id"])

    @cached_property
    def labels(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted(self.frame["label"].dropna().unique())

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {id: position for position, id in enumerate(self.ids)}

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(self.frame, self._paths, self._name, self._origin)

    @cached_property
    def _paths(self) -> ContainedPaths:
        return ContainedPaths(self.root)

    def select(self, ids: Iterable[str]) -> Manifest:
        """The utterances with these ids, in this order.

        Raises:
            EmofuseError: an id is not in the manifest, or is asked for twice.
        """
        positions: dict[int, int] = {}
        for id in ids:
            old = self._position(id)
            if old in positions:
                raise EmofuseError(f"{self._name}: utterance {id!r} is selected twice; name every id once")
            positions[old] = len(positions)
        taken = np.fromiter(positions, dtype=np.intp, count=len(positions))
        chosen = Manifest.__new__(Manifest)
        chosen.frame = self.frame.take(taken).reset_index(drop=True)
        chosen.root, chosen._name, chosen._broken = self.root, self._name, ()
        chosen._origin = self._origin.take(taken)
        chosen._unreadable = [
            UnreadableCell(positions[cell.position], cell.column, cell.value)
            for cell in self._unreadable
            if cell.position in positions
        ]
        return chosen

    def rows(self) -> Iterator[Utterance]:
        """The utterances, in the order of the rows.

        Raises:
            EmofuseError: at an utterance whose media lie outside the folder.
        """
        return map(self._reader.utterance, range(len(self)))

    def utterance(self, id: str) -> Utterance:
        """The utterance with this id.

        Raises:
            EmofuseError: there is none, or its media lie outside the folder.
        """
        return self._reader.utterance(self._position(id))

    def _position(self, id: str) -> int:
        position = self._positions.get(id)
        if position is None:
            raise EmofuseError(f"{self._name}: has no utterance {id!r}")
        return position

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the content: the :data:`COLUMNS` of all rows in their order, ``crop`` and ``face``.

        The same in every file format and wherever the folder lies; further columns do not count.
        """
        return content_fingerprint(self.frame)
