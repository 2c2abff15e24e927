"""Stratified folds over groups, and validation parts carved out of training parts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pandas as pd


def strata_of(rows: pd.DataFrame) -> np.ndarray:
    """(n,) what to balance over the folds: the label, or sign and size (about the median) of the valence."""
    valence = rows["valence"].to_numpy(float)
    size = np.abs(valence)
    bins = np.full(len(rows), "", dtype=object)
    for sign in (-1.0, 0.0, 1.0):
        side = np.sign(valence) == sign
        if side.any():
            bins[side] = np.where(
                size[side] > np.median(size[side]), f"valence {sign} far", f"valence {sign}"
            )
    labels = rows["label"]
    return pd.factorize(np.where(labels.notna(), labels.to_numpy(object), bins), sort=True)[0]


def fold_numbers(strata: np.ndarray, groups: np.ndarray, k: int, seed: int) -> np.ndarray:
    """(n,) the fold in which each row is tested; k is at most the number of groups."""
    from sklearn.model_selection import StratifiedKFold

    from emofuse.evaluation.protocols.quick_folds import QuickStratifiedGroupKFold

    if np.bincount(strata).max() < k:
        strata = np.zeros_like(strata)  # no class reaches every fold: only sizes can be balanced
    alone = len(np.unique(groups)) == len(groups)
    folder = (StratifiedKFold if alone else QuickStratifiedGroupKFold)(k, shuffle=True, random_state=seed)
    folds = np.empty(len(strata), dtype=np.int64)
    with warnings.catch_warnings():
        # A class with fewer than k utterances cannot be in every fold; that is no news in this field.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, test) in enumerate(folder.split(strata, strata, groups=None if alone else groups)):
            folds[test] = number
    return _without_empty_folds(folds, groups, k)


def _without_empty_folds(folds: np.ndarray, groups: np.ndarray, k: int) -> np.ndarray:
    """StratifiedGroupKFold may leave a fold empty where groups are few and uneven: another one gives its smallest."""
    for empty in sorted(set(range(k)) - set(folds.tolist())):
        names, firsts, sizes = np.unique(groups, return_index=True, return_counts=True)
        held = np.bincount(folds[firsts], minlength=k)
        spare = np.flatnonzero(folds[firsts] == held.argmax())
        given = names[spare[sizes[spare].argmin()]]
        folds = np.where(groups == given, empty, folds)
    return folds


class GroupedSampler:
    """Takes a validation part out of a training part."""

    def __init__(self, rows: pd.DataFrame, seed: int, fraction: float) -> None:
        self.strata = strata_of(rows)
        self.seed = seed
        self.fraction = fraction
        # 0.1 is one of ten pieces, 0.15 three of twenty.
        share = Fraction(fraction).limit_denominator(100)
        self.pieces = share.denominator if share else 100

    def draw_part(self, rows: np.ndarray, groupings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Divide row numbers into (train, val) by the first grouping that has two groups among them."""
        usable = [groups[rows] for groups in groupings if len(np.unique(groups[rows])) > 1]
        if not usable:
            return rows, rows[:0]
        groups = usable[0]
        pieces = min(self.pieces, len(np.unique(groups)))
        taken = min(pieces - 1, max(1, round(self.fraction * pieces)))
        folds = fold_numbers(self.strata[rows], groups, pieces, self.seed)
        # Whole groups make pieces of different size: take those that come nearest to the share asked for.
        distance = np.abs(np.bincount(folds, minlength=pieces) - self.fraction * len(rows) / taken)
        chosen = np.isin(folds, np.argsort(distance, kind="stable")[:taken])
        return rows[~chosen], rows[chosen]
