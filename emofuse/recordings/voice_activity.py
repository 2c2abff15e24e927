"""Where somebody speaks, found by Silero VAD.

Silero VAD is a small network that hears speech in 32 ms of sound, in any language. Its package (MIT) brings the weights, as
ONNX that takes many such pieces in one call. The sound comes in blocks, so a film takes no more memory than a clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.data.media import probe
from emofuse.data.sampling_rate import RATE
from emofuse.data.sound_blocks import sound_blocks
from emofuse.errors import EmofuseError
from emofuse.recordings.settings import SegmentSettings
from emofuse.recordings.spoken import Progress, Spoken

FRAME, CONTEXT = 512, 64  # samples: a step of 32 ms, and what comes before it
_FRAMES_AT_ONCE = 512
_STATE = (1, 1, 128)
_PACKAGE, _FILE = "silero_vad", "silero_vad_16k_sequence.onnx"
INSTALL = "pip install 'emofuse[segment]'"


def is_installed() -> bool:
    """Whether the package and what runs its model are there."""
    return find_spec(_PACKAGE) is not None and find_spec("onnxruntime") is not None


class VoiceActivity:
    """Hears speech in sound that comes block by block.

    Raises:
        EmofuseError: the extra ``segment`` is not installed.
    """

    def __init__(self) -> None:
        self._session = _session()
        self.forget()

    def forget(self) -> None:
        """Begin with another sound."""
        self._hidden, self._cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        self._context = np.zeros(CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add sound (samples,) at 16 kHz; the probability of speech in each whole 32 ms that this makes: (frames,)."""
        sound = np.concatenate([self._rest, samples.astype(np.float32, copy=False)])
        whole = len(sound) // FRAME * FRAME
        self._rest = sound[whole:].copy()
        frames = sound[:whole].reshape(-1, FRAME)
        parts = [self._run(frames[i : i + _FRAMES_AT_ONCE]) for i in range(0, len(frames), _FRAMES_AT_ONCE)]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def finish(self) -> NDArray[np.float32]:
        """The last piece, filled up with silence; (1,) or (0,)."""
        missing = -len(self._rest) % FRAME
        return self.push(np.zeros(missing, np.float32))

    def _run(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        before = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:].copy()
        given = {"input": np.concatenate([before, frames], axis=1), "h": self._hidden, "c": self._cell}
        heard, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], given)
        return np.asarray(heard, np.float32).reshape(-1)


def speech_probabilities(
    blocks: Iterable[NDArray[np.float32]], seconds: float | None = None, progress: Progress | None = None
) -> tuple[NDArray[np.float32], int]:
    """The probability of speech in every 32 ms of a recording, and how many samples it has.

    Args:
        blocks: its sound at 16 kHz.
        seconds: how long it is, for the progress.
        progress: called after each block.
    """
    activity, found, samples = VoiceActivity(), [np.zeros(0, np.float32)], 0
    for block in blocks:
        samples += len(block)
        found.append(activity.push(block))
        if progress is not None and seconds:
            progress(min(round(samples / RATE), round(seconds)), round(seconds), "listening (seconds)")
    found.append(activity.finish())
    return np.concatenate(found), samples


def speech_spans(
    probabilities: NDArray[np.float32], samples: int, settings: SegmentSettings
) -> list[tuple[float, float]]:
    """Seconds from which to which somebody speaks, by the package's own rules.

    Speech begins where the probability reaches the threshold and ends where it stays 0.15 below it for ``pause``
    seconds. What is shorter than ``min_speech`` is left out, what is longer than ``longest`` divided at its longest pause.
    ``pad`` seconds are added on both sides, half of the pause at most.

    Args:
        probabilities: as :func:`speech_probabilities` gives them.
        samples: how many there are at 16 kHz.
        settings: the lengths and the threshold.
    """
    spans = _timestamps(
        probabilities.tolist(),
        threshold=settings.threshold,
        min_speech_duration_ms=round(1000 * settings.min_speech),
        max_speech_duration_s=settings.longest,
        min_silence_duration_ms=round(1000 * settings.pause),
        speech_pad_ms=round(1000 * settings.pad),
        audio_length_samples=samples,
    )
    return [(span["start"] / RATE, span["end"] / RATE) for span in spans if span["end"] > span["start"]]


def spoken_by_activity(
    recording: Path, settings: SegmentSettings, progress: Progress | None = None
) -> list[Spoken]:
    """An utterance for every span of speech in a recording; none where nobody is heard to speak.

    Raises:
        EmofuseError: the extra is not installed, or the sound cannot be read.
    """
    seconds = probe(recording).duration
    found, samples = speech_probabilities(sound_blocks(recording, rate=RATE), seconds, progress)
    return [Spoken(start, end) for start, end in speech_spans(found, samples, settings)]


def _session() -> Any:
    spec = find_spec(_PACKAGE)
    places: Sequence[str] = list(spec.submodule_search_locations or []) if spec is not None else []
    if not places or find_spec("onnxruntime") is None:
        raise EmofuseError(f"voice activity: needs the extra segment; {INSTALL}")
    file = Path(places[0]) / "data" / _FILE
    if not file.is_file():
        raise EmofuseError(f"{file}: is not there; voice activity needs silero-vad 6.2.3 or later: {INSTALL}")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _timestamps(probabilities: list[float], **rules: Any) -> list[dict[str, int]]:
    import torch

    threads = torch.get_num_threads()  # importing the package sets them to one
    from silero_vad import get_speech_timestamps_from_probs

    torch.set_num_threads(threads)
    found: list[dict[str, int]] = get_speech_timestamps_from_probs(probabilities, sampling_rate=RATE, **rules)
    return found
