"""From a published feature file to a manifest and features in the store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emofuse.corpora.table_summary import first_places
from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.data.manifest import Manifest
from emofuse.data.manifest_columns import FEATURES
from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.nearest_names import is_meant
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError, reason_of
from emofuse.features.identity import IMPORTED as KIND
from emofuse.features.identity import EncoderIdentity
from emofuse.features.importers.content import FeatureContent, ModalityFeatures
from emofuse.features.importers.conv_emotion import read_conv_emotion, read_multiemo
from emofuse.features.importers.mmsa import read_mmsa
from emofuse.features.importers.plain import read_npz, read_table
from emofuse.features.store import FeatureStore

Pooling = Literal["mean", "tokens"]


@dataclass(frozen=True)
class StyleInfo:
    """A style of feature files: its name, what it is, and its reader."""

    name: str
    what: str
    read: Callable[[Path, Sequence[str] | None], FeatureContent]


STYLES: Mapping[str, StyleInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            StyleInfo("mmsa", "a pickle of MMSA: MOSI, MOSEI, CH-SIMS, aligned or not", read_mmsa),
            StyleInfo("conv-emotion", "a pickle of DialogueRNN or MMGCN: IEMOCAP, MELD", read_conv_emotion),
            StyleInfo("multiemo", "a folder of MultiEMO's pickles: IEMOCAP, MELD", read_multiemo),
            StyleInfo("npz", "arrays called id, text, audio, video, label, ...", read_npz),
            StyleInfo("csv", "a table with columns id, label, text_0, text_1, audio_0, ...", read_table),
        )
    }
)


class Imported(NamedTuple):
    """What came of a feature file.

    Attributes:
        manifest: its utterances; the column ``features`` names the modalities that each has features of.
        identities: modality → what its features are filed under.
        notes: what was mended, missing or guessed.
    """

    manifest: Manifest
    identities: dict[Modality, EncoderIdentity]
    notes: list[str]


def import_features(
    path: Path | str,
    style: str,
    store_root: Path | str,
    *,
    pooling: Pooling = "mean",
    labels: Sequence[str] | None = None,
) -> Imported:
    """Put the features of a published file into a store, and make a manifest of its utterances.

    Padding is left out. Numbers that are not finite (COVAREP has -inf where it hears no voice) become 0. An
    utterance whose features of a modality are nothing but zeros has none of it: that is how extractors write
    that they failed. Features are filed under the content of the file, so that a corrected file is another
    one; a file that was imported before is not written again.

    Args:
        path: the file, or for ``multiemo`` the folder.
        style: one of :data:`STYLES`.
        store_root: folder of the feature store.
        pooling: ``"mean"`` over the steps of an utterance for one vector, or ``"tokens"`` to keep all.
        labels: names of the classes, where the file has numbers for them.

    Raises:
        EmofuseError: the file is hostile, damaged, or not of this style.
    """
    path = Path(path)
    _check_style(style)
    if not path.exists():
        raise EmofuseError(f"{path}: there is no such file")
    content = _read(path, STYLES[style], labels)
    _check_ids(path, content)
    store, notes = FeatureStore(store_root), list(content.notes)
    identities: dict[Modality, EncoderIdentity] = {}
    held: dict[str, list[str]] = {row["id"]: [] for row in content.rows}
    for modality in (m for m in MODALITIES if m in content.features):
        features = content.features[modality]
        identity = _identity(style, modality, features, pooling)
        made = _Maker(features, pooling)
        if made.present:
            _fill(store, identity, made)
            identities[modality] = identity
        notes += made.notes(modality, len(content.rows))
        for id in made.present:
            held[id].append(modality)
    if not identities:
        raise EmofuseError(f"{path}: holds no features but zeros")
    rows = [{**row, FEATURES: " ".join(held[row["id"]]) or None} for row in content.rows]
    empty = [row["id"] for row in rows if not (row[FEATURES] or row.get("text"))]
    if empty:
        notes.append(
            f"left out, no text and no features: {counted(len(empty), 'utterance')} ({first_places(empty)})"
        )
    frame = pd.DataFrame([row for row in rows if row[FEATURES] or row.get("text")])
    return Imported(Manifest.from_frame(frame, Path(store_root).parent), identities, notes)


def read_features(
    path: Path | str, style: str | None = None, labels: Sequence[str] | None = None
) -> tuple[str, FeatureContent]:
    """What a published file holds, as it stands there, and the style that it is laid out in.

    Args:
        path: the file, or for ``multiemo`` the folder.
        style: one of :data:`STYLES`; by default the first whose reader takes the file.
        labels: names of the classes, where the file has numbers for them.

    Raises:
        EmofuseError: the file is hostile, damaged, or not of this style or any.
    """
    path = Path(path)
    if style is not None:
        _check_style(style)
    if not path.exists():
        raise EmofuseError(f"{path}: there is no such file")
    refuse_lfs_pointer(path)
    reasons = []
    for info in STYLES.values() if style is None else (STYLES[style],):
        try:
            content = _read(path, info, labels)
            _check_ids(path, content)
        except (EmofuseError, OSError) as error:
            reasons.append(reason_of(error))
            continue
        return info.name, content
    if len(set(reasons[:2])) == 1:  # the two readers of pickles agree: the file cannot be read at all
        raise EmofuseError(reasons[0])
    raise EmofuseError(
        f"{path}: is laid out as none of {', '.join(STYLES)}; name one with --style to see why not"
    )


def style_of(path: Path) -> str | None:
    """The first style whose reader takes a file, or None.

    Raises:
        EmofuseError: it is a Git LFS pointer.
    """
    refuse_lfs_pointer(path)
    for style in STYLES.values():
        try:
            if _read(path, style, None).features:
                return style.name
        except (EmofuseError, OSError):
            continue
    return None


def _check_style(style: str) -> None:
    if style not in STYLES:
        raise EmofuseError(
            f"there is no style {style!r}{is_meant(style, list(STYLES))}; there are {', '.join(STYLES)}"
        )


def _read(path: Path, style: StyleInfo, labels: Sequence[str] | None) -> FeatureContent:
    try:
        return style.read(path, labels)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        # Readers look for what a style has; in strangers' files anything may stand in its place.
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EmofuseError(f"{path}: is not laid out as {style.name} files are ({reason})") from None


def _check_ids(path: Path, content: FeatureContent) -> None:
    if not content.rows or not content.features:
        raise EmofuseError(f"{path}: holds no {'features' if content.rows else 'utterances'}")
    id, count = Counter(row["id"] for row in content.rows).most_common(1)[0]
    if count > 1:
        raise EmofuseError(f"{path}: id {id!r} stands there {count} times; ids must differ")


def _identity(
    style: str, modality: Modality, features: ModalityFeatures, pooling: Pooling
) -> EncoderIdentity:
    sizes = Counter(array.shape[-1] for array in features.arrays.values() if array.size)
    if len(sizes) != 1:
        found = ", ".join(map(str, sorted(sizes))) or "nothing"
        raise EmofuseError(
            f"{features.file}: {features.field} has not one size for all utterances, but {found}"
        )
    return EncoderIdentity(
        modality=modality,
        kind=KIND,
        name=f"{style}/{features.field}",
        revision=_digest(features.file),
        pooling=pooling,
        dim=next(iter(sizes)),
        sampling={"not_finite": "zero"},
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Maker:
    """Makes what is stored of what a file holds, one utterance at a time, and counts."""

    def __init__(self, features: ModalityFeatures, pooling: Pooling) -> None:
        self.features, self.pooling = features, pooling
        self.mended = 0
        self.present = [id for id in features.arrays if self._finite(features.arrays[id]).any()]

    def make(self, id: str) -> NDArray[np.float32]:
        """(dim,) or (T, dim) float32."""
        numbers = self._narrowed(self.features.arrays[id])
        # Counted after the cast: a float64 seldom equals its float32, finite though both are.
        is_finite = np.isfinite(numbers)
        self.mended += not is_finite.all()
        array = np.where(is_finite, numbers, np.float32(0))
        if self.pooling == "tokens":
            return np.atleast_2d(array)
        return array if array.ndim == 1 else array.mean(axis=0, dtype=np.float64).astype(np.float32)

    def notes(self, modality: str, rows: int) -> list[str]:
        """What to say about a modality."""
        steps = [1 if (a := self.features.arrays[id]).ndim == 1 else len(a) for id in self.present]
        longest = f", {min(steps)} to {max(steps)} steps" if steps and max(steps) > 1 else ""
        lines = [f"{modality}: {len(self.present)} of {rows} utterances{longest}"]
        if len(self.present) < len(self.features.arrays):
            lacking = counted(len(self.features.arrays) - len(self.present), "utterance")
            lines.append(f"{modality}: {lacking} with nothing but zeros, counted as missing")
        if self.mended:
            mended = counted(self.mended, "utterance")
            lines.append(f"{modality}: numbers that are not finite became 0 in {mended}")
        return lines

    @staticmethod
    def _narrowed(array: NDArray[np.generic]) -> NDArray[np.float32]:
        # Of a float64 beyond float32 nothing finite is left either.
        with np.errstate(over="ignore"):
            return array.astype(np.float32)

    @classmethod
    def _finite(cls, array: NDArray[np.generic]) -> NDArray[np.float32]:
        numbers = cls._narrowed(array)
        return np.where(np.isfinite(numbers), numbers, np.float32(0))


def _fill(store: FeatureStore, identity: EncoderIdentity, made: _Maker) -> None:
    """Store what is not there yet."""
    held = store.reader(identity)
    with store.writer(identity) as writer:
        for id in made.present:
            features = made.make(id)
            if id not in held:
                writer.add(id, identity.revision, features)
