"""The checks of a manifest's rows: every bad row is found at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emofuse.data.face_place import parse_place, parse_places
from emofuse.data.manifest_columns import (
    CROP,
    CROPS,
    FACE,
    FEATURES,
    LISTENERS,
    NUMBER_COLUMNS,
    PATH_COLUMNS,
    SPLIT_ALIASES,
    SPLITS,
)
from emofuse.data.manifest_problems import Origin, Problem
from emofuse.data.nearest_names import is_meant

_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"
# Where a space at an edge makes a second name of the same thing; texts keep theirs.
NAME_COLUMNS = ("id", "dialogue", "speaker", "label", "group")


class Finding(NamedTuple):
    """Bad rows of one check.

    Attributes:
        positions: of the rows.
        what: what is wrong: the same for all, or one for each.
        cause: likewise, without what differs from row to row; empty where ``what`` holds nothing of the kind.
    """

    positions: NDArray[np.intp]
    what: str | Sequence[str]
    cause: str | Sequence[str] = ""


def find_problems(
    frame: pd.DataFrame,
    origin: Origin,
    check_path: Callable[[str], str | None],
    labels: Sequence[str] | None,
) -> list[Problem]:
    """Everything wrong with a typed frame.

    Args:
        frame: see :func:`emofuse.data.manifest_columns.typed`.
        origin: where its rows stand.
        check_path: why a path of media is wrong, or None.
        labels: the labels that may occur; None for any.
    """
    if frame.empty:
        return [Problem(None, None, "has no rows; give it at least one utterance")]
    return _as_problems(_findings(frame, origin, check_path, labels), frame, origin)


def find_unwritable(frame: pd.DataFrame, origin: Origin) -> list[Problem]:
    """Rows of a typed frame that no file could hold."""
    return _as_problems([*_check_surrogates(frame), *_check_finite(frame)], frame, origin)


def _as_problems(findings: Iterable[Finding], frame: pd.DataFrame, origin: Origin) -> list[Problem]:
    ids = frame["id"].tolist()
    problems = []
    for finding in findings:
        count = len(finding.positions)
        # What is the same for all is repeated for each.
        what = [finding.what] * count if isinstance(finding.what, str) else finding.what
        cause = [finding.cause] * count if isinstance(finding.cause, str) else finding.cause
        for at, why, in_general in zip(finding.positions, what, cause, strict=True):
            problems.append(origin.problem(at, ids[at], why, in_general))
    return problems


def _findings(
    frame: pd.DataFrame,
    origin: Origin,
    check_path: Callable[[str], str | None],
    labels: Sequence[str] | None,
) -> Iterator[Finding]:
    yield from _check_ids(frame, origin)
    yield from _check_spaces(frame)
    yield from _check_control(frame)
    yield from _check_surrogates(frame)
    yield from _check_finite(frame)
    yield from _check_turns(frame, origin)
    yield from _check_times(frame)
    yield from _check_targets(frame, labels)
    yield from _check_splits(frame)
    yield from _check_modalities(frame)
    yield from _check_crops(frame)
    yield from _check_faces(frame)
    yield from _check_paths(frame, check_path)


def _at(mask: pd.Series) -> NDArray[np.intp]:
    return np.flatnonzero(mask.to_numpy(dtype=bool, na_value=False))


def _blank(cells: pd.Series) -> pd.Series:
    return cells.isna() | (cells.str.strip() == "")


def _check_ids(frame: pd.DataFrame, origin: Origin) -> Iterator[Finding]:
    blank = _blank(frame["id"])
    yield Finding(_at(blank), "has no id; give every row one of its own")
    yield from _repeats(frame.loc[~blank, ["id"]], origin, "has the same id as {place}; ids must differ")


def _repeats(keys: pd.DataFrame, origin: Origin, what: str) -> Iterator[Finding]:
    """Rows whose keys an earlier row has; ``keys`` is indexed by position."""
    again = keys.duplicated()
    if again.any():
        columns = list(keys.columns)
        first = keys.index.to_series().groupby([keys[column] for column in columns]).transform("min")[again]
        positions = np.asarray(first.index, dtype=np.intp)
        yield Finding(
            positions,
            [what.format(place=origin.place(int(earlier))) for earlier in first],
            what.format(place="an earlier row"),
        )


def _check_spaces(frame: pd.DataFrame) -> Iterator[Finding]:
    for column in NAME_COLUMNS:
        cells = frame[column]
        edged = cells.notna() & (cells != cells.str.strip())
        yield Finding(_at(edged), f"{column} begins or ends with a space; remove it")


def _check_control(frame: pd.DataFrame) -> Iterator[Finding]:
    """A name with a line break or an escape sequence would break lists, and command a terminal."""
    for column in NAME_COLUMNS:
        odd = frame[column].str.strip().str.contains(_CONTROL, na=False)
        yield Finding(_at(odd), f"{column} holds a control character, such as a line break; remove it")


def _check_surrogates(frame: pd.DataFrame) -> Iterator[Finding]:
    for column in frame.columns.drop(["turn", *NUMBER_COLUMNS]):
        broken = frame[column].str.contains("[\ud800-\udfff]", na=False)
        yield Finding(_at(broken), f"{column} holds half a character (a lone surrogate); write it anew")


def _check_finite(frame: pd.DataFrame) -> Iterator[Finding]:
    for column in NUMBER_COLUMNS:
        infinite = _at(np.isinf(frame[column]))
        yield Finding(infinite, f"{column} is infinite; give a finite number or leave it out")


def _check_turns(frame: pd.DataFrame, origin: Origin) -> Iterator[Finding]:
    in_dialogue = frame["dialogue"].notna()
    given = frame["turn"].notna()
    others = given.groupby(frame["dialogue"]).transform("any").astype(bool) & in_dialogue
    yield Finding(
        _at(others & ~given),
        "has no turn while others of its dialogue have one; number all or none",
    )
    keys = frame.loc[in_dialogue & given, ["dialogue", "turn"]]
    yield from _repeats(keys, origin, "has the same dialogue and turn as {place}; number the turns anew")


def _check_times(frame: pd.DataFrame) -> Iterator[Finding]:
    start, end = frame["start"], frame["end"]
    yield Finding(_at(start < 0), "start is negative; times are seconds from the beginning of the file")
    yield Finding(_at(end < 0), "end is negative; times are seconds from the beginning of the file")
    yield Finding(
        _at(start.isna() & (end == 0)),
        "end is 0, so nothing is left of the file; leave it out",
    )
    backwards = _at((start >= end) & (end >= 0))
    what = [f"start {start[at]:g} is not before end {end[at]:g}" for at in backwards]
    yield Finding(backwards, what, "start is not before end")


def _check_targets(frame: pd.DataFrame, labels: Sequence[str] | None) -> Iterator[Finding]:
    train = frame["split"] == "train"
    untold = train & frame["label"].isna() & frame["valence"].isna()
    yield Finding(_at(untold), "has neither label nor valence, though it is in the training split")
    if labels is not None:
        known = list(labels)
        unknown = _at(frame["label"].notna() & ~frame["label"].isin(known))
        what = [_unknown_label(str(frame["label"].iloc[at]), known) for at in unknown]
        yield Finding(unknown, what, f"label is not one of {', '.join(known)}")


def _unknown_label(label: str, known: Sequence[str]) -> str:
    return f"label {label!r} is not one of {', '.join(known)}{is_meant(label, known)}"


def _check_splits(frame: pd.DataFrame) -> Iterator[Finding]:
    unknown = _at(frame["split"].notna() & ~frame["split"].isin(SPLITS))
    names = f"{', '.join(SPLITS)} (or {', '.join(SPLIT_ALIASES)} for val)"
    what = [f"split {frame['split'].iloc[at]!r} is not one of {names}" for at in unknown]
    yield Finding(unknown, what, f"split is not one of {names}")


def _check_modalities(frame: pd.DataFrame) -> Iterator[Finding]:
    none = _blank(frame["text"]) & frame["video"].isna() & frame["audio"].isna()
    if FEATURES in frame:
        none &= _blank(frame[FEATURES])
    yield Finding(_at(none), "has no text, no video and no audio; give it at least one or remove it")


def _check_crops(frame: pd.DataFrame) -> Iterator[Finding]:
    if CROP not in frame:
        return
    crop = frame[CROP]
    unknown = _at(crop.notna() & ~crop.isin(CROPS))
    what = [f"crop {crop.iloc[at]!r} is not one of {', '.join(CROPS)}" for at in unknown]
    yield Finding(unknown, what, f"crop is not one of {', '.join(CROPS)}")
    uncut = _at(crop.isin(CROPS) & frame["video"].isna())
    yield Finding(uncut, "has a crop but no video; remove the crop")


def _check_faces(frame: pd.DataFrame) -> Iterator[Finding]:
    for column, parse in ((FACE, parse_place), (LISTENERS, parse_places)):
        if column not in frame:
            continue
        wrong = {cell: why for cell in frame[column].dropna().unique() if (why := _why_not(parse, cell))}
        positions = _at(frame[column].isin(list(wrong)))
        cells = frame[column].iloc[positions]
        what = [f"{column} {cell!r} {wrong[cell]}" for cell in cells]
        yield Finding(positions, what, [f"{column} {wrong[cell]}" for cell in cells])
        unseen = _at(frame[column].notna() & frame["video"].isna())
        yield Finding(unseen, f"has a {column} but no video; remove it")


def _why_not(parse: Callable[[str], object], cell: str) -> str:
    try:
        parse(cell)
    except ValueError as error:
        return str(error)
    return ""


def _check_paths(frame: pd.DataFrame, check_path: Callable[[str], str | None]) -> Iterator[Finding]:
    for column in PATH_COLUMNS:
        # Clips cut from one film share its file: each file is looked at once.
        reasons = {path: check_path(path) for path in frame[column].dropna().unique()}
        bad = {path: reason for path, reason in reasons.items() if reason}
        if bad:
            positions = _at(frame[column].isin(list(bad)))
            paths = frame[column].iloc[positions]
            what = [f"{column} {path!r} {bad[path]}" for path in paths]
            yield Finding(positions, what, [f"{column} {bad[path]}" for path in paths])
