"""Rows of a manifest as utterances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.face_place import parse_place, parse_places
from emofuse.data.manifest_columns import COLUMNS, CROP, FACE, LISTENERS, PATH_COLUMNS
from emofuse.data.manifest_io import plain_values
from emofuse.data.manifest_problems import Origin
from emofuse.data.paths import ContainedPaths
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError


class RowReader:
    """Makes an utterance of a row.

    Args:
        frame: typed columns.
        paths: resolves those in ``video`` and ``audio``.
        name: how messages call the manifest.
        origin: where the rows stand in the files they came from.
    """

    def __init__(self, frame: pd.DataFrame, paths: ContainedPaths, name: str, origin: Origin) -> None:
        columns = [*COLUMNS, *(column for column in (CROP, FACE, LISTENERS) if column in frame)]
        self._values = {column: plain_values(frame[column]) for column in columns}
        self._paths, self._name, self._origin = paths, name, origin

    def utterance(self, position: int) -> Utterance:
        """The utterance of a row, counted from 0.

        Raises:
            EmofuseError: its media lie outside the folder, or a place of a face cannot be read.
        """
        values = {column: cells[position] for column, cells in self._values.items()}
        for column in PATH_COLUMNS:
            if values[column] is not None:
                values[column] = self._resolve(position, column, values[column])
        for column, parse in ((FACE, parse_place), (LISTENERS, parse_places)):
            if column in values:
                values[column] = self._parsed(position, column, values[column], parse)
        return Utterance(**values)

    def _parsed(self, position: int, column: str, cell: str | None, parse: Callable[[str], Any]) -> Any:
        if cell is None:
            return () if column == LISTENERS else None
        try:
            return parse(cell)
        except ValueError as error:
            place = self._origin.place(position)
            raise EmofuseError(f"{self._name} {place}: {column} {cell!r} {error}") from None

    def _resolve(self, position: int, column: str, relative: str) -> Path:
        try:
            return self._paths.resolve(relative)
        except EmofuseError as error:
            raise EmofuseError(f"{self._name} {self._origin.place(position)}: {column} {error}") from None
