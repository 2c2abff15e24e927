"""Several corpora as one: ids that cannot clash, one set of labels, and a column that says which corpus a row is of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.data.manifest_columns import PATH_COLUMNS
from emofuse.errors import EmofuseError

CORPUS_COLUMN = "corpus"
_NAMES = ("id", "dialogue", "speaker", "group")


def join_corpora(
    corpora: Mapping[str, Manifest],
    root: Path,
    *,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    take: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Manifest:
    """One manifest of the rows of all.

    Ids, dialogues, speakers and groups get the corpus's name in front. Parts stay as they are, so ``--protocol official``
    trains on the training parts of all.

    Args:
        corpora: name → manifest.
        root: folder of the new manifest, that all media lie in.
        labels: corpus → its label → the label that it becomes; an empty one leaves the row without a label. Without a
            value either, such a row is in no training part: it is context alone.
        take: corpus → so many utterances of its training part at most, in whole dialogues drawn at random.
        seed: of that draw.

    Raises:
        EmofuseError: there is one corpus alone, a name is unknown, a map names a label that the corpus does not
            have, or a joined name would be that of two corpora, as of ``a`` and ``a-b``.
    """
    if len(corpora) < 2:
        raise EmofuseError("joining takes two corpora or more, each as NAME=MANIFEST")
    for what, names in (("a map of labels", labels or {}), ("a number to take", take or {})):
        if unknown := sorted(set(names) - set(corpora)):
            raise EmofuseError(f"{what} names the corpus {unknown[0]}; the corpora are {', '.join(corpora)}")
    frames = [
        _renamed(name, _taken(manifest, (take or {}).get(name), seed), root, (labels or {}).get(name, {}))
        for name, manifest in corpora.items()
    ]
    _check_apart(frames)
    return Manifest.from_frame(pd.concat(frames, ignore_index=True), root)


def _taken(manifest: Manifest, most: int | None, seed: int) -> Manifest:
    """All of it, or so many utterances of the training part, and all that is of no training part."""
    if most is None:
        return manifest
    frame = manifest.frame
    training = frame["split"].isna() | (frame["split"] == "train")
    dialogues = frame.loc[training, "dialogue"].value_counts(sort=False)
    order = np.random.default_rng(seed).permutation(len(dialogues))
    chosen = dialogues.index[order[np.cumsum(dialogues.to_numpy()[order]) <= most]]
    return manifest.select(frame.loc[~training | frame["dialogue"].isin(chosen), "id"])


def _renamed(name: str, manifest: Manifest, root: Path, labels: Mapping[str, str]) -> pd.DataFrame:
    if unknown := sorted(set(labels) - set(manifest.labels)):
        raise EmofuseError(f"{name} has no label {unknown[0]!r}; it has {', '.join(manifest.labels)}")
    frame = manifest.frame.copy()
    for column in _NAMES:
        if column in frame:
            frame[column] = frame[column].map(lambda value: value if _absent(value) else f"{name}-{value}")
    frame["label"] = frame["label"].map(
        lambda value: value if _absent(value) else labels.get(value, value) or None
    )
    untold = manifest.frame["label"].notna() & frame["label"].isna() & frame["valence"].isna()
    frame["split"] = frame["split"].mask(untold & (frame["split"] == "train"))
    for column in PATH_COLUMNS:
        if column in frame:
            frame[column] = frame[column].map(
                lambda value: value if _absent(value) else os.path.relpath(manifest.root / value, root)
            )
    frame[CORPUS_COLUMN] = name
    return frame


def _check_apart(frames: Sequence[pd.DataFrame]) -> None:
    """See that no name has become that of two corpora, whose dialogues or speakers would be one."""
    joint = pd.concat(frames, ignore_index=True)
    for column in joint.columns.intersection(list(_NAMES)):
        named = joint[joint[column].notna()]
        owners = named.groupby(column)[CORPUS_COLUMN].unique()
        for value, names in owners[owners.map(len) > 1].items():
            raise EmofuseError(
                f"the corpora {names[0]} and {names[1]} would share the {column} {value!r}; call one of them by a name that "
                "does not begin with the other's"
            )


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or value != value
