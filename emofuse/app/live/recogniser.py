"""What a run says of the utterances of a conversation, one after the other as they end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emofuse.app.live.detectors import RATE
from emofuse.app.schemas import Segment
from emofuse.app.tasks import HearTask
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data.utterance import Utterance
    from emofuse.pipeline import EmotionPipeline


class LiveRecogniser:
    """Answers utterance by utterance; a causal MFCRE run remembers the conversation, any other run hears each alone.

    Args:
        pipe: the run.
        scratch: folder in which an utterance's sound lies while it is read.
    """

    def __init__(self, pipe: EmotionPipeline, scratch: Path) -> None:
        self._pipe, self._scratch = pipe, scratch
        self._stream = _stream_of(pipe)

    def hear(self, task: HearTask) -> Segment:
        """The emotion of the next utterance.

        Raises:
            EmofuseError: the run does not hear sound.
        """
        check_hears(self._pipe.modalities)
        from emofuse.data.media_writer import write_wav

        file = self._scratch / f"utterance-{id(self)}.wav"
        write_wav(file, task.samples, RATE)
        try:
            return self._answer(_utterance(file, task))
        finally:
            file.unlink(missing_ok=True)

    def _answer(self, utterance: Utterance) -> Segment:
        [segment] = self._pipe.predict([utterance])
        found = segment.to_dict() | {"unfamiliar": list(segment.unfamiliar)}
        if self._stream is not None and "audio" in segment.used:
            if utterance.turn == 0:
                self._stream.reset()
            found |= self._remembered(utterance)
        where = str(utterance.audio)
        found["missing"] = {m: why.replace(where, "the stream") for m, why in segment.missing.items()}
        found["notes"] = {m: note.replace(where, "the stream") for m, note in segment.notes.items()}
        return Segment(**{k: v for k, v in found.items() if k != "recording"})

    def _remembered(self, utterance: Utterance) -> dict[str, Any]:
        """Label and probabilities with the conversation before it."""
        import torch

        from emofuse.features.encoding import encode_utterances

        pipe = self._pipe
        [(key, features)] = encode_utterances([utterance], pipe.encoders["audio"])
        if not isinstance(features, np.ndarray):
            return {}
        given = pipe.normalised([utterance], {"audio": {key: features}})["audio"][key]
        vector = torch.as_tensor(np.asarray(given, np.float32), device=pipe.device)
        if vector.ndim == 2:
            vector = vector.mean(dim=0)
        absent = {m: torch.tensor([m == "audio"], device=pipe.device) for m in pipe.modalities}
        logits = self._stream.step(audio=vector[None], present=absent).logits[0]
        shares = torch.softmax(logits.float() / pipe.temperature, dim=0).tolist()
        probabilities = dict(zip(pipe.labels, shares, strict=True))
        return {
            "probabilities": probabilities,
            "label": max(probabilities, key=lambda label: probabilities[label]),
        }


def check_hears(modalities: tuple[str, ...] | list[str]) -> None:
    """See that a run can answer to sound alone.

    Raises:
        EmofuseError: it cannot.
    """
    if "audio" not in modalities:
        raise EmofuseError(
            f"this run uses {', '.join(modalities)}, and a live stream is sound alone: train one with --modalities audio"
        )


def _utterance(file: Path, task: HearTask) -> Utterance:
    from emofuse.data.utterance import Utterance

    return Utterance(
        id=str(task.number),
        dialogue="live",
        turn=task.number,
        speaker=None,
        text=None,
        video=None,
        audio=file,
        start=None,
        end=None,
        label=None,
        valence=None,
        split=None,
        group=None,
    )


def _stream_of(pipe: EmotionPipeline) -> Any:
    """The memory of a causal system over dialogues; None where the run has none, or looks ahead."""
    model: Any = pipe.model
    if pipe.task.name != "classification" or getattr(model.config, "context", None) != "causal":
        return None
    try:
        return model.stream()
    except (AttributeError, EmofuseError):
        return None
