"""A run's features as rows of a linear model: alone, and with the neighbours in the dialogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from sklearn.decomposition import PCA

from emofuse.data import Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.manifest import Manifest
from emofuse.features.vectors import as_vector

# A linear model on more numbers than this takes minutes on a large corpus; neighbours are then reduced.
_MOST_COLUMNS = 2560


def vectors_of(
    manifest: Manifest, readers: Mapping[Modality, FeatureSource], train: Sequence[str]
) -> np.ndarray:
    """(n, d) float32, the modalities side by side, for the rows of a manifest in their order.

    Sequences are pooled to their mean and standard deviation. Each number is standardised by the training part; what is
    absent is 0, and a column says so.

    Args:
        manifest: n utterances.
        readers: modality → features.
        train: ids of the training part.
    """
    ids = manifest.ids
    fitted = np.isin(ids, list(train))
    blocks: list[np.ndarray] = []
    for reader in readers.values():
        held = np.array([i in reader for i in ids])
        rows = np.stack([as_vector(reader[i]) for i, there in zip(ids, held, strict=True) if there])
        known = rows[fitted[held]]
        block = np.zeros((len(ids), rows.shape[1]), np.float32)
        # Clipped, because a number that hardly varies in training may be far out elsewhere.
        block[held] = np.clip((rows - known.mean(0)) / (known.std(0) + 1e-6), -10, 10)
        blocks += [block] if held.all() else [block, held[:, None].astype(np.float32)]
    return np.hstack(blocks)


def with_neighbours(
    manifest: Manifest, vectors: np.ndarray, reach: int, train: Sequence[str], hidden: Collection[str]
) -> np.ndarray:
    """Each row beside those of the ``reach`` utterances before it and after it in its dialogue; 0 where there are none.

    Args:
        manifest: n utterances.
        vectors: (n, d), see `vectors_of`.
        reach: neighbours on either side.
        train: ids of the training part, for what has to be learnt on the way.
        hidden: ids of the test part, which only rows of the test part have as neighbours.

    Returns:
        (n, d + 2 · reach · d'), where d' is less than d for large d (principal components of the training part).
    """
    ids = np.array(manifest.ids)
    shown = vectors
    fitted = np.isin(ids, list(train))
    room = max(1, (_MOST_COLUMNS - vectors.shape[1]) // (2 * reach), 128)
    if vectors.shape[1] > room:
        pca = PCA(min(room, int(fitted.sum())), svd_solver="randomized", random_state=0).fit(vectors[fitted])
        shown = pca.transform(vectors).astype(np.float32)
    secret = np.isin(ids, list(hidden))
    order = manifest.frame.reset_index(drop=True).sort_values(["dialogue", "turn"], kind="stable")
    places, dialogues = order.index.to_numpy(), order["dialogue"].to_numpy()
    blocks = [vectors]
    for step in (s for k in range(1, reach + 1) for s in (-k, k)):
        block = np.zeros_like(shown)
        own, other = (places[-step:], places[:step]) if step < 0 else (places[:-step], places[step:])
        same = (
            (dialogues[-step:] == dialogues[:step]) if step < 0 else (dialogues[:-step] == dialogues[step:])
        )
        same &= secret[own] | ~secret[other]
        block[own[same]] = shown[other[same]]
        blocks.append(block)
    return np.hstack(blocks)


def has_neighbours(manifest: Manifest) -> bool:
    """Whether any dialogue has two utterances."""
    return bool(manifest.frame["dialogue"].duplicated().any())
