"""What can be wrong in a manifest: every bad row found at once, in terms its author understands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emofuse.data.manifest_columns import (
    CROP,
    CROPS,
    FEATURES,
    NUMBER_COLUMNS,
    PATH_COLUMNS,
    SPLIT_ALIASES,
    SPLITS,
)
from emofuse.data.paths import ContainedPaths, lexical_refusal
from emofuse.errors import EmofuseError

PRINTED_PROBLEMS = 50
# Where a space at an edge makes a second name of the same thing; texts keep theirs.
NAME_COLUMNS = ("id", "dialogue", "speaker", "label", "group")

Finding = tuple[NDArray[np.intp], str | Sequence[str]]
"""Positions of bad rows, and what is wrong: the same for all, or one for each."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a manifest.

    Attributes:
        row: number of the row in its file, the first after the header being 1; None if it is the whole.
        id: id of the row, if it has one.
        what: what is wrong and how to mend it.
        file: name of the file, where the rows come from several.
    """

    row: int | None
    id: str | None
    what: str
    file: str | None = None

    def __str__(self) -> str:
        file = f"{self.file} " if self.file else ""
        row = f"row {self.row}" if self.row is not None else ""
        named = f" (id {self.id!r})" if self.id is not None else ""
        place = f"{file}{row}{named}".strip()
        return f"{place}: {self.what}" if place else self.what


class ManifestError(EmofuseError):
    """A manifest cannot be used; the message lists what is wrong.

    Attributes:
        problems: all of them, also those beyond the lines that the message prints.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def listing(cls, name: str, problems: Sequence[Problem]) -> ManifestError:
        """An error about the manifest called ``name``: a line per problem, up to a readable number."""
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        lines = [f"{name}: {count} (rows are counted from 1, after the header)"]
        lines += [f"  {problem}" for problem in problems[:PRINTED_PROBLEMS]]
        if len(problems) > PRINTED_PROBLEMS:
            lines.append(f"  and {len(problems) - PRINTED_PROBLEMS} more")
        return cls("\n".join(lines), problems)


@dataclass(frozen=True)
class Origin:
    """Where each row of a frame stands: its number in its file, and the file where there are several."""

    rows: NDArray[np.int64]
    files: NDArray[np.object_] | None = None

    def take(self, positions: NDArray[np.intp]) -> Origin:
        """The origin of a selection of rows."""
        return Origin(self.rows[positions], None if self.files is None else self.files[positions])

    def place(self, position: int) -> str:
        """``"row 3"`` or ``"dev.csv row 3"``."""
        file = "" if self.files is None else f"{self.files[position]} "
        return f"{file}row {self.rows[position]}"

    def problem(self, position: int | np.intp, id: str | None, what: str) -> Problem:
        """A problem of the row at a position."""
        file = None if self.files is None else str(self.files[position])
        return Problem(int(self.rows[position]), id, what, file)


def find_problems(
    frame: pd.DataFrame, origin: Origin, paths: ContainedPaths | None, labels: Sequence[str] | None
) -> list[Problem]:
    """Everything wrong with a typed frame.

    Args:
        frame: see :func:`emofuse.data.manifest_columns.typed`.
        origin: where its rows stand.
        paths: the folder that media must lie in; None to leave the disk alone.
        labels: the labels that may occur; None for any.
    """
    if frame.empty:
        return [Problem(None, None, "has no rows; give it at least one utterance")]
    return _as_problems(_findings(frame, origin, paths, labels), frame, origin)


def find_unwritable(frame: pd.DataFrame, origin: Origin) -> list[Problem]:
    """Rows of a typed frame that no file could hold."""
    return _as_problems([*_check_surrogates(frame), *_check_finite(frame)], frame, origin)


def _as_problems(findings: Iterable[Finding], frame: pd.DataFrame, origin: Origin) -> list[Problem]:
    ids = frame["id"].tolist()
    problems = []
    for positions, what in findings:
        messages = [what] * len(positions) if isinstance(what, str) else what
        problems += [origin.problem(at, ids[at], why) for at, why in zip(positions, messages, strict=True)]
    return problems


def _findings(
    frame: pd.DataFrame, origin: Origin, paths: ContainedPaths | None, labels: Sequence[str] | None
) -> Iterator[Finding]:
    yield from _check_ids(frame, origin)
    yield from _check_spaces(frame)
    yield from _check_surrogates(frame)
    yield from _check_finite(frame)
    yield from _check_turns(frame, origin)
    yield from _check_times(frame)
    yield from _check_targets(frame, labels)
    yield from _check_splits(frame)
    yield from _check_modalities(frame)
    yield from _check_crops(frame)
    yield from _check_paths(frame, paths)


def _at(mask: pd.Series) -> NDArray[np.intp]:
    return np.flatnonzero(mask.to_numpy(dtype=bool, na_value=False))


def _blank(cells: pd.Series) -> pd.Series:
    return cells.isna() | (cells.str.strip() == "")


def _check_ids(frame: pd.DataFrame, origin: Origin) -> Iterator[Finding]:
    blank = _blank(frame["id"])
    yield _at(blank), "has no id; give every row one of its own"
    yield from _repeats(frame.loc[~blank, ["id"]], origin, "has the same id as {place}; ids must differ")


