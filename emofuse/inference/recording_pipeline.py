"""Recordings in, emotions out: a trained run that takes clips, arrays and manifests, whatever it was loaded from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack, overload

import numpy as np
from torch import Tensor

from emofuse.data import Modality
from emofuse.data.clip import clip_utterance, context_utterances, fixed_length_segments, words_of
from emofuse.data.given_arrays import GivenFiles, files_of_arrays, is_array
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.features.identity import needs_of
from emofuse.inference.segments import EmotionSegment
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.utterance_pipeline import Progress, UtterancePipeline
from emofuse.models import model_info
from emofuse.recordings.segment import segmented_utterances
from emofuse.recordings.settings import By, SegmentSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

MediaInput = Path | str | np.ndarray | Tensor


CONTEXT_UNREAD = "What was said before changes nothing: this run takes utterances one by one."


class RecordingOptions(TypedDict, total=False):
    """What :meth:`RecordingPipeline.predict_recording` takes besides the recording."""

    text: str | None
    speaker: str | None
    context: Sequence[str]
    start: float | None
    end: float | None
    every: float | None
    segment: SegmentSettings | By | None
    speakers: int | str | None
    faces: bool
    active_speaker: Path | str | None
    modalities: Sequence[Modality] | None
    progress: Progress | None
    coverage: float | None
    by_modality: bool


class RecordingPipeline(UtterancePipeline):
    """A trained run, ready for raw media; :class:`emofuse.pipeline.EmotionPipeline` loads one."""

    @overload
    def __call__(
        self,
        media: list[MediaInput] | tuple[MediaInput, ...],
        *,
        sampling_rate: float | None = None,
        fps: float | None = None,
        **options: Unpack[RecordingOptions],
    ) -> list[EmotionTimeline]: ...

    @overload
    def __call__(
        self,
        media: MediaInput | None = None,
        *,
        audio: MediaInput | None = None,
        sampling_rate: float | None = None,
        fps: float | None = None,
        **options: Unpack[RecordingOptions],
    ) -> EmotionTimeline: ...

    def __call__(
        self,
        media: MediaInput | list[MediaInput] | tuple[MediaInput, ...] | None = None,
        *,
        audio: MediaInput | None = None,
        sampling_rate: float | None = None,
        fps: float | None = None,
        **options: Unpack[RecordingOptions],
    ) -> EmotionTimeline | list[EmotionTimeline]:
        """Predict the emotion of a clip, or of each segment of it.

        Args:
            media: a video or sound file; a sound (n,) or (channels, n) of numpy or torch, floats in [-1, 1] or
                signed integers; pictures (T, H, W, 3), uint8 in RGB; or a list of such, for each of which there is
                a result.
            audio: a separate sound, where it is not in ``media``: a file, or an array as above.
            sampling_rate: of a sound that is an array, in Hz; it is resampled as a file is.
            fps: pictures per second, where they are an array.
            options: as of :meth:`predict_recording`.

        Raises:
            EmofuseError: there is nothing to predict from, the file cannot be read at all, or an array is no sound
                and no pictures.
        """
        if isinstance(media, list | tuple):
            if audio is not None or options.get("text") is not None:
                raise EmofuseError(
                    "a list of recordings takes no audio and no text; give a manifest with these columns"
                )
            return [self(each, sampling_rate=sampling_rate, fps=fps, **options) for each in media]
        if not is_array(media) and not is_array(audio):
            return self.predict_recording(_path(media, "media"), audio=_path(audio, "audio"), **options)
        with files_of_arrays(media, audio, sampling_rate=sampling_rate, fps=fps) as given:
            timeline = self.predict_recording(given.media, audio=given.audio, **options)
            return EmotionTimeline((_of_array(s, given) for s in timeline), timeline.labels, timeline.notes)

    def predict_recording(
        self,
        media: Path | str | None = None,
        *,
        text: str | None = None,
        audio: Path | str | None = None,
        speaker: str | None = None,
        context: Sequence[str] = (),
        start: float | None = None,
        end: float | None = None,
        every: float | None = None,
        segment: SegmentSettings | By | None = None,
        speakers: int | str | None = None,
        faces: bool = False,
        active_speaker: Path | str | None = None,
        modalities: Sequence[Modality] | None = None,
        progress: Progress | None = None,
        coverage: float | None = None,
        by_modality: bool = False,
    ) -> EmotionTimeline:
        """Predict the emotion of a clip, or of each segment of it.

        Args:
            media: a video or sound file.
            text: what is said in it.
            audio: a separate sound file, where the sound is not in ``media``.
            speaker: who speaks; passed on to the segment.
            context: what was said before it, oldest first; of use to systems and text encoders that see dialogues.
            start: seconds, the beginning of the utterance in ``media``.
            end: seconds, its end.
            every: cut the recording into segments of this many seconds, one prediction each.
            segment: find the utterances of ``media`` and predict each: ``"auto"``, ``"subtitles"``, ``"asr"``, ``"vad"``, or
                all settings of it. A warning says which way was taken.
            speakers: with ``segment``: how many people speak, where you know it; ``"auto"`` or ``"none"``.
            faces: with ``segment``: look who of those that are seen speaks; encoders of faces then read that face alone.
            active_speaker: weights of Light-ASD or LR-ASD that say who it is, in the place of moving mouths.
            modalities: use only these of the run's modalities.
            progress: called with (done, total, what).
            coverage: name a set of labels that holds the true one in this share of utterances like the corpus's.
            by_modality: say as well what the run says of each modality alone.

        Raises:
            EmofuseError: there is nothing to predict from, or the file cannot be read at all.
        """
        if all(self._is_imported(modality) for modality in self.modalities):
            raise EmofuseError(
                f"this run was trained on imported features ({self._imported_names()}), which cannot be made of a raw "
                "clip: give a manifest that `emofuse import` wrote, or train on the recordings"
            )
        if segment is None and (faces or active_speaker is not None):
            raise EmofuseError(
                "faces: who is seen speaking is looked at in utterances that are found; give segment as well"
            )
        if segment is None and speakers is not None:
            raise EmofuseError(
                "speakers: they are told apart in utterances that are found; give segment as well"
            )
        context = [said for said in context if words_of(said)]
        if segment is not None:
            found = segmented_utterances(
                media,
                segment,
                progress,
                given=(words_of(text), audio, speaker, start, end, every, *context),
                faces=faces,
                active_speaker=active_speaker,
                speakers=speakers,
            )
            return self.predict(
                found, modalities=modalities, progress=progress, coverage=coverage, by_modality=by_modality
            )
        recording, duration = clip_utterance(
            media, text=text, audio=audio, speaker=speaker, start=start, end=end
        )
        if context and not self.reads_context:
            warnings.warn(CONTEXT_UNREAD, EmofuseWarning, stacklevel=2)
        before = context_utterances(recording, context)
        return self.predict(
            [*before, *fixed_length_segments(recording, duration, every)],
            modalities=modalities,
            progress=progress,
            coverage=coverage,
            by_modality=by_modality,
        )[len(before) :]

    @property
    def reads_context(self) -> bool:
        """Whether what was said before an utterance can change what the run says of it."""
        along = any(needs_of(encoder).context is not None for encoder in self.encoders.values())
        return along or "text" in self.statistics or model_info(self.record.model_name).scope == "dialogue"

    def predict_manifest(
        self,
        manifest: Manifest,
        *,
        modalities: Sequence[Modality] | None = None,
        progress: Progress | None = None,
        coverage: float | None = None,
        by_modality: bool = False,
    ) -> EmotionTimeline:
        """One segment per row of a manifest, in its order; features that were imported with it are used."""
        ready = {m: reader for m in self.modalities if (reader := self._imported(manifest, m)) is not None}
        rows = list(manifest.rows())
        return self.predict(
            rows,
            modalities=modalities,
            progress=progress,
            features=ready,
            coverage=coverage,
            by_modality=by_modality,
        )


def _path(given: object, what: str) -> Path | str | None:
    if given is None or isinstance(given, Path | str):
        return given
    raise EmofuseError(
        f"{what}: is a path, or an array of numpy or torch (a sound, or pictures), not {type(given).__name__}"
    )


def _of_array(segment: EmotionSegment, given: GivenFiles) -> EmotionSegment:
    """A segment of an array: no file is named, since it is gone by now."""
    place = f"{given.folder}/"
    named = segment.id.replace(".wav", "").replace(".avi", "")
    reasons = {m: why.replace(place, "") for m, why in segment.missing.items()}
    return replace(segment, id=named, recording=None, missing=reasons)
