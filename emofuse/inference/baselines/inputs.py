"""A run's features as rows of a linear model: alone, and with the neighbours in the dialogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.decomposition import PCA

from emofuse.data import Modality
from emofuse.data.batch import FeatureSource, feature_tensor
from emofuse.data.dataset import shortened
from emofuse.data.manifest import Manifest
from emofuse.features.vectors import as_vector
from emofuse.nn.linear_shape import COLUMNS, LinearPart, Pooling

# A linear model on more numbers than this takes minutes on a large corpus; neighbours are then reduced.
_MOST_COLUMNS = 2560
_LEAST_SPREAD = 1e-6  # what varies less is only centred
CLIP = 10.0
"""Largest size of a standardised number: one that hardly varies in training may be far out elsewhere."""


@dataclass(frozen=True)
class StandardisedModality:
    """How a modality becomes columns of a linear model.

    Attributes:
        part: its sizes.
        mean: (d,) of the training part.
        spread: (d,) standard deviation of the training part.
    """

    part: LinearPart
    mean: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class LinearRows:
    """The rows of a manifest as a linear model takes them, and how to make more of them.

    Attributes:
        values: (n, D) float32.
        modalities: how each becomes columns, in their order.
        reach: neighbours on either side.
        centre: (d,) that is taken off a neighbour before it is projected; empty where it stands as it is.
        components: (k, d) that a neighbour is projected on; likewise.
    """

    values: np.ndarray
    modalities: Mapping[Modality, StandardisedModality]
    reach: int = 0
    centre: np.ndarray | None = None
    components: np.ndarray | None = None


@dataclass(frozen=True)
class ShortenedFeatures:
    """Sequences as a system takes them: no longer than ``longest`` steps."""

    source: FeatureSource
    modality: Modality
    longest: int

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self.source

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        features = feature_tensor(self.source, utterance_id)
        steps: np.ndarray = (
            shortened(features, self.modality, self.longest) if features.dim() == 2 else features
        ).numpy()
        return steps


@dataclass(frozen=True)
class DescribedPictures:
    """What the pictures of utterances look like that a system reads itself.

    Attributes:
        vectors: utterance → (1404,), as `emofuse.nn.described_pictures.mean_spread_change` has it.
    """

    vectors: Mapping[str, np.ndarray]

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self.vectors

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        return self.vectors[utterance_id]


def linear_rows(
    manifest: Manifest, readers: Mapping[Modality, FeatureSource], train: Sequence[str]
) -> LinearRows:
    """The modalities side by side, for the rows of a manifest in their order.

    Sequences are pooled to their mean and standard deviation. Each number is standardised by the training part; what is
    absent is 0, and a column says so. A modality that the training part lacks is left out.

    Args:
        manifest: n utterances.
        readers: modality → features.
        train: ids of the training part.
    """
    ids = manifest.ids
    fitted = np.isin(ids, list(train))
    modalities: dict[Modality, StandardisedModality] = {}
    blocks: list[np.ndarray] = [np.zeros((len(ids), 0), np.float32)]
    for modality, reader in readers.items():
        vectors, pooling = _vectors(reader, ids)
        held = np.array([vector is not None for vector in vectors])
        if not held[fitted].any():
            continue
        rows = np.stack([vector for vector in vectors if vector is not None])
        known = rows[fitted[held]].astype(np.float64)
        spread = known.std(0)
        # In the precision in which they are stored, so that what is stored says the same.
        mean = known.mean(0).astype(np.float32)
        spread = np.where(spread < _LEAST_SPREAD, 1.0, spread).astype(np.float32)
        part = LinearPart(pooling, rows.shape[1] // COLUMNS[pooling], not held.all())
        modalities[modality] = StandardisedModality(part, mean, spread)
        block = np.zeros((len(ids), rows.shape[1]), np.float32)
        block[held] = np.clip((rows.astype(np.float64) - mean) / spread, -CLIP, CLIP)
        blocks += [block, held[:, None].astype(np.float32)] if part.marked else [block]
    return LinearRows(np.hstack(blocks), modalities)


def _vectors(reader: FeatureSource, ids: Sequence[str]) -> tuple[list[np.ndarray | None], Pooling]:
    """A vector of each utterance that has features, and what it was made of."""
    found: list[np.ndarray | None] = []
    pooling: Pooling = "pictures" if isinstance(reader, DescribedPictures) else "vector"
    for i in ids:
        features = np.asarray(reader[i]) if i in reader else np.zeros(0)
        if features.ndim == 2:
            pooling = "mean+deviation"
        found.append(as_vector(features) if features.size else None)
    return found, pooling


def with_neighbours(
    manifest: Manifest, alone: LinearRows, reach: int, train: Sequence[str], hidden: Collection[str]
) -> LinearRows:
    """Each row beside those of the ``reach`` utterances before it and after it in its dialogue; 0 where there are none.

    Utterances of the test part are there for the test part alone: for others the dialogue closes over them, as it does
    for a system that sees dialogues.

    Args:
        manifest: n utterances.
        alone: their rows.
        reach: neighbours on either side.
        train: ids of the training part, for what has to be learnt on the way.
        hidden: ids of the test part.

    Returns:
        (n, d + 2 · reach · d'), where d' is less than d for large d (principal components of the training part).
    """
    ids, vectors = np.array(manifest.ids), alone.values
    shown, centre, components = vectors, None, None
    fitted = np.isin(ids, list(train))
    room = max(1, (_MOST_COLUMNS - vectors.shape[1]) // (2 * reach), 128)
    if vectors.shape[1] > room:
        pca = PCA(min(room, int(fitted.sum())), svd_solver="randomized", random_state=0).fit(vectors[fitted])
        centre, components = (np.asarray(each, np.float32) for each in (pca.mean_, pca.components_))
        shown = ((vectors.astype(np.float64) - centre) @ components.T.astype(np.float64)).astype(np.float32)
    secret = np.isin(ids, list(hidden))
    order = manifest.frame.reset_index(drop=True).sort_values(["dialogue", "turn"], kind="stable")
    places, dialogues = order.index.to_numpy(), order["dialogue"].to_numpy()
    blocks = [np.zeros((len(ids), shown.shape[1]), np.float32) for _ in range(2 * reach)]
    for seen, filled in ((np.ones(len(ids), bool), secret), (~secret, ~secret)):
        inside = seen[places]
        _fill(blocks, shown, places[inside], dialogues[inside], filled)
    return replace(
        alone, values=np.hstack([vectors, *blocks]), reach=reach, centre=centre, components=components
    )


def _fill(
    blocks: Sequence[np.ndarray],
    shown: np.ndarray,
    places: np.ndarray,
    dialogues: np.ndarray,
    filled: np.ndarray,
) -> None:
    """Write into the blocks one before, one after, two before, … of the rows that are to be filled."""
    for number, block in enumerate(blocks):
        step = number // 2 + 1
        earlier, later = places[:-step], places[step:]
        own, other = (later, earlier) if number % 2 == 0 else (earlier, later)
        same = (dialogues[:-step] == dialogues[step:]) & filled[own]
        block[own[same]] = shown[other[same]]


def has_neighbours(manifest: Manifest) -> bool:
    """Whether any dialogue has two utterances."""
    return bool(manifest.frame["dialogue"].duplicated().any())