def _repeats(keys: pd.DataFrame, origin: Origin, what: str) -> Iterator[Finding]:
    """Rows whose keys an earlier row has; ``keys`` is indexed by position."""
    again = keys.duplicated()
    if again.any():
        columns = list(keys.columns)
        first = keys.index.to_series().groupby([keys[column] for column in columns]).transform("min")[again]
        positions = np.asarray(first.index, dtype=np.intp)
        yield positions, [what.format(place=origin.place(int(earlier))) for earlier in first]


def _check_spaces(frame: pd.DataFrame) -> Iterator[Finding]:
    for column in NAME_COLUMNS:
        cells = frame[column]
        edged = cells.notna() & (cells != cells.str.strip())
        yield _at(edged), f"{column} begins or ends with a space; remove it"


def _check_surrogates(frame: pd.DataFrame) -> Iterator[Finding]:
    for column in frame.columns.drop(["turn", *NUMBER_COLUMNS]):
        broken = frame[column].str.contains("[\ud800-\udfff]", na=False)
        yield _at(broken), f"{column} holds half a character (a lone surrogate); write it anew"


def _check_finite(frame: pd.DataFrame) -> Iterator[Finding]:
    for column in NUMBER_COLUMNS:
        yield _at(np.isinf(frame[column])), f"{column} is infinite; give a finite number or leave it out"


def _check_turns(frame: pd.DataFrame, origin: Origin) -> Iterator[Finding]:
    in_dialogue = frame["dialogue"].notna()
    given = frame["turn"].notna()
    others = given.groupby(frame["dialogue"]).transform("any").astype(bool) & in_dialogue
    yield (
        _at(others & ~given),
        "has no turn while others of its dialogue have one; number all or none",
    )
    keys = frame.loc[in_dialogue & given, ["dialogue", "turn"]]
    yield from _repeats(keys, origin, "has the same dialogue and turn as {place}; number the turns anew")


def _check_times(frame: pd.DataFrame) -> Iterator[Finding]:
    start, end = frame["start"], frame["end"]
    yield _at(start < 0), "start is negative; times are seconds from the beginning of the file"
    yield _at(end < 0), "end is negative; times are seconds from the beginning of the file"
    yield (
        _at(start.isna() & (end == 0)),
        "end is 0, so nothing is left of the file; leave it out",
    )
    backwards = _at((start >= end) & (end >= 0))
    yield backwards, [f"start {start[at]:g} is not before end {end[at]:g}" for at in backwards]


def _check_targets(frame: pd.DataFrame, labels: Sequence[str] | None) -> Iterator[Finding]:
    train = frame["split"] == "train"
    untold = train & frame["label"].isna() & frame["valence"].isna()
    yield _at(untold), "has neither label nor valence, though it is in the training split"
    if labels is not None:
        known = list(labels)
        unknown = _at(frame["label"].notna() & ~frame["label"].isin(known))
        yield unknown, [_unknown_label(str(frame["label"].iloc[at]), known) for at in unknown]


def _unknown_label(label: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(label.strip().lower(), known, n=1)
    hint = f"; is {close[0]!r} meant?" if close else ""
    return f"label {label!r} is not one of {', '.join(known)}{hint}"


def _check_splits(frame: pd.DataFrame) -> Iterator[Finding]:
    unknown = _at(frame["split"].notna() & ~frame["split"].isin(SPLITS))
    names = f"{', '.join(SPLITS)} (or {', '.join(SPLIT_ALIASES)} for val)"
    yield unknown, [f"split {frame['split'].iloc[at]!r} is not one of {names}" for at in unknown]


def _check_modalities(frame: pd.DataFrame) -> Iterator[Finding]:
    none = _blank(frame["text"]) & frame["video"].isna() & frame["audio"].isna()
    if FEATURES in frame:
        none &= _blank(frame[FEATURES])
    yield _at(none), "has no text, no video and no audio; give it at least one or remove it"


def _check_crops(frame: pd.DataFrame) -> Iterator[Finding]:
    if CROP not in frame:
        return
    crop = frame[CROP]
    unknown = _at(crop.notna() & ~crop.isin(CROPS))
    yield unknown, [f"crop {crop.iloc[at]!r} is not one of {', '.join(CROPS)}" for at in unknown]
    yield _at(crop.isin(CROPS) & frame["video"].isna()), "has a crop but no video; remove the crop"


def _check_paths(frame: pd.DataFrame, paths: ContainedPaths | None) -> Iterator[Finding]:
    for column in PATH_COLUMNS:
        # Clips cut from one film share its file: each file is looked at once.
        reasons = {
            path: paths.file_problem(path) if paths else lexical_refusal(path)
            for path in frame[column].dropna().unique()
        }
        bad = {path: f"{column} {path!r} {reason}" for path, reason in reasons.items() if reason}
        if bad:
            positions = _at(frame[column].isin(list(bad)))
            yield positions, [bad[path] for path in frame[column].iloc[positions]]
