"""What a run has said of utterances, as segments of time."""

from __future__ import annotations

from collections.abc import Sequence

from emofuse.data import MODALITIES, Modality
from emofuse.data.clip import ends_of, recording_of
from emofuse.data.utterance import Utterance
from emofuse.inference.segments import EmotionSegment
from emofuse.runs.predictions import Predictions
from emofuse.runs.tasks import Task


def predicted_segments(
    utterances: Sequence[Utterance],
    predictions: Predictions,
    task: Task,
    modalities: Sequence[Modality],
    missing: Sequence[dict[Modality, str]],
    notes: Sequence[dict[Modality, str]],
) -> list[EmotionSegment]:
    """One segment per utterance; of one of which nothing could be used, there is no label.

    Args:
        utterances: N of them.
        predictions: theirs, in the same order.
        task: of the run.
        modalities: of the run.
        missing: of every utterance modality → why it was not used; told of pictures that could not be decoded.
        notes: of every utterance modality → what is to be known of it.
    """
    reasons = {
        decode_failure.utterance_id: decode_failure.message for decode_failure in predictions.decode_failures
    }
    encoded = task.columns(predictions)
    ends = ends_of(utterances)
    segments = []
    for i, utterance in enumerate(utterances):
        recording = recording_of(utterance)
        used = tuple(m for m in MODALITIES if m in predictions.present and predictions.present[m][i])
        if "video" in modalities and "video" not in used:
            missing[i].setdefault("video", reasons.get(predictions.ids[i], "no video was given"))
        # What a run says when it is given nothing is its habit, and no prediction.
        known = [label for label in task.labels if used and f"p_{label}" in encoded]
        valued = bool(used) and "predicted_valence" in encoded
        segments.append(
            EmotionSegment(
                id=utterance.id,
                start=utterance.start or 0.0,
                end=ends[i],
                label=encoded["predicted"][i] if used else None,
                probabilities={label: float(encoded[f"p_{label}"][i]) for label in known},
                used=used,
                missing=missing[i],
                speaker=utterance.speaker,
                text=utterance.text,
                value=float(encoded["predicted_valence"][i]) if valued else None,
                recording=str(recording) if recording is not None else None,
                notes=notes[i],
                face=utterance.face,
                listeners=utterance.listeners,
            )
        )
    return segments


def scores_of(task: Task, predictions: Predictions, row: int) -> dict[str, float]:
    """What is said of one utterance: a probability for each label, or ``{"value": ...}``."""
    if task.name != "classification":
        return {"value": float(predictions.values[row])}
    return dict(zip(task.labels, map(float, predictions.probabilities[row]), strict=True))
