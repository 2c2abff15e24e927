"""Several trained runs as one: a raw clip in, the mean of what they say out.

pipe = open_pipeline("runs/five-seeds")
for segment in pipe("clip.mp4", text="I can't believe it!"):
    print(segment.start, segment.end, segment.label, segment.probabilities)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from emofuse.data import Modality
from emofuse.data.sentiments import sentiment_of
from emofuse.errors import EmofuseError
from emofuse.inference.timeline import EmotionTimeline
from emofuse.pipeline import EmotionPipeline, EmotionSegment, MediaInput
from emofuse.runs.ensemble_folder import is_ensemble, members_of
from emofuse.runs.precision import Precision
from emofuse.runs.run_record import RunRecord

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest


class EnsemblePipeline:
    """Runs of one task; probabilities, or values, are their mean.

    Args:
        members: two or more, that tell the same labels.
    """

    def __init__(self, members: Sequence[EmotionPipeline]) -> None:
        self.members = list(members)

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str,
        device: str = "auto",
        precision: Precision = "32",
        modalities: Collection[Modality] | None = None,
    ) -> EnsemblePipeline:
        """Load an ensemble's folder; arguments as of `EmotionPipeline.from_pretrained`.

        Raises:
            EmofuseError: it is none, or a member cannot be loaded.
        """
        return cls(
            [
                EmotionPipeline.from_pretrained(run.path, device, precision=precision, modalities=modalities)
                for run in members_of(Path(folder))
            ]
        )

    @property
    def record(self) -> RunRecord:
        """run.json of the first member."""
        return self.members[0].record

    @property
    def labels(self) -> list[str]:
        """The emotions that the members know."""
        return self.members[0].labels

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the first member uses."""
        return self.members[0].modalities

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of predictions must know, of all members."""
        return tuple(dict.fromkeys(note for member in self.members for note in member.notes))

    @property
    def expert_lines(self) -> list[str]:
        """None: an ensemble has runs alone."""
        return []

    @overload
    def __call__(
        self, media: list[MediaInput] | tuple[MediaInput, ...], **named: Any
    ) -> list[EmotionTimeline]: ...

    @overload
    def __call__(self, media: MediaInput | None = None, **named: Any) -> EmotionTimeline: ...

    def __call__(
        self, media: MediaInput | list[MediaInput] | tuple[MediaInput, ...] | None = None, **named: Any
    ) -> EmotionTimeline | list[EmotionTimeline]:
        """As a call of `EmotionPipeline`."""
        _refuse_sets(named)
        if isinstance(media, list | tuple):
            by_run = [member(media, **named) for member in self.members]
            return [self._mean(of_one) for of_one in zip(*by_run, strict=True)]
        return self._mean([member(media, **named) for member in self.members])

    def predict_manifest(self, manifest: Manifest, **named: Any) -> EmotionTimeline:
        """As `EmotionPipeline.predict_manifest`."""
        _refuse_sets(named)
        return self._mean([member.predict_manifest(manifest, **named) for member in self.members])

    def _mean(self, by_run: Sequence[Sequence[EmotionSegment]]) -> EmotionTimeline:
        return EmotionTimeline(mean_segments(by_run), self.labels, self.notes)


def open_pipeline(
    folder: Path | str,
    device: str = "auto",
    precision: Precision = "32",
    modalities: Collection[Modality] | None = None,
) -> EmotionPipeline | EnsemblePipeline:
    """A run, or an ensemble, ready for raw media; arguments as of `EmotionPipeline.from_pretrained`.

    Raises:
        EmofuseError: the folder is neither, or cannot be loaded.
    """
    if is_ensemble(Path(folder)):
        return EnsemblePipeline.from_pretrained(folder, device, precision, modalities)
    return EmotionPipeline.from_pretrained(folder, device, precision=precision, modalities=modalities)


def mean_segments(by_run: Sequence[Sequence[EmotionSegment]]) -> list[EmotionSegment]:
    """The mean of what several runs say of the same segments; of those that could use something.

    A modality is missing where it is for the first run; an utterance is as unfamiliar as it is to the runs on average.
    """
    return [_mean(segments) for segments in zip(*by_run, strict=True)]


def _mean(segments: Sequence[EmotionSegment]) -> EmotionSegment:
    segments = [s for s in segments if s.label is not None] or segments[:1]
    first = segments[0]
    if first.label is None:
        return first
    probabilities = _mean_of([segment.probabilities for segment in segments])
    value = None
    if first.value is not None:
        value = float(np.mean([segment.value for segment in segments if segment.value is not None]))
    label = (
        max(probabilities, key=lambda name: probabilities[name])
        if value is None
        else str(sentiment_of(value))
    )
    return replace(
        first,
        label=label,
        probabilities=probabilities,
        value=value,
        novelty=_mean_of([segment.novelty for segment in segments]),
        by_modality={
            modality: _mean_of([segment.by_modality[modality] for segment in segments])
            for modality in first.by_modality
            if all(modality in segment.by_modality for segment in segments)
        },
    )


def _mean_of(values: Sequence[dict[Any, float]]) -> dict[Any, float]:
    """The mean of what all of them have."""
    shared = [name for name in values[0] if all(name in each for each in values)]
    return {name: float(np.mean([each[name] for each in values])) for name in shared}


def _refuse_sets(named: dict[str, Any]) -> None:
    if named.get("coverage") is not None:
        raise EmofuseError(
            "sets of labels are of one run: name a run of the ensemble, or leave --coverage out"
        )
