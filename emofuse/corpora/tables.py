"""Anybody's table of utterances, made a manifest: the columns are mapped, the rest is worked out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from emofuse.corpora.joined_columns import joined_cells
from emofuse.corpora.table_files import TableFile, mend_c1, read_table_file
from emofuse.corpora.table_guess import mapping_by_names
from emofuse.corpora.table_mapping import MAPPED_COLUMNS, MODALITY_COLUMNS, TableMapping, canonical_split
from emofuse.corpora.table_summary import FileCount, TableSummary, count_labels
from emofuse.data.manifest import Manifest, Origin, Problem
from emofuse.data.manifest_columns import PATH_COLUMNS, typed
from emofuse.errors import EmofuseError

DialogueScope = Literal["all", "split", "file"]
Files = Mapping[str, Path | Sequence[Path]] | Sequence[Path]

TIMESTAMP = (
    r"\s*(?:(?P<hours>\d{1,4}):(?P<minutes>[0-5]?\d)|(?P<long>\d{1,4}))"
    r":(?P<seconds>[0-5]?\d)(?:[.,](?P<part>\d+))?\s*"
)


@dataclass(frozen=True)
class _Source:
    path: Path
    name: str  # in messages: the path from the folder that holds all tables
    split: str | None
    tag: str  # in ids; no other file has it
    table: TableFile


def manifest_from_tables(
    files: Files,
    mapping: TableMapping | None = None,
    root: Path | None = None,
    *,
    dialogue_scope: DialogueScope | None = None,
) -> tuple[Manifest, TableSummary]:
    """Make a manifest of tables in CSV, TSV, JSON lines, Parquet or Excel files.

    Cells lose the spaces at their edges, texts excepted; remains of Windows-1252 (C1 control characters)
    become the characters they stand for. Times may be seconds or ``00:16:16,059``. Without a column for
    ``id``, utterances are called ``{dialogue}_{turn}``, or ``{split or file}_row{n}`` where there is no
    dialogue. Rows are left out that are blank, that have neither text nor video nor audio, or that repeat
    an earlier row of their file in every mapped column although the mapping has an ``id`` or ``turn``.

    Corpora number their dialogues from 0 in every file. So the dialogues of files given per split are
    prefixed with the split (``train_0``), those of several other files with the file's name.

    Args:
        files: split → its table or tables, or tables that name no split.
        mapping: which columns to take; None for those that have the names of a manifest's.
        root: folder of the manifest that the paths are meant to be relative to; by default the one that
            holds all tables. In a table, paths are relative to the table's folder.
        dialogue_scope: within what a dialogue's name means one dialogue: ``"all"`` tables, those of a
            ``"split"``, or a ``"file"``; the prefix follows from it. None decides as said above.

    Returns:
        The manifest, not validated yet (its problems name file and row), and the counts.

    Raises:
        EmofuseError: a file cannot be read, or lacks a mapped column.
    """
    sources = _read_sources(files)
    notes = []
    if mapping is None:
        tables = {str(source.path): source.table.raw.frame for source in sources}
        mapping, note = mapping_by_names(tables, ("split",) if isinstance(files, Mapping) else ())
        notes.append(note)
    _check_mapped(mapping, files, sources)
    root = Path(os.path.realpath(root)) if root else _common_folder([source.path for source in sources])
    frame, places, mended = _combine(sources, mapping, root)
    reasons = _reasons_to_drop(frame, places, mapping)
    keep = reasons.isna()
    dropped = _dropped(sources, places[~keep], reasons[~keep])
    frame, places = frame[keep].reset_index(drop=True), places[keep].reset_index(drop=True)
    scope = dialogue_scope or _usual_scope(sources)
    manifest = _assemble(_named(frame, places, scope), places, sources, root)
    notes += [note for source in sources for note in source.table.notes]
    if mended:
        notes.append(f"characters of Windows-1252 were mended in {mended} rows")
    return manifest, _summarise(manifest, sources, dropped, notes)


def _read_sources(files: Files) -> list[_Source]:
    given = _given(files)
    folder = _common_folder([path for _, path in given])
    per_split = Counter(split for split, _ in given)
    tags = _tags([split if split and per_split[split] == 1 else path.stem for split, path in given])
    sources = []
    for (split, path), tag in zip(given, tags, strict=True):
        table = read_table_file(path)
        name = os.path.relpath(os.path.realpath(path), folder)
        sources.append(_Source(path, name, split, tag, table))
    return sources


def _check_mapped(mapping: TableMapping, files: Files, sources: list[_Source]) -> None:
    if "split" in mapping.columns and isinstance(files, Mapping):
        raise EmofuseError("the split is given both by file and by a mapped column; give one of them")
    for source in sources:
        mapping.require_in([str(column) for column in source.table.raw.frame.columns], str(source.path))


def _given(files: Files) -> list[tuple[str | None, Path]]:
    given: list[tuple[str | None, Path]] = []
    if isinstance(files, Mapping):
        for split, paths in files.items():
            given += [(canonical_split(split), path) for path in _several(paths)]
    else:
        given += [(None, path) for path in _several(files)]
    if not given:
        raise EmofuseError("no table is given; name at least one file")
    return given


def _several(paths: Path | Sequence[Path]) -> Sequence[Path]:
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def _tags(names: list[str]) -> list[str]:
    tags: list[str] = []
    for name in names:
        number, tag = 1, name
        while tag in tags:
            number += 1
            tag = f"{name}-{number}"
        tags.append(tag)
    return tags


def _common_folder(paths: list[Path]) -> Path:
    return Path(os.path.commonpath([os.path.realpath(path.parent) for path in paths]))


def _combine(
    sources: list[_Source], mapping: TableMapping, root: Path
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """All mapped cells, the file and row that each row stands in, and how many rows were mended."""
    frames, places, mended = [], [], 0
    for source in sources:
        frame, touched = _mapped(source, mapping, root)
        mended += touched
        frames.append(frame)
        rows = source.table.raw.rows
        places.append(pd.DataFrame({"row": rows, "file": source.name, "tag": source.tag}, index=frame.index))
    return pd.concat(frames, ignore_index=True), pd.concat(places, ignore_index=True), mended


def _mapped(source: _Source, mapping: TableMapping, root: Path) -> tuple[pd.DataFrame, int]:
    raw = source.table.raw.frame
    columns: dict[str, pd.Series] = {}
    touched = pd.Series(False, index=raw.index)
    known = set(map(str, raw.columns))
    for target in mapping.columns:
        names = mapping.sources(target, known)
        cells = raw[names[0]] if len(names) == 1 else joined_cells(raw, names, target, str(source.path))
        cells, mended = mend_c1(cells.astype(object).where(cells.notna(), None))
        touched |= mended
        columns[target] = cells if target == "text" else _each(cells, _stripped)
    for column in ("start", "end"):
        if column in columns:
            columns[column] = seconds(columns[column])
    for column in PATH_COLUMNS:
        if column in columns:
            columns[column] = _relative_paths(columns[column], source.path.parent, root)
    if source.split is not None:
        columns["split"] = pd.Series(source.split, index=raw.index, dtype=object)
    return pd.DataFrame(columns, index=raw.index, dtype=object), int(touched.sum())


def _each(cells: pd.Series, function: Callable[[object], object]) -> pd.Series:
    # Not Series.map, which would make another type of the column by what comes out.
    return pd.Series([function(cell) for cell in cells], index=cells.index, dtype=object)


def _stripped(cell: object) -> object:
    return (cell.strip() or None) if isinstance(cell, str) else cell


def seconds(cells: pd.Series) -> pd.Series:
    """Timestamps such as ``00:16:16,059``, ``16:16.059`` or ``75:03`` as seconds; other cells as they are."""
    texts = _each(cells, lambda cell: cell if isinstance(cell, str) else None)
    if texts.isna().all():
        return cells
    is_time = texts.str.fullmatch(TIMESTAMP, na=False)
    parts = texts[is_time].str.extract(TIMESTAMP).fillna("0")
    hours, minutes, long, last = (parts[name].astype(int) for name in ("hours", "minutes", "long", "seconds"))
    full_seconds = hours * 3600 + (minutes + long) * 60 + last
    result = cells.astype(object)
    # Joined as text, so that 976.059 is the float nearest to it and not the sum of two.
    result[is_time] = (full_seconds.astype(str) + "." + parts["part"]).astype(float)
    return result


def _relative_paths(cells: pd.Series, folder: Path, root: Path) -> pd.Series:
    base = os.path.realpath(folder)

    def seen_from_root(cell: object) -> object:
        if not isinstance(cell, str) or "://" in cell:
            return cell  # left for validation to name
        return Path(os.path.relpath(Path(base, cell), root)).as_posix()

    return _each(cells, seen_from_root)


def _reasons_to_drop(frame: pd.DataFrame, places: pd.DataFrame, mapping: TableMapping) -> pd.Series:
    reasons = pd.Series(None, index=frame.index, dtype=object)
    if "id" in mapping.columns or "turn" in mapping.columns:
        # Without a name or number of its own, a second "Yes." of a speaker is an utterance like any other.
        keys = frame.map(repr).assign(tag=places["tag"])
        reasons[keys.duplicated()] = "an earlier row repeated"
    modalities = frame[[column for column in MODALITY_COLUMNS if column in frame]]
    empty = modalities.map(lambda cell: cell is None or (isinstance(cell, str) and not cell.strip()))
    reasons[empty.all(axis=1)] = "no text, video or audio"
    return reasons


def _dropped(sources: list[_Source], places: pd.DataFrame, reasons: pd.Series) -> dict[str, tuple[str, ...]]:
    dropped: dict[str, list[str]] = {}
    for source in sources:
        name, raw = source.name, source.table.raw
        dropped.setdefault("blank", []).extend(f"{name} row {row}" for row in raw.blank)
        dropped.setdefault("not as wide as the header", []).extend(
            f"{name} row {row}" for row, _ in raw.broken
        )
    for file, row, reason in zip(places["file"], places["row"], reasons, strict=True):
        dropped.setdefault(reason, []).append(f"{file} row {row}")
    return {reason: tuple(rows) for reason, rows in dropped.items() if rows}


def _usual_scope(sources: list[_Source]) -> DialogueScope:
    splits = [source.split for source in sources]
    if splits[0] is not None and len(set(splits)) == len(splits):
        return "split"
    return "file" if len(sources) > 1 else "all"


def _named(frame: pd.DataFrame, places: pd.DataFrame, scope: DialogueScope) -> pd.DataFrame:
    """The frame with dialogues prefixed as the scope asks, and with ids if it has none."""
    frame = frame.copy()
    row_ids = places["tag"] + "_row" + places["row"].astype(str)
    table, _ = typed(frame.assign(id=row_ids.astype(object)))
    if "dialogue" not in frame:
        return frame if "id" in frame else frame.assign(id=row_ids.astype(object))
    own = frame["dialogue"].isna()
    prefix = {"all": None, "split": table["split"], "file": places["tag"]}[scope]
    if prefix is not None:
        table["dialogue"] = (prefix + "_").fillna("") + table["dialogue"]
        frame["dialogue"] = table["dialogue"].astype(object).where(~own, None)
    if "id" not in frame:
        numbered = ~own & table["turn"].notna()
        ids = (table["dialogue"] + "_" + table["turn"].astype("string")).where(numbered, row_ids)
        frame["id"] = ids.astype(object)
    return frame


def _assemble(frame: pd.DataFrame, places: pd.DataFrame, sources: list[_Source], root: Path) -> Manifest:
    several = len(sources) > 1
    broken = [
        Problem(row, None, what, source.name if several else None)
        for source in sources
        for row, what in source.table.raw.broken
    ]
    files = places["file"].to_numpy(dtype=object) if several else None
    origin = Origin(places["row"].to_numpy(dtype=np.int64), files)
    name = "tables" if several else str(sources[0].path)
    ordered = frame[[column for column in MAPPED_COLUMNS if column in frame]]
    return Manifest(ordered, root, name=name, origin=origin, broken=broken)


def _summarise(
    manifest: Manifest, sources: list[_Source], dropped: dict[str, tuple[str, ...]], notes: list[str]
) -> TableSummary:
    frame = manifest.frame
    counts = tuple(FileCount(source.name, source.split, source.table.raw.count) for source in sources)
    return TableSummary(
        files=counts,
        rows_read=sum(count.rows for count in counts),
        rows_kept=len(manifest),
        dropped=dropped,
        without_text=int(frame["text"].isna().sum()),
        labels=count_labels(frame),
        dialogues=int(frame["dialogue"].nunique()),
        speakers=int(frame["speaker"].nunique()),
        notes=tuple(notes),
    )
