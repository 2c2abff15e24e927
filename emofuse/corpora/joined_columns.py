"""A column of a manifest that several columns of a table make up, such as a dialogue of season, episode and scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emofuse.data.manifest_columns import NUMBER_COLUMNS, PATH_COLUMNS, text_cells
from emofuse.errors import EmofuseError

NAME_JOINT, TEXT_JOINT, PATH_JOINT = "_", " ", "/"
_NOT_JOINED = ("turn", *NUMBER_COLUMNS)


def joined_cells(frame: pd.DataFrame, names: Sequence[str], target: str, place: str) -> pd.Series:
    """The cells of several columns as one text in each row, absent where all of them are.

    Names are joined as ``1_2_3``, with nothing between the signs for an absent cell. Texts are joined by spaces and paths
    by ``/``, without absent cells.

    Args:
        frame: cells of any type.
        names: its columns.
        target: the column of the manifest.
        place: how messages call the table.

    Raises:
        EmofuseError: ``target`` holds numbers, or two rows with other cells would get the same name.
    """
    if target in _NOT_JOINED:
        raise EmofuseError(f"map: {target} is a number and cannot be joined of {' and '.join(names)}")
    parts = [_stripped(frame[name]) for name in names]
    rows = list(zip(*parts, strict=True))
    if target in (*PATH_COLUMNS, "text"):
        joint = TEXT_JOINT if target == "text" else PATH_JOINT
        values = [joint.join(filter(None, row)) or None for row in rows]
    else:
        values = [NAME_JOINT.join(part or "" for part in row) if any(row) else None for row in rows]
        _check_distinct(rows, values, f"{place}: {target} of {' and '.join(names)}")
    return pd.Series(values, index=frame.index, dtype=object)


def _stripped(cells: pd.Series) -> NDArray[np.object_]:
    texts, _ = text_cells(cells)
    return np.array([text and text.strip() for text in texts], dtype=object)


def _check_distinct(rows: list[tuple[str | None, ...]], values: list[str | None], what: str) -> None:
    first: dict[str, tuple[str | None, ...]] = {}
    for row, value in zip(rows, values, strict=True):
        if value is not None and first.setdefault(value, row) != row:
            raise EmofuseError(
                f"{what}: the rows {first[value]} and {row} would both be {value!r}; make a column of it in the table"
            )
