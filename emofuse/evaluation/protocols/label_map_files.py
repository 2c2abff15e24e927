"""Label maps as files and as words on a command line.

YAML has the sides ``data`` and ``run`` (or is the side ``data`` alone), CSV the columns ``label`` and
``counts_as`` and, where the run's side is wanted, ``side``. On a command line ``joy=happiness,awe=`` is the
side ``data``, ``run:excited=happiness`` the side ``run``. Nothing on the right means: left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emofuse.data.atomic import write_text_aside
from emofuse.data.separators import find_separator
from emofuse.data.spreadsheet import original_text, text_cell
from emofuse.data.stored_files import stored_text, stored_yaml
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.label_map import LabelMap

_SIDES = ("data", "run")
_SUFFIXES = (".yaml", ".yml", ".csv")
Entry = tuple[str, str, str | None]  # side, label, what it counts as


def read_label_map(given: str) -> LabelMap:
    """A map from a file name, or from words such as ``joy=happiness,awe=,run:excited=happiness``.

    Raises:
        EmofuseError: the file cannot be read, or something in it is no entry of a map.
    """
    path = Path(given)
    if path.suffix.lower() not in _SUFFIXES:
        return _collected(_inline(given), "--label-map")
    if path.suffix.lower() == ".csv":
        text = stored_text(path, "name a label map in UTF-8").removeprefix("\ufeff")
        return _collected(_csv(path, text), str(path))
    return _collected(_yaml(path), str(path))


def write_label_map(label_map: LabelMap, path: Path) -> None:
    """Write a map as YAML or CSV, by suffix; what :func:`read_label_map` reads.

    Raises:
        EmofuseError: another suffix.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise EmofuseError(f"{path}: a label map is a .yaml or a .csv file")
    write_text_aside(path, _as_csv(label_map) if path.suffix.lower() == ".csv" else _as_yaml(label_map))


def _collected(entries: Iterator[Entry], where: str) -> LabelMap:
    sides: dict[str, dict[str, str | None]] = {side: {} for side in _SIDES}
    for side, label, name in entries:
        if side not in sides:
            raise EmofuseError(f"{where}: there is no side {side!r}; it is data or run")
        if label in sides[side]:
            raise EmofuseError(f"{where}: {label!r} stands twice on side {side}; keep one of them")
        sides[side][label] = name or None
    return LabelMap(**sides)


def _inline(given: str) -> Iterator[Entry]:
    for pair in given.split(","):
        label, sign, name = (part.strip() for part in pair.partition("="))
        if not (label and sign):
            raise EmofuseError(
                f"--label-map {pair!r}: write label=what it counts as, separated by commas, "
                "or name a .yaml or .csv file"
            )
        side, colon, rest = label.partition(":")
        yield (side, rest, name) if colon and side in _SIDES else ("data", label, name)


def _yaml(path: Path) -> Iterator[Entry]:
    content = stored_yaml(path, "name a label map in YAML")
    if not isinstance(content, dict):
        raise EmofuseError(
            f"{path}: give the sides data: and run:, each with lines of label: what it counts as"
        )
    has_sides = set(content) <= set(_SIDES) and all(isinstance(v, dict | None) for v in content.values())
    for side, entries in (content if has_sides else {"data": content}).items():
        for label, name in (entries or {}).items():
            if isinstance(name, dict | list):
                raise EmofuseError(
                    f"{path}: {label!r}: write what it counts as on the same line, one label or null"
                )
            yield side, _text(path, label), None if name is None else _text(path, name)


def _text(path: Path, value: Any) -> str:
    # YAML reads a bare no, yes or 3 as something else than a word.
    if not isinstance(value, str):
        raise EmofuseError(f"{path}: {value!r} is not a label; put it between quotation marks")
    return value


def _csv(path: Path, text: str) -> Iterator[Entry]:
    text, separator = find_separator(text, expected=("label", "counts_as"))
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        if not {"label", "counts_as"} <= set(reader.fieldnames or ()):
            raise EmofuseError(
                f"{path}: the header must have the columns label and counts_as (and may have side)"
            )
        for number, row in enumerate(reader, start=1):
            if not row["label"]:
                raise EmofuseError(f"{path}, row {number}: the label is empty")
            name = row["counts_as"]
            yield (
                row.get("side") or "data",
                original_text(row["label"]),
                None if name is None else original_text(name),
            )
    except csv.Error as error:
        raise EmofuseError(f"{path}: is not CSV ({error})") from error


def _as_yaml(label_map: LabelMap) -> str:
    lines = [
        "# What the labels of the data count as in the scores; null leaves the utterances out.",
        *_yaml_side("data", label_map),
        "# What the run's answers count as; null forbids an answer. Give two of them one name to merge them.",
        *_yaml_side("run", label_map),
    ]
    return "\n".join(lines) + "\n"


def _yaml_side(side: str, label_map: LabelMap) -> Iterator[str]:
    entries = getattr(label_map, side)
    yield f"{side}:" if entries else f"{side}: {{}}"
    for label, name in entries.items():
        # A JSON string is a YAML one too, whatever the label is.
        yield f"  {json.dumps(label, ensure_ascii=False)}: {json.dumps(name, ensure_ascii=False)}"


def _as_csv(label_map: LabelMap) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["side", "label", "counts_as"])
    for side in _SIDES:
        writer.writerows(
            [side, text_cell(label), text_cell(name or "")]
            for label, name in getattr(label_map, side).items()
        )
    return text.getvalue()
