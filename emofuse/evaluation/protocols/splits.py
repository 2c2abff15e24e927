"""Evaluation protocols: which utterances a model is trained on, stopped by, and judged on.

Early stopping sees a validation part of the training data, never the test part. Rows without a label and
without a valence never enter. The same manifest and seed give the same parts, in whatever order the rows
stand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.folds import GroupedSampler, fold_numbers, strata_of
from emofuse.evaluation.protocols.protocol_info import PARTS, Split, protocol_info


def splits(
    manifest: Manifest, protocol: str, k: int = 10, seed: int = 0, val_fraction: float = 0.1
) -> list[Split]:
    """Split a manifest's labelled utterances as a protocol says.

    ``official`` follows the column ``split``. Where the validation part is missing it is carved from the
    training part by dialogue. Where the test part is missing (or carries no labels) the validation part is
    the test, and validation is carved from the training part, so that nothing is ever stopped on what it is
    judged by; :func:`protocol_note` says which of these happened.

    ``session`` leaves out each value of the column ``group`` in turn. ``speaker``, ``dialogue`` and
    ``random-kfold`` are k-fold, stratified by label (by sign and size of the valence where there is none):
    every labelled utterance is in exactly one test part. ``speaker`` keeps whole the circles of people who
    talk with each other, and with them their dialogues, where there are at least k circles and none holds
    more than half of the utterances; otherwise it groups by speaker alone.

    The validation part of a fold is carved from its training part under the protocol's own grouping,
    stratified, as near to ``val_fraction`` as whole groups allow, but at least one group. Where the training
    part is a single group, the next finer grouping is taken (speaker, dialogue, utterance).

    Args:
        manifest: the corpus.
        protocol: a name in ``PROTOCOLS``.
        k: number of folds of the k-fold protocols.
        seed: of the shuffling; it matters as far as balancing the folds leaves a choice, which few and unlike
            speakers may not.
        val_fraction: share of the training part that becomes validation, above 0 and up to 0.5.

    Returns:
        One split per fold, ids sorted.

    Raises:
        EmofuseError: unknown protocol, nothing labelled, too few groups for k, or a column that the protocol
            needs is not filled.
    """
    protocol_info(protocol)
    if not 0 < val_fraction <= 0.5:
        raise EmofuseError(f"val_fraction={val_fraction}: give a share above 0 and up to 0.5")
    rows = _labelled_rows(manifest)
    carver = GroupedSampler(rows, seed, val_fraction)
    if protocol == "official":
        return [_official(rows, carver)]
    groupings = _groupings(rows, protocol, k)
    if protocol == "session":
        folds = _leave_one_out(groupings[0])
    else:
        folds = fold_numbers(strata_of(rows), groupings[0], _checked_k(k, groupings[0], protocol), seed)
    parts = []
    for fold in range(int(folds.max()) + 1):
        train, val = carver.draw_part(np.flatnonzero(folds != fold), groupings)
        parts.append(_split(rows, train, val, np.flatnonzero(folds == fold)))
    return parts


def protocol_note(manifest: Manifest, protocol: str, k: int = 10) -> str:
    """One line on how the protocol was applied to this manifest, to stand beside its numbers.

    Raises:
        EmofuseError: as :func:`splits`.
    """
    info = protocol_info(protocol)
    rows = _labelled_rows(manifest)
    if protocol == "official":
        return f"{info.why}; {_official_parts(rows).note}"
    _groupings(rows, protocol, k)  # refuses what splits refuses
    if protocol == "speaker":
        keeps_dialogues = _circles(rows, k) is not None
        return f"{info.why}; " + (
            "dialogues are kept whole too"
            if keeps_dialogues
            else "grouped by speaker alone, so partners may share dialogues"
        )
    return info.why


def _labelled_rows(manifest: Manifest) -> pd.DataFrame:
    frame = manifest.frame
    rows = frame[frame["label"].notna() | frame["valence"].notna()].sort_values("id", ignore_index=True)
    if rows.empty:
        raise EmofuseError("no row of the manifest has a label or a valence: there is nothing to train on")
    if rows["id"].isna().any():
        raise EmofuseError("a labelled row of the manifest has no id: validate the manifest first")
    repeated = rows["id"][rows["id"].duplicated()]
    if len(repeated):
        raise EmofuseError(f"the id {repeated.iloc[0]!r} stands twice in the manifest: make ids unique")
    return rows


def _split(rows: pd.DataFrame, *parts: np.ndarray) -> Split:
    ids = rows["id"].to_numpy(dtype=object)
    return Split(*(ids[np.sort(part)].tolist() for part in parts))


class _OfficialParts(NamedTuple):
    train: np.ndarray
    val: np.ndarray | None
    test: np.ndarray
    note: str


def _official_parts(rows: pd.DataFrame) -> _OfficialParts:
    named = rows[rows["split"].notna()]
    strange = named[~named["split"].isin(PARTS)]
    if len(strange):
        row = strange.iloc[0]
        raise EmofuseError(f"id {row['id']!r}: split {row['split']!r} is none of {', '.join(PARTS)}")
    train, val, test = (np.flatnonzero(rows["split"].eq(part).fillna(False).to_numpy(bool)) for part in PARTS)
    if not _has_official_parts(rows):
        counts = f"train {len(train)}, val {len(val)}, test {len(test)}"
        raise EmofuseError(
            f"protocol 'official' needs labelled rows in train and in test or val (there are: {counts}); "
            "fill the column split, or choose another protocol"
        )
    carved = "validation is carved from the training part by dialogue"
    if not len(test):
        return _OfficialParts(
            train, None, val, f"there is no labelled test part: val is the test, and {carved}"
        )
    if not len(val):
        return _OfficialParts(train, None, test, f"there is no labelled val part: {carved}")
    return _OfficialParts(train, val, test, "all three are the publishers'")


def _has_official_parts(rows: pd.DataFrame) -> bool:
    held = set(rows["split"].dropna())
    return "train" in held and len(held) > 1


def _official(rows: pd.DataFrame, carver: GroupedSampler) -> Split:
    train, val, test, _ = _official_parts(rows)
    if val is None:
        train, val = carver.draw_part(train, [_codes(rows, "dialogue"), np.arange(len(rows))])
    return _split(rows, train, val, test)


def _groupings(rows: pd.DataFrame, protocol: str, k: int) -> list[np.ndarray]:
    """The protocol's grouping, then the finer ones that validation may fall back on; (n,) integers each."""
    dialogues, alone = _codes(rows, "dialogue"), np.arange(len(rows))
    if protocol == "random-kfold":
        return [alone]
    if protocol == "dialogue":
        if dialogues.max() == len(rows) - 1:
            raise EmofuseError(
                "protocol 'dialogue': no dialogue has two labelled utterances, so it would be random-kfold "
                "under another name; fill the column dialogue, or choose another protocol"
            )
        return [dialogues, alone]
    if protocol == "session":
        return [_filled(rows, "group", protocol), dialogues, alone]
    speakers, circles = _filled(rows, "speaker", protocol), _circles(rows, k)
    return [speakers if circles is None else circles, speakers, dialogues, alone]


