"""A published feature file: what is in it, what leaks, what made it, and how to make the like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.wording import counted
from emofuse.evaluation.inspection.contents import (
    FileContents,
    ModalityContents,
    file_contents,
    label_lines,
)
from emofuse.evaluation.inspection.makers import LikelyMaker, likely_maker
from emofuse.evaluation.inspection.shared_rows import SharedRows, shared_rows
from emofuse.evaluation.protocols.audit import LeakReport, audit
from emofuse.evaluation.protocols.fitted_features import FittedFeatures, check_fitted_features
from emofuse.evaluation.protocols.protocol_info import Split
from emofuse.features.importers import read_features
from emofuse.features.importers.content import FeatureContent, ModalityFeatures
from emofuse.features.vectors import as_vector


@dataclass(frozen=True)
class Inspection:
    """What was found in a feature file.

    Attributes:
        path: the file.
        style: of its layout.
        contents: counts.
        leaks: dialogues, speakers and texts in two parts; None where there is one part.
        shared: identical features in two parts.
        fitted: whether features know their training part, for each part that they can be compared with.
        makers: modality → what probably made it.
    """

    path: Path
    style: str
    contents: FileContents
    leaks: LeakReport | None
    shared: tuple[SharedRows, ...]
    fitted: tuple[FittedFeatures, ...]
    makers: dict[Modality, LikelyMaker]

    @property
    def warnings(self) -> list[str]:
        """What leaks, a line each; empty when nothing does."""
        return [
            *(self.leaks.flags if self.leaks else ()),
            *(each.line() for each in self.shared),
            *(each.line() for each in self.fitted if each.is_fitted),
        ]

    @property
    def commands(self) -> dict[Modality, str]:
        """Modality → the command that makes its like from recordings that a manifest names."""
        return {
            modality: f"emofuse extract corpus/manifest.csv --modality {modality} {maker.options}"
            for modality, maker in self.makers.items()
        }

    def lines(self) -> list[str]:
        """All of it for a person."""
        return [
            *_content_lines(self),
            *self._leak_lines(),
            *self._maker_lines(),
        ]

    def _leak_lines(self) -> Iterator[str]:
        yield "what leaks:"
        warnings = self.warnings
        yield from (f"  ! {line}" for line in warnings)
        if self.leaks is not None:
            yield from (f"  {line}" for line in self.leaks.lines() if line not in warnings)
        yield from (f"  {each.line()}" for each in self.fitted if not each.is_fitted)
        if self.leaks is None:
            yield "  the file has one part, so nothing can stand in two"
        elif not self.fitted:
            yield "  too few labelled dialogues to say whether features know their training part"

    def _maker_lines(self) -> Iterator[str]:
        yield "what made it, and how to make the like from recordings:"
        for modality, maker in self.makers.items():
            yield f"  {modality}: {maker.line()}"
            yield f"    {'the same' if maker.exact else 'the nearest here'}: {self.commands[modality]}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "file": str(self.path),
            "style": self.style,
            "contents": self.contents.to_dict(),
            "audit": self.leaks.to_dict() if self.leaks else None,
            "identical_features": [vars(each) | {"examples": list(each.examples)} for each in self.shared],
            "fitted_features": [each.to_dict() for each in self.fitted],
            "makers": {
                m: maker.to_dict() | {"command": self.commands[m]} for m, maker in self.makers.items()
            },
            "warnings": self.warnings,
        }


def inspect_features(
    path: Path | str, style: str | None = None, labels: Sequence[str] | None = None
) -> Inspection:
    """Look into a feature file; nothing that it asks to be run is run.

    Args:
        path: the file, or a folder of MultiEMO's.
        style: one of :data:`~emofuse.features.importers.run.STYLES`; found out by default.
        labels: names of the classes, where the file has numbers for them.

    Raises:
        EmofuseError: the file is hostile, damaged, or of no style that is known.
    """
    path = Path(path)
    style, content = read_features(path, style, labels)
    contents = file_contents(content)
    parts = _parts(content)
    present = [part for part, ids in parts.items() if ids]
    leaks = None
    if len(present) > 1:
        manifest = Manifest.from_frame(pd.DataFrame(content.rows), path.parent)
        leaks = audit(manifest, Split(parts["train"], parts["val"], parts["test"]))
    return Inspection(
        path,
        style,
        contents,
        leaks,
        tuple(shared_rows(content.features, parts)),
        tuple(_fitted(content, parts)),
        {m: likely_maker(m, contents.modalities[m]) for m in MODALITIES if m in contents.modalities},
    )


def _parts(content: FeatureContent) -> dict[str, list[str]]:
    return {
        part: [row["id"] for row in content.rows if row.get("split") == part]
        for part in ("train", "val", "test")
    }


def _fitted(content: FeatureContent, parts: dict[str, list[str]]) -> Iterator[FittedFeatures]:
    """The check for every modality and every part outside of the training part; by the value where there is one."""
    rows = {row["id"]: row for row in content.rows}
    column = "valence" if any(row.get("valence") is not None for row in content.rows) else "label"
    for modality, held in content.features.items():
        for part in ("val", "test"):
            known = [id for id in (*parts["train"], *parts[part]) if rows[id].get(column) is not None]
            found = _check(held, modality, part, [rows[id] for id in known], column)
            if found is not None:
                yield found


def _check(
    held: ModalityFeatures, modality: Modality, part: str, rows: Sequence[dict[str, Any]], column: str
) -> FittedFeatures | None:
    sizes = {array.shape[-1] for array in held.arrays.values() if array.size}
    kept = [row for row in rows if row["id"] in held.arrays and held.arrays[row["id"]].size]
    if len(sizes) != 1 or not kept:
        return None
    vectors = np.stack(
        [
            as_vector(np.nan_to_num(held.arrays[row["id"]].astype(np.float32), posinf=0, neginf=0))
            for row in kept
        ]
    )
    is_train = np.array([row["split"] == "train" for row in kept])
    return check_fitted_features(
        vectors,
        np.array([row[column] for row in kept], dtype=np.float64 if column == "valence" else np.str_),
        [row.get("dialogue") or row["id"] for row in kept],
        is_train,
        ~is_train,
        modality=modality,
        held_out=part,
    )


def _content_lines(found: Inspection) -> Iterator[str]:
    contents = found.contents
    parts = ", ".join(f"{part} {count}" for part, count in contents.utterances.items())
    speakers = f", {counted(contents.speakers, 'speaker')}" if contents.speakers else ", no speakers named"
    yield f"{found.path}: style {found.style}"
    yield f"  utterances: {parts}; {counted(contents.dialogues, 'dialogue')}{speakers}"
    yield f"  words of {contents.with_text} of {sum(contents.utterances.values())} utterances"
    yield from (f"  labels of {line}" for line in label_lines(contents.labels))
    if contents.valence is not None:
        yield f"  values from {contents.valence[0]:g} to {contents.valence[1]:g}"
    for modality, numbers in contents.modalities.items():
        yield f"  {modality}: {_numbers_line(numbers)}"
    yield from (f"  note: {note}" for note in contents.notes)


def _numbers_line(numbers: ModalityContents) -> str:
    steps = (
        f"{numbers.shortest} to {numbers.longest} steps (median {numbers.median:g})"
        if numbers.is_sequence
        else "one vector each"
    )
    flaws = f"{numbers.nan} NaN, {numbers.infinite} infinite in {counted(numbers.mended, 'utterance')}"
    sizes = f" (several sizes: {numbers.sizes})" if len(numbers.sizes) > 1 else ""
    return (
        f"field {numbers.field}, {numbers.dim} numbers{sizes}, {steps}, {numbers.present} utterances, {numbers.missing} missing; "
        f"{flaws if numbers.mended else 'all finite'}; from {numbers.least:.3g} to {numbers.most:.3g}"
    )
