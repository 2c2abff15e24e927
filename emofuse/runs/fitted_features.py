"""The check on features that know their training part, for a corpus whose features were imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.evaluation import Split
from emofuse.evaluation.protocols.fitted_features import FittedFeatures, check_fitted_features
from emofuse.features import FeatureReader, FeatureStore
from emofuse.features.vectors import as_vector
from emofuse.models.system_info import Task as TaskName

if TYPE_CHECKING:
    from emofuse.data.batch import FeatureSource


def fitted_features(
    manifest: Manifest,
    split: Split,
    readers: Mapping[Modality, FeatureSource],
    task: TaskName,
    parts: Sequence[str] = ("test", "val"),
) -> list[FittedFeatures]:
    """What each modality's features tell of the training part, and of another: by default test, or validation if that is small.

    Args:
        manifest: the corpus.
        split: its parts.
        readers: modality → features to check.
        task: ``"classification"`` by the column label, ``"regression"`` by valence.
        parts: the other part; the first of these that is large enough.

    Returns:
        One finding per modality, in the order of ``readers``; none of one with too little to say anything.
    """
    found = []
    for modality, reader in readers.items():
        for part in parts:
            finding = _check(manifest, split.train, getattr(split, part), part, modality, reader, task)
            if finding is not None:
                found.append(finding)
                break
    return found


def _check(
    manifest: Manifest,
    train: list[str],
    judged: list[str],
    part: str,
    modality: Modality,
    reader: FeatureSource,
    task: TaskName,
) -> FittedFeatures | None:
    utterances = [manifest.utterance(id) for id in (*train, *judged) if id in reader]
    targets = [u.valence if task == "regression" else u.label for u in utterances]
    kept = [(u, target) for u, target in zip(utterances, targets, strict=True) if target is not None]
    if not kept:
        return None
    inside = set(train)
    is_train = np.array([u.id in inside for u, _ in kept])
    return check_fitted_features(
        np.stack([as_vector(reader[u.id]) for u, _ in kept]),
        np.array([target for _, target in kept], dtype=np.float64 if task == "regression" else np.str_),
        [u.dialogue for u, _ in kept],
        is_train,
        ~is_train,
        modality=modality,
        held_out=part,
    )


def imported_readers(manifest: Manifest, store: FeatureStore) -> dict[Modality, FeatureReader]:
    """Imported features of a manifest's utterances: of each modality those that lack the fewest.

    Args:
        manifest: with the column ``features``, as `emofuse import` writes it; without it there are none.
        store: where they are.
    """
    from emofuse.runs.modalities import IMPORTED, modalities_imported

    found = [identity for identity in store.identities() if identity.kind == IMPORTED]
    readers: dict[Modality, FeatureReader] = {}
    for modality in modalities_imported(manifest):
        choice = [store.reader(identity) for identity in found if identity.modality == modality]
        if choice:
            readers[modality] = min(choice, key=lambda reader: len(reader.missing(manifest.ids)))
    return readers
