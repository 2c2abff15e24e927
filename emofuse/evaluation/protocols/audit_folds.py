"""The leak audit of a split with any number of folds, in as few lines as it can be said in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emofuse.data.manifest import Manifest
from emofuse.evaluation.protocols.audit import AuditKeys, LeakReport, Shared, audit, flagged_kinds
from emofuse.evaluation.protocols.audit_keys import KINDS
from emofuse.evaluation.protocols.fitted_features import FittedFeatures
from emofuse.evaluation.protocols.protocol_info import Split, protocol_info
from emofuse.evaluation.protocols.published_splits import expand_to_utterances
from emofuse.evaluation.protocols.splits import protocol_note, splits

FEATURES = "features"
"""Beside the kinds of :data:`~emofuse.evaluation.protocols.audit.KINDS`: imported features that know the training part."""


@dataclass(frozen=True)
class AuditedSplit:
    """A split and what its parts share.

    Attributes:
        name: the file, the protocol or the column that it is from.
        note: how the parts were made, where that is known.
        optimistic: it is a protocol that is known to flatter.
        folds: one report per fold.
        features: of imported features, whether they know the training part; empty where nobody has looked.
    """

    name: str
    note: str
    optimistic: bool
    folds: tuple[LeakReport, ...]
    features: tuple[FittedFeatures, ...] = ()

    def warnings(self, ignore: Iterable[str] = ()) -> list[str]:
        """What leaks, a line each; empty when nothing does.

        Args:
            ignore: kinds of :data:`~emofuse.evaluation.protocols.audit.KINDS` that may be shared, or ``"features"`` for
                imported features that know the training part.
        """
        ignore = set(ignore)
        if len(self.folds) == 1:  # features are made for one split
            fitted = [each.line() for each in self.features if each.is_fitted and FEATURES not in ignore]
            return [*self.folds[0].warnings(ignore), *fitted]
        return list(self._over_folds(flagged_kinds(KINDS, ignore)))

    def lines(self) -> list[str]:
        """The audit for a person; short texts, which raise no warning, are listed too."""
        flags = " [optimistic]" if self.optimistic else ""
        head = f"{self.name}{flags}" + (f": {self.note}" if self.note else "")
        if len(self.folds) == 1:
            lines = [*self.folds[0].lines(), *(each.line() for each in self.features)]
            return [head, *(f"  {line}" for line in lines)]
        sizes = [f"{part} {_span([fold.sizes[part] for fold in self.folds])}" for part in self.folds[0].sizes]
        notes = self._text_notes()
        lines = list(self._over_folds(KINDS)) or [
            f"the parts share nothing{' else' * bool(notes)} in any fold"
        ]
        return [
            head,
            f"  {len(self.folds)} folds, utterances: {', '.join(sizes)}",
            *(f"  {line}" for line in lines + notes),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "name": self.name,
            "note": self.note,
            "optimistic": self.optimistic,
            "folds": [fold.to_dict() for fold in self.folds],
            "features": [each.to_dict() for each in self.features],
        }

    def _text_notes(self) -> list[str]:
        """Why shared texts are no news, and in how many folds where it is not all of them."""
        notes = Counter(fold.text_note for fold in self.folds if fold.text_note)
        several = len(self.folds)
        return [
            f"{note}{'' if n == several else f' (in {n} of {several} folds)'}" for note, n in notes.items()
        ]

    def _over_folds(self, kinds: Collection[str]) -> Iterator[str]:
        for known, judged in (("train", "val"), ("train", "test"), ("val", "test")):
            pairs = [
                (fold, pair)
                for fold in self.folds
                for pair in fold.pairs
                if (pair.known, pair.judged) == (known, judged)
            ]
            long_alone = all(pair.has_long_texts_alone for _, pair in pairs)
            for kind in kinds:
                if kind == "texts" and long_alone and "long_texts" in kinds:
                    continue  # the next line says it
                shared: list[Shared] = [getattr(pair, kind) for fold, pair in pairs if kind in fold.kinds]
                leaky = sum(bool(each.values) for each in shared)
                if leaky:
                    touched = [round(100 * each.fraction, 1) for each in shared]
                    yield (
                        f"{known}/{judged} share {KINDS[kind]} in {leaky} of {len(self.folds)} folds "
                        f"(on average {np.mean(touched):.1f} % of {judged}, in one fold {max(touched):.1f} %)"
                    )


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def audit_split(
    manifest: Manifest,
    split: Split,
    name: str,
    features: Callable[[Split], Sequence[FittedFeatures]] = lambda split: (),
    *,
    modalities: Collection[str] | None = None,
) -> AuditedSplit:
    """Audit one split; ids that are dialogues stand for their utterances.

    Args:
        manifest: the corpus.
        split: its parts.
        name: the file or column that it is from.
        features: says of imported features whether they know the training part of the split it is given.
        modalities: what the run reads, as of :func:`~emofuse.evaluation.protocols.audit.audit`.

    Raises:
        EmofuseError: none of the ids is in the manifest.
    """
    expanded = expand_to_utterances(split, manifest)
    note = "its ids are dialogues" if expanded is not split else ""
    shared = audit(manifest, expanded, modalities=modalities)
    return AuditedSplit(name, note, False, (shared,), tuple(features(expanded)))


def audit_protocol(
    manifest: Manifest,
    protocol: str,
    *,
    k: int,
    seed: int,
    val_fraction: float,
    modalities: Collection[str] | None = None,
) -> AuditedSplit:
    """Audit every fold that a protocol makes of this manifest.

    Args:
        manifest: the corpus.
        protocol: a name in ``PROTOCOLS``.
        k: folds of the k-fold protocols.
        seed: of the shuffling.
        val_fraction: share of the training part that becomes validation.
        modalities: what the run reads, as of :func:`~emofuse.evaluation.protocols.audit.audit`.

    Raises:
        EmofuseError: as :func:`~emofuse.evaluation.protocols.splits`.
    """
    folds = splits(manifest, protocol, k=k, seed=seed, val_fraction=val_fraction)
    keys = AuditKeys.of(manifest)
    return AuditedSplit(
        name=f"protocol {protocol}",
        note=protocol_note(manifest, protocol, k=k),
        optimistic=protocol_info(protocol).optimistic,
        folds=tuple(audit(manifest, fold, keys, modalities=modalities) for fold in folds),
    )
