"""The columns of a manifest: their types, and how cells of any origin become them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "id",
    "dialogue",
    "turn",
    "speaker",
    "text",
    "video",
    "audio",
    "start",
    "end",
    "label",
    "valence",
    "split",
    "group",
)
NUMBER_COLUMNS = ("start", "end", "valence")
TEXT_COLUMNS = tuple(column for column in COLUMNS if column not in (*NUMBER_COLUMNS, "turn"))
PATH_COLUMNS = ("video", "audio")

# Columns that few corpora need: a manifest has them or not. ``crop`` names the half of the picture that the
# speaker is in; ``features`` names modalities of which there are features but no text or media; ``face`` and ``listeners``
# say where the faces of the speaker and of the others are.
CROP, FEATURES = "crop", "features"
FACE, LISTENERS = "face", "listeners"
CROPS = ("left", "right")

SPLITS = ("train", "val", "test")
SPLIT_ALIASES = {"dev": "val", "valid": "val", "validation": "val"}

# As people and programs write decimal numbers; Python's own float() would also take "nan" and "1_000".
DECIMAL = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
LARGEST_TURN = 2**53


@dataclass(frozen=True)
class UnreadableCell:
    """A cell whose content is not of its column's type: ``value`` as it was, at row ``position``."""

    position: int
    column: str
    value: str


def typed(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[UnreadableCell]]:
    """Give every column its type, and fill what follows from the rest.

    A missing column is absent in every row. Split names are lower-cased, and ``dev``, ``valid`` and
    ``validation`` become ``val``. A row without dialogue is a dialogue of its own (named by its id), and
    the rows of a dialogue that has no turns are numbered from 0 in their order. Columns beyond
    :data:`COLUMNS` follow these as text.

    Args:
        raw: cells of any type; None, NaN and ``""`` are absent. It is not changed.

    Returns:
        The typed frame (text columns of str or None, ``turn`` Int64, ``start``, ``end``, ``valence``
        float64), and the cells that could not be typed, which are absent in it.
    """
    import pandas as pd

    unreadable: list[UnreadableCell] = []
    columns: dict[str, pd.Series] = {}
    for column in (*COLUMNS, *(name for name in raw.columns if name not in COLUMNS)):
        cells = raw[column] if column in raw.columns else pd.Series(None, index=raw.index, dtype=object)
        columns[column], bad = _typed_column(column, cells)
        unreadable += [UnreadableCell(int(at), column, str(cells.iloc[at])) for at in np.flatnonzero(bad)]
    columns["split"] = _canonical_split(columns["split"])
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(raw)))
    frame["dialogue"] = frame["dialogue"].where(frame["dialogue"].notna(), frame["id"])
    frame["turn"] = _filled_turns(frame, [cell.position for cell in unreadable if cell.column == "turn"])
    return frame, unreadable


def _typed_column(column: str, cells: pd.Series) -> tuple[pd.Series, NDArray[np.bool_]]:
    import pandas as pd

    if column == "turn":
        return _turn_cells(cells)
    if column in NUMBER_COLUMNS:
        numbers, bad = number_cells(cells)
        return pd.Series(numbers), bad
    texts, bad = text_cells(cells)
    if column not in TEXT_COLUMNS:
        for position in np.flatnonzero(bad):
            texts[position] = json.dumps(cells.iloc[position], ensure_ascii=False, default=str)
        bad[:] = False
    return pd.Series(texts, dtype=object), bad


def text_cells(cells: pd.Series) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Cells as str or None, and which of them are lists, objects or bytes and so no text (None as well)."""
    import pandas as pd

    values = cells.to_numpy(dtype=object, copy=True)
    bad = np.zeros(len(values), bool)
    absent = cells.isna().to_numpy()
    if pd.api.types.infer_dtype(cells, skipna=True) not in ("string", "empty"):
        values = np.fromiter(map(_decoded, values), dtype=object, count=len(values))
        bad = np.array([isinstance(value, (list, dict, tuple, bytes, np.ndarray)) for value in values], bool)
        for position in np.flatnonzero(~absent & ~bad):
            values[position] = scalar_text(values[position])
    values[absent | bad] = None
    values[values == ""] = None
    return values, bad


def _decoded(value: Any) -> Any:
    """Bytes of a Parquet file as the text that they are in UTF-8; others stay, and are no text."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def scalar_text(value: Any) -> str:
    """A scalar as text: an id that a program stored as 7 or 7.0 is ``"7"``."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def number_cells(cells: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cells as float64, NaN where absent, and which of them hold something that is no decimal number."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(cells), bool)
    texts, bad = text_cells(cells)
    stripped = pd.Series(texts, dtype=object).str.strip()
    good = stripped.str.fullmatch(DECIMAL, na=False).to_numpy(dtype=bool)
    numbers = np.full(len(texts), np.nan)
    numbers[good] = stripped.to_numpy(dtype=object)[good].astype(np.float64)
    return numbers, bad | (stripped.notna().to_numpy() & ~good)


def _turn_cells(cells: pd.Series) -> tuple[pd.Series, NDArray[np.bool_]]:
    import pandas as pd

    numbers, bad = number_cells(cells)
    with np.errstate(invalid="ignore"):
        whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < LARGEST_TURN)
    bad = bad | (~np.isnan(numbers) & ~whole)
    return pd.Series(np.where(whole, numbers, np.nan)).astype("Int64"), bad


def _canonical_split(names: pd.Series) -> pd.Series:
    canonical = {name: name for name in SPLITS} | SPLIT_ALIASES
    renamed = {name: canonical.get(name.strip().lower(), name) for name in names.dropna().unique()}
    return names.map(renamed, na_action="ignore").astype(object).where(names.notna(), None)


def _filled_turns(frame: pd.DataFrame, unreadable: list[int]) -> pd.Series:
    import pandas as pd

    dialogue = pd.Series(pd.factorize(frame["dialogue"])[0])
    given = frame["turn"].notna()
    given.iloc[unreadable] = True  # what cannot be read must not be made up
    numbered = given.groupby(dialogue).transform("any")
    order = dialogue.groupby(dialogue).cumcount().astype("Int64")
    return frame["turn"].where(numbered, order)
