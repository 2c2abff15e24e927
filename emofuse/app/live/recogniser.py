"""What a run says of the utterances of a conversation, one after the other as they end."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from emofuse.app.hidden_places import without_places
from emofuse.app.live.pictures import PICTURE_RATE
from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import Segment
from emofuse.app.tasks import HearTask
from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data.modality import Modality
    from emofuse.data.utterance import Utterance
    from emofuse.pipeline import EmotionPipeline


class LiveRecogniser:
    """Answers utterance by utterance; a causal MFCRE run remembers the conversation, any other run hears each alone.

    Args:
        pipe: the run.
        scratch: folder in which an utterance's sound and pictures lie while they are read.
    """

    def __init__(self, pipe: EmotionPipeline, scratch: Path) -> None:
        self._pipe, self._scratch = pipe, scratch
        self._stream = _stream_of(pipe)

    def hear(self, task: HearTask) -> Segment:
        """The emotion of the next utterance.

        Raises:
            RefusedError: the run can use nothing of it; no place of this machine is named.
        """
        check_hears(self._pipe.modalities, sees=task.pictures is not None or bool(task.jpegs))
        from emofuse.app.live.jpegs import film_of
        from emofuse.data.given_arrays import write_pictures
        from emofuse.data.media_writer import write_wav

        pictures = film_of(task.jpegs) if task.jpegs else task.pictures
        # A folder of its own: all workers of a server share the scratch, and nobody must hear another's voice.
        with TemporaryDirectory(prefix="utterance-", dir=self._scratch) as own:
            sound = Path(own) / "utterance.wav"
            film = None if pictures is None else sound.with_suffix(".avi")
            write_wav(sound, task.samples, RATE)
            if film is not None and pictures is not None:
                write_pictures(film, pictures, PICTURE_RATE)
            answer = self._answer(_utterance(sound, film, task))
            if task.jpegs and film is None and "video" in answer.missing:
                answer.missing["video"] = "none of its pictures can be decoded"
            return answer

    def _answer(self, utterance: Utterance) -> Segment:
        try:
            return self._predicted(utterance)
        except EmofuseError as error:
            raise RefusedError(422, self._shown(str(error), utterance)) from error

    def _predicted(self, utterance: Utterance) -> Segment:
        [segment] = self._pipe.predict([utterance])
        found = segment.to_dict() | {"unfamiliar": list(segment.unfamiliar)}
        if self._stream is not None and segment.used:
            if utterance.turn == 0:
                self._stream.reset()
            found |= self._remembered(utterance)
        for name, lines in (("missing", segment.missing), ("notes", segment.notes)):
            found[name] = {m: self._shown(line, utterance) for m, line in lines.items()}
        return Segment(**{k: v for k, v in found.items() if k != "recording"})

    def _shown(self, line: str, utterance: Utterance) -> str:
        return without_places(
            line, self._pipe, dict.fromkeys((utterance.audio, utterance.video), "the stream")
        )

    def _remembered(self, utterance: Utterance) -> dict[str, Any]:
        """Label and probabilities with the conversation before it."""
        import torch

        from emofuse.features.encoding import encode_utterances

        pipe = self._pipe
        features: dict[Modality, dict[str, np.ndarray]] = {m: {} for m in pipe.modalities}
        for modality in pipe.modalities:
            if modality in pipe.encoders:
                [(key, made)] = encode_utterances([utterance], pipe.encoders[modality])
                features[modality] |= {key: made} if isinstance(made, np.ndarray) else {}
        given = pipe.normalised([utterance], features)
        vectors = {}
        for modality in pipe.modalities:
            if utterance.id in given[modality]:
                made = np.asarray(given[modality][utterance.id], np.float32)
                vector = torch.as_tensor(made, device=pipe.device)
                vectors[str(modality)] = (vector.mean(dim=0) if vector.ndim == 2 else vector)[None]
        if not vectors:
            return {}
        present = {m: torch.tensor([m in vectors], device=pipe.device) for m in pipe.modalities}
        logits = self._stream.step(**vectors, present=present).logits[0]
        shares = torch.softmax(logits.float() / pipe.temperature, dim=0).tolist()
        probabilities = dict(zip(pipe.labels, shares, strict=True))
        return {
            "probabilities": probabilities,
            "label": max(probabilities, key=lambda label: probabilities[label]),
        }


def check_hears(modalities: tuple[str, ...] | list[str], *, sees: bool = False) -> None:
    """See that a run can answer to sound alone, or to sound and pictures where the stream has both.

    Raises:
        EmofuseError: it cannot.
    """
    if "audio" not in modalities and not (sees and "video" in modalities):
        raise EmofuseError(
            f"this run uses {', '.join(modalities)}, and this live stream is sound alone: train one with --modalities audio"
        )


def _utterance(sound: Path, film: Path | None, task: HearTask) -> Utterance:
    from emofuse.data.utterance import Utterance

    return Utterance(
        id=str(task.number),
        dialogue="live",
        turn=task.number,
        speaker=None,
        text=None,
        video=film,
        audio=sound,
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
