"""What the mask gates of CM-MSF let pass, step by step (CM-MSF §3.5, Eq. 13 and 14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.data import Modality
from emofuse.data.clip import ends_of
from emofuse.data.manifest import Utterance
from emofuse.errors import EmofuseError
from emofuse.explanation.encoded_dialogue import EncodedDialogue
from emofuse.explanation.modalities import utterance_batch
from emofuse.models.cm_msf import CMMSF
from emofuse.models.pooled_system import system_of
from emofuse.pipeline import EmotionPipeline

SPREAD = "Text steps have no times: they are spread evenly over the utterance."
OPEN = "The run was trained without mask gate: everything passes."


@dataclass(frozen=True)
class GateTrack:
    """The steps of one modality.

    Attributes:
        counted: (T,) bool, M: the steps that count.
        mean: (T,) between 0 and 1, mean of M ⊙ G over the features: how much of a step passed.
        low: (T,) its 10th percentile over the features.
        high: (T,) its 90th percentile.
        words: (T,) what a text step is; empty otherwise.
        start: (T,) seconds from the beginning of the utterance; empty where the steps have no times.
        end: likewise.
    """

    counted: NDArray[np.bool_]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    words: tuple[str, ...]
    start: NDArray[np.float64]
    end: NDArray[np.float64]

    def rows(self) -> list[dict[str, Any]]:
        """A row per step, plain values."""
        timed = len(self.start) > 0
        return [
            {
                "step": i,
                "word": self.words[i] if self.words else None,
                "start": float(self.start[i]) if timed else None,
                "end": float(self.end[i]) if timed else None,
                "counted": bool(self.counted[i]),
                "gate_mean": float(self.mean[i]),
                "gate_low": float(self.low[i]),
                "gate_high": float(self.high[i]),
            }
            for i in range(len(self.mean))
        ]


@dataclass(frozen=True)
class Gates:
    """The gates of one utterance.

    Attributes:
        id: of the utterance.
        said: what the run says: a label, or a value in figures.
        text: what was said in the clip.
        tracks: of the modalities that the utterance has and the run uses.
        missing: modality → why it is not among them.
        notes: what should be known before anything is made of it.
    """

    id: str
    said: str
    text: str | None
    tracks: Mapping[Modality, GateTrack]
    missing: Mapping[Modality, str]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "id": self.id,
            "said": self.said,
            "text": self.text,
            "steps": {m: track.rows() for m, track in self.tracks.items()},
            "missing": dict(self.missing),
            "notes": list(self.notes),
        }


def has_gates(pipe: EmotionPipeline) -> bool:
    """Whether the run's system has mask gates."""
    return isinstance(system_of(pipe.model), CMMSF)


def explain_gates(
    pipe: EmotionPipeline, utterance: Utterance, dialogue: Sequence[Utterance] | EncodedDialogue = ()
) -> Gates:
    """What passed of each step of an utterance.

    Args:
        pipe: a run of CM-MSF, of classes or of a value.
        utterance: with absolute paths.
        dialogue: the other turns, for an encoder that reads them along; as of :func:`emofuse.explanation.explain`.

    Raises:
        EmofuseError: the run is of another system, or the utterance has nothing that it uses.
    """
    system = system_of(pipe.model)
    if not isinstance(system, CMMSF):
        raise EmofuseError("the run's system has no mask gates; CM-MSF has")
    batch, held, missing = utterance_batch(pipe, utterance, dialogue)
    with torch.inference_mode():
        output = pipe.model(**batch.inputs)
    seconds = _seconds(utterance) if set(held) - {"text"} else None
    tracks = {}
    for m in held:
        words = _words(pipe, utterance, output.gates[m].shape[1]) if m == "text" else ()
        gate, mask = output.gates[m][0].double().cpu().numpy(), output.masks[m][0].cpu().numpy()
        tracks[m] = _track(gate, mask, words, seconds if m != "text" else None)
    said = (
        f"{float(output.value[0]):+.2f}"
        if output.value is not None
        else pipe.labels[int(output.logits[0].argmax())]
    )
    spread = "text" in tracks and len(tracks["text"].mean) > 1
    notes = (SPREAD,) * spread + (OPEN,) * (not system.config.mask_gate)
    return Gates(utterance.id, said, utterance.text, tracks, missing, notes)


def _track(
    gate: NDArray[np.float64], counted: NDArray[np.bool_], words: tuple[str, ...], seconds: float | None
) -> GateTrack:
    """(T, d) gates, (T,) mask; the steps share the seconds out evenly, as their encoder took them."""
    edges = np.linspace(0.0, seconds, len(gate) + 1) if seconds is not None else np.zeros(1)
    low, high = np.percentile(gate, [10, 90], axis=1)
    return GateTrack(counted, gate.mean(axis=1), low, high, words, edges[:-1], edges[1:])


def _seconds(utterance: Utterance) -> float | None:
    """How long the utterance is; None where nothing says so."""
    (end,) = ends_of([utterance])
    return max(0.0, end - (utterance.start or 0.0)) if end is not None else None


def _words(pipe: EmotionPipeline, utterance: Utterance, steps: int) -> tuple[str, ...]:
    """What each text step is, as far as the encoder can tell; the whole text where it is one step."""
    if steps == 1:
        return (utterance.text or "",)
    tokens = getattr(pipe.encoders.get("text"), "tokens", None)
    words = tokens(utterance.text or "") if tokens is not None else []
    return tuple(words[:steps]) if len(words) >= steps else tuple(f"#{i + 1}" for i in range(steps))