def _codes(rows: pd.DataFrame, column: str) -> np.ndarray:
    # Sorted, so that sessions are left out in the order of their names.
    return pd.factorize(rows[column], sort=True)[0]


def _filled(rows: pd.DataFrame, column: str, protocol: str) -> np.ndarray:
    absent = rows["id"][rows[column].isna()]
    if len(absent):
        raise EmofuseError(
            f"protocol {protocol!r} needs the column {column} in every labelled row: "
            f"{len(absent)} of them lack it (the first is id {absent.iloc[0]!r}); fill it, or choose another protocol, "
            f"such as {'official' if _has_official_parts(rows) else 'dialogue'}"
        )
    return _codes(rows, column)


def _circles(rows: pd.DataFrame, k: int) -> np.ndarray | None:
    """Connected components of who talks with whom, or None where they make no k fair folds."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    speakers, dialogues = _codes(rows, "speaker"), _codes(rows, "dialogue")
    first_dialogue = speakers.max() + 1
    nodes = first_dialogue + dialogues.max() + 1
    talks = coo_matrix((np.ones(len(rows)), (speakers, first_dialogue + dialogues)), shape=(nodes, nodes))
    component = connected_components(talks, directed=False)[1][speakers]
    sizes = np.unique(component, return_counts=True)[1]
    return component if len(sizes) >= k and sizes.max() <= len(rows) / 2 else None


def _checked_k(k: int, groups: np.ndarray, protocol: str) -> int:
    unit = {"dialogue": "dialogues", "speaker": "speakers"}.get(protocol, "labelled utterances")
    count = len(np.unique(groups))
    if k < 2:
        raise EmofuseError(f"k={k}: cross-validation needs at least 2 folds")
    if k > count:
        mend = f"use k={count} or less" if count > 1 else "choose another protocol"
        raise EmofuseError(f"k={k} folds need at least {k} {unit}, and there are {count}: {mend}")
    return k


def _leave_one_out(groups: np.ndarray) -> np.ndarray:
    if groups.max() == 0:
        raise EmofuseError("protocol 'session' needs at least 2 values in the column group, and there is 1")
    return groups
