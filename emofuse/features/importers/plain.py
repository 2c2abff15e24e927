"""Feature files of no particular style: arrays in a ``.npz`` file, or a table with a column for each number.

``.npz``: ``id`` (N,), any of ``text``, ``audio``, ``video`` (N, dim) or (N, T, dim), how many of the T steps
are real in ``text_lengths`` and so on, what is said in ``raw_text``, and (N,) arrays called like columns of
a manifest.

Tables (CSV, TSV, JSON lines, Parquet, Excel): columns of a manifest, ``id`` among them, and numbers in ``text_0``,
``text_1``, ``audio_0`` and so on. ``vision`` and ``visual`` are read as ``video``.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.corpora.table_files import read_table_file
from emofuse.data.manifest_columns import COLUMNS, number_cells
from emofuse.data.modality import Modality
from emofuse.data.stored_files import check_regular
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError
from emofuse.features.importers.content import (
    FeatureContent,
    ModalityFeatures,
    as_numbers,
    class_name,
    texts_of,
)
from emofuse.features.importers.steps import filled, span, stated_span

ALIASES: Mapping[str, Modality] = {
    "text": "text",
    "audio": "audio",
    "video": "video",
    "vision": "video",
    "visual": "video",
}
_NUMBERED = re.compile(rf"({'|'.join(ALIASES)})[_.:-]?(\d+)", re.IGNORECASE)
_UNPACKED_BYTES = 256 << 20  # and _MOST_PACKED times the size of the file
_MOST_PACKED = 128
_ROW_COLUMNS = tuple(column for column in COLUMNS if column not in ("text", "audio", "video"))


def read_npz(path: Path, labels: Sequence[str] | None = None) -> FeatureContent:
    """Read arrays; pickled ones in the file are refused.

    Args:
        path: the ``.npz`` file.
        labels: names of the classes where ``label`` holds numbers.

    Raises:
        EmofuseError: the file cannot be read, holds objects, or its arrays do not fit each other.
    """
    arrays = _load(path)
    if "id" not in arrays:
        raise EmofuseError(f"{path}: has no array 'id', only {', '.join(arrays) or 'nothing'}")
    ids = texts_of(arrays["id"].reshape(-1))
    known = {"id", "raw_text", *_ROW_COLUMNS, *ALIASES, *(f"{name}_lengths" for name in ALIASES)}
    for name, array in arrays.items():
        if name in known and len(np.atleast_1d(array)) != len(ids):
            held = counted(len(np.atleast_1d(array)), "row")
            raise EmofuseError(f"{path}: {name} has {held} for {counted(len(ids), 'id')}")
    columns = {name: arrays[name].tolist() for name in _ROW_COLUMNS if name in arrays}
    if "raw_text" in arrays:
        columns["text"] = texts_of(arrays["raw_text"])
    if "label" in columns:
        columns["label"] = [class_name(value, labels, f"{path}: label") for value in columns["label"]]
    rows = [
        {"id": id, **{name: cells[at] for name, cells in columns.items() if name != "id"}}
        for at, id in enumerate(ids)
    ]
    features = {
        modality: ModalityFeatures(path, name, _real(path, name, arrays, ids))
        for name, modality in ALIASES.items()
        if name in arrays
    }
    ignored = [name for name in arrays if name not in known]
    return FeatureContent(rows, features, [f"ignored: {', '.join(ignored)}"] if ignored else [])


def read_table(path: Path, labels: Sequence[str] | None = None) -> FeatureContent:
    """Read a table with one column for each number.

    Args:
        path: the table.
        labels: names of the classes where ``label`` holds numbers.

    Raises:
        EmofuseError: the file cannot be read, has no ids, or a cell is no number.
    """
    table = read_table_file(path)
    frame = table.raw.frame.rename(columns=str)
    header = [str(name) for name in frame]
    if table.raw.broken:
        row, why = table.raw.broken[0]
        raise EmofuseError(f"{path} row {row}: {why}")
    if "id" not in frame:
        raise EmofuseError(f"{path}: has no column 'id', only {', '.join(header[:8])} ...")
    numbered = _numbered(header)
    if not numbered:
        raise EmofuseError(f"{path}: has no columns of numbers such as text_0, audio_0 or video_0")
    ids = texts_of(frame["id"])
    columns = {
        name: frame[name].tolist() for name in COLUMNS if name in frame and name not in ("video", "audio")
    }
    if labels is not None and "label" in columns:
        place = f"{path}: label"
        numbers, bad = number_cells(frame["label"])
        columns["label"] = [
            class_name(cell if wrong else number, labels, place)
            for cell, number, wrong in zip(columns["label"], numbers, bad, strict=True)
        ]
    rows = [{**{name: cells[at] for name, cells in columns.items()}, "id": id} for at, id in enumerate(ids)]
    features = {}
    for modality, names in numbered.items():
        matrix = np.empty((len(ids), len(names)))
        for at, name in enumerate(names):
            matrix[:, at], bad = number_cells(frame[name])
            if bad.any():
                row = table.raw.rows[bad][0]
                raise EmofuseError(f"{path} row {row}: {name} {frame[name][bad].iloc[0]!r} is not a number")
        features[modality] = ModalityFeatures(path, modality, dict(zip(ids, matrix, strict=True)))
    return FeatureContent(rows, features, list(table.notes))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    check_regular(path, "name a file of features")
    try:
        held = np.load(path, allow_pickle=False)
        if not isinstance(held, np.lib.npyio.NpzFile):
            raise EmofuseError(f"{path}: holds one array and no names; save it with numpy.savez")
        with held:
            _check_unpacked(path, held)
            arrays = {name: held[name] for name in held.files}
    except OSError as error:
        raise EmofuseError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EmofuseError(f"{path}: is no .npz file of plain arrays ({reason})") from None
    except MemoryError:
        raise EmofuseError(f"{path}: states arrays that are larger than memory; it is damaged") from None
    if empty := [name for name, array in arrays.items() if array.size and not array.itemsize]:
        raise EmofuseError(f"{path}: {empty[0]} has texts of no length; save it anew")
    return arrays


def _check_unpacked(path: Path, held: Any) -> None:
    """See that an archive does not unfold to far more than any features do."""
    limit = _UNPACKED_BYTES + _MOST_PACKED * path.stat().st_size
    if sum(entry.file_size for entry in held.zip.infolist()) > limit:
        raise EmofuseError(f"{path}: unfolds to more than {limit >> 20:,} MiB; save it with numpy.savez")


def _real(
    path: Path, name: str, arrays: Mapping[str, NDArray[Any]], ids: list[str]
) -> dict[str, NDArray[Any]]:
    array = as_numbers(arrays[name], f"{path}: {name}")
    if array.ndim not in (2, 3):
        raise EmofuseError(
            f"{path}: {name} has the shape {array.shape}, not (N, numbers) or (N, steps, numbers)"
        )
    if array.ndim == 2:
        return dict(zip(ids, array, strict=True))
    lengths = arrays.get(f"{name}_lengths")
    return {
        id: sequence[
            stated_span(sequence, int(lengths.reshape(-1)[at]))
            if lengths is not None
            else span(filled(sequence))
        ]
        for at, (id, sequence) in enumerate(zip(ids, array, strict=True))
    }


def _numbered(names: list[str]) -> dict[Modality, list[str]]:
    """Modality → its columns, in the order of their numbers."""
    found: dict[Modality, list[tuple[int, str]]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match:
            found.setdefault(ALIASES[match[1].lower()], []).append((int(match[2]), name))
    return {modality: [name for _, name in sorted(columns)] for modality, columns in found.items()}
