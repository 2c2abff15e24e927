"""Which column of somebody's table is which column of a manifest, and which file is which split."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emofuse.data.manifest import COLUMNS
from emofuse.data.manifest_columns import CROP, SPLIT_ALIASES, SPLITS
from emofuse.data.nearest_names import is_meant
from emofuse.data.wording import column_names
from emofuse.errors import EmofuseError

MODALITY_COLUMNS = ("text", "video", "audio")
# What a table may give to a manifest.
MAPPED_COLUMNS = (*COLUMNS, CROP)
JOIN_SIGN = "+"
MAP_EXAMPLE = "--map text=Utterance,label=Emotion"
SPLIT_EXAMPLE = "--split train=train.csv,val=dev.csv"


@dataclass(frozen=True)
class TableMapping:
    """Column of the manifest → column of the table, or several that are joined (``Season+Episode``).

    Attributes:
        columns: at least one of ``text``, ``video`` and ``audio`` among its keys.

    Raises:
        EmofuseError: a key is no column of a manifest, or no modality is mapped.
    """

    columns: Mapping[str, str]

    def __post_init__(self) -> None:
        for target in self.columns:
            if target not in MAPPED_COLUMNS:
                hint = is_meant(target, MAPPED_COLUMNS)
                raise EmofuseError(
                    f"map: {target!r} is no column of a manifest{hint}; they are {', '.join(MAPPED_COLUMNS)}"
                )
        if not any(column in self.columns for column in MODALITY_COLUMNS):
            raise EmofuseError(f"map: name a column for text, video or audio, as in {MAP_EXAMPLE}")

    def sources(self, target: str, columns: Collection[str]) -> tuple[str, ...]:
        """The columns of a table that make up a column of the manifest; a name with ``+`` in it may be a column too."""
        name = self.columns[target]
        parts = tuple(part.strip() for part in name.split(JOIN_SIGN))
        return parts if name not in columns and all(parts) else (name,)

    def require_in(self, columns: Sequence[str], name: str) -> None:
        """Make sure that a table has every column that is mapped.

        Raises:
            EmofuseError: naming those that ``name`` lacks, the closest it has, and all it has.
        """
        known = set(columns)
        missing = [
            f"{source!r} (for {target}{is_meant(source, columns)})"
            for target in self.columns
            for source in self.sources(target, known)
            if source not in known
        ]
        if missing:
            raise EmofuseError(
                f"{name}: has no column {', '.join(missing)}; its columns are {column_names(columns)}"
            )


def parse_map(text: str) -> TableMapping:
    """Read ``text=Utterance,label=Emotion``; quote an item whose column has a comma (``"text=a, b"``).

    ``dialogue=Season+Episode+Scene_ID`` joins several columns.

    Raises:
        EmofuseError: an item is not of the form ``ours=theirs``, or is given twice, or names no column
            of a manifest.
    """
    columns: dict[str, str] = {}
    for target, source in _pairs(text, "map", MAP_EXAMPLE):
        if target in columns:
            raise EmofuseError(f"map: {target} is given twice; map every column once")
        columns[target] = source
    return TableMapping(columns)


def parse_splits(text: str) -> dict[str, tuple[Path, ...]]:
    """Read ``train=a.csv,val=b.csv``; a split may be named again for a further file.

    Raises:
        EmofuseError: an item is not of the form ``split=file``, or a split is not known.
    """
    files: dict[str, tuple[Path, ...]] = {}
    for name, path in _pairs(text, "split", SPLIT_EXAMPLE):
        split = canonical_split(name)
        files[split] = (*files.get(split, ()), Path(path))
    return files


def canonical_split(name: str) -> str:
    """``train``, ``val`` or ``test`` for a name or alias of it.

    Raises:
        EmofuseError: it is neither.
    """
    lowered = name.strip().lower()
    split = SPLIT_ALIASES.get(lowered, lowered)
    if split not in SPLITS:
        names = f"{', '.join(SPLITS)} (or {', '.join(SPLIT_ALIASES)} for val)"
        raise EmofuseError(f"split: {name!r} is not one of {names}")
    return split


def _pairs(text: str, what: str, example: str) -> list[tuple[str, str]]:
    try:
        items = next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise EmofuseError(f"{what}: {text!r} cannot be read ({error}); write it as in {example}") from None
    pairs = []
    for item in items:
        left, sign, right = item.partition("=")
        if not (sign and left.strip() and right.strip()):
            raise EmofuseError(f"{what}: {item!r} is not of the form name=value; write it as in {example}")
        pairs.append((left.strip(), right.strip()))
    if not pairs:
        raise EmofuseError(f"{what}: is empty; write it as in {example}")
    return pairs
