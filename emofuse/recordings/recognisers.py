"""Whisper as it writes down a piece of speech with the times of its words: by faster-whisper, or of transformers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emofuse.data.json_text import parse_json
from emofuse.data.nearest_names import is_meant
from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError
from emofuse.recordings.words import Word

INSTALL = "pip install 'emofuse[asr]'"
# What Whisper's authors hold for made up: so repetitive, or so unsure of itself that probably nobody speaks.
MOST_REPETITIVE, LEAST_SURE, SILENCE = 2.4, -1.0, 0.6
MOST_WORDS = 8.0  # a second; nobody speaks faster than that for long
FALLBACK = (0.2, 0.4, 0.6, 0.8, 1.0)  # temperatures at which a doubtful window is decoded anew
SURE_OF_LANGUAGE = 0.5
PACKAGED, ENGLISH = "whisper-tiny.en", ("en",)


@dataclass(frozen=True)
class Transcript:
    """What was said in a piece of sound; times are seconds from its beginning."""

    words: list[Word]
    language: str | None
    language_probability: float = 1.0


class LanguageError(EmofuseError):
    """A model does not know the language that was asked for; ``advice`` is for the command line."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.advice = advice

    def __reduce__(self) -> tuple[type[LanguageError], tuple[str, str]]:
        return LanguageError, (str(self), self.advice)


class Recogniser(Protocol):
    """Writes down speech.

    Attributes:
        name: of its model.
    """

    name: str

    def __call__(self, samples: NDArray[np.float32], language: str | None) -> Transcript:
        """What is said in (samples,) of 30 s at most, at 16 kHz; in ``language``, or in the one that is found."""


def is_installed() -> bool:
    """Whether the library is there, and the packaged model."""
    from emofuse.encoders.whisper import packaged_whisper

    return find_spec("faster_whisper") is not None and packaged_whisper() is not None


def load_recogniser(model: str | None, device: str = "cpu", language: str | None = None) -> Recogniser:
    """The recogniser of a model.

    Args:
        model: None for the packaged Whisper tiny.en, which knows English; a folder of CTranslate2 or of transformers; or a
            name, such as ``"small"`` (faster-whisper's own) or ``"openai/whisper-small"`` (transformers').
        device: ``"cpu"`` or ``"cuda"``.
        language: code of the one that is spoken, which the model is to know.

    Raises:
        EmofuseError: the extra is not installed, or the model cannot be had.
        LanguageError: it does not know the language.
    """
    if model is None and language is not None:  # nothing need be loaded to know it
        _check_language(PACKAGED, ENGLISH, language)
    by_transformers = model is not None and _is_of_transformers(model)
    made = _Transformers(str(model), device) if by_transformers else _FasterWhisper(model, device)
    if language is not None:
        _check_language(made.name, made.languages, language)
    return made


def _check_language(name: str, known: Sequence[str], language: str) -> None:
    if not known or language in known:
        return
    if list(known) == list(ENGLISH):
        raise LanguageError(f"{name} knows English only", "name another with --asr-model")
    raise LanguageError(
        f"{name} knows no language {language!r}{is_meant(language, known, beginnings=False)}",
        "languages are codes of two or three letters, such as en or de",
    )


def _is_of_transformers(model: str) -> bool:
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return "/" in model and not any(mark in model.lower() for mark in ("faster", "ct2"))
    if (folder / "model.bin").is_file() and not (folder / "model.safetensors").is_file():
        return False
    try:
        return "model_type" in parse_json((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        raise EmofuseError(
            f"{folder}: is no model of speech recognition; name a folder of CTranslate2 (model.bin) or of transformers"
        ) from None


class _FasterWhisper:
    def __init__(self, model: str | None, device: str) -> None:
        if find_spec("faster_whisper") is None:
            raise EmofuseError(f"speech recognition: needs the extra asr; {INSTALL}")
        import torch
        from faster_whisper import WhisperModel

        self.name = model or PACKAGED
        where = _packaged() if model is None else str(Path(model).expanduser())
        kind = "cuda" if device.startswith("cuda") else "cpu"
        try:
            self._model: Any = WhisperModel(
                where if Path(where).is_dir() else str(model),
                device=kind,
                compute_type="float32" if kind == "cpu" else "float16",
                cpu_threads=torch.get_num_threads(),
            )
        except (
            Exception
        ) as error:  # no network, no such model, a damaged folder: each has an error of its own
            reason = " ".join(str(error).split())[:150] or type(error).__name__
            # A server's client names no model, so advice on one would be no help.
            advice = (
                f"install its extra anew ({INSTALL})"
                if model is None
                else "name a folder of CTranslate2, or leave --asr-model out"
            )
            raise EmofuseError(
                f"speech recognition: {self.name} cannot be loaded ({reason}); {advice}"
            ) from None

    @property
    def languages(self) -> Sequence[str]:
        """Codes of those that it knows."""
        found: Sequence[str] = self._model.supported_languages
        return found

    def __call__(self, samples: NDArray[np.float32], language: str | None) -> Transcript:
        # The library calls a whole window repetitive, where people may say the same sentence again and again. Here each sentence
        # is looked at by itself, and the window decoded anew only where one is doubtful.
        segments, info = self._decoded(samples, language, (0.0,), None)
        if any(_is_looping(one) or one.avg_logprob < LEAST_SURE for one in segments):
            segments, info = self._decoded(samples, language, FALLBACK, MOST_REPETITIVE)
        words = [
            Word(float(word.start), float(word.end), str(word.word))
            for segment in segments
            if _is_believed(segment)
            for word in segment.words or ()
        ]
        return Transcript(words, info.language, float(info.language_probability))

    def _decoded(
        self,
        samples: NDArray[np.float32],
        language: str | None,
        temperatures: tuple[float, ...],
        most_repetitive: float | None,
    ) -> tuple[list[Any], Any]:
        segments, info = self._model.transcribe(
            samples,
            language=language if self._model.model.is_multilingual else "en",
            word_timestamps=True,
            condition_on_previous_text=False,  # an error would carry on to what follows
            hallucination_silence_threshold=2.0,
            temperature=list(temperatures),
            compression_ratio_threshold=most_repetitive,
            log_prob_threshold=LEAST_SURE,
            no_speech_threshold=SILENCE,
        )
        return list(segments), info


def _is_believed(segment: Any) -> bool:
    is_unsure = segment.avg_logprob < LEAST_SURE and segment.no_speech_prob > SILENCE
    return not _is_looping(segment) and not is_unsure


def _is_looping(segment: Any) -> bool:
    """Whether a sentence repeats itself within itself, or has more words than its time has room for."""
    text = str(segment.text).encode()
    seconds = max(float(segment.end) - float(segment.start), 1.0)
    is_repetitive = len(text) > MOST_REPETITIVE * len(zlib.compress(text))
    return is_repetitive or len(text.split()) > MOST_WORDS * seconds


def _packaged() -> str:
    from emofuse.encoders.whisper import check_weights, packaged_whisper

    folder = packaged_whisper()
    if folder is None:
        raise EmofuseError(f"speech recognition: the packaged Whisper tiny.en is not installed; {INSTALL}")
    check_weights(folder / "model.bin")
    return str(folder)


class _Transformers:
    def __init__(self, model: str, device: str) -> None:
        import torch
        from transformers import AutoProcessor, WhisperForConditionalGeneration

        from emofuse.encoders.pretrained import guarded, load_model, locate

        source = locate(model)
        self.name = source.name
        self._processor: Any = guarded(source, AutoProcessor.from_pretrained)
        self._model: Any = load_model(source, device, torch.float32, WhisperForConditionalGeneration)
        if getattr(self._model.generation_config, "alignment_heads", None) is None:
            raise EmofuseError(
                f"speech recognition: {model} tells no times of words (its generation_config.json has no alignment_heads); "
                "take a Whisper as OpenAI published it"
            )

    @property
    def languages(self) -> Sequence[str]:
        """Codes of those that it knows; empty where it does not say."""
        config = self._model.generation_config
        if not getattr(config, "is_multilingual", False):
            return ENGLISH
        return [sign.strip("<|>") for sign in getattr(config, "lang_to_id", None) or ()]

    def __call__(self, samples: NDArray[np.float32], language: str | None) -> Transcript:
        from transformers import pipeline

        from emofuse.encoders.pretrained import quiet_library

        is_multilingual = bool(getattr(self._model.generation_config, "is_multilingual", False))
        options = {"language": language} if is_multilingual and language else {}
        with quiet_library():
            run: Any = pipeline(
                "automatic-speech-recognition",
                model=self._model,
                tokenizer=self._processor.tokenizer,
                feature_extractor=self._processor.feature_extractor,
            )
            output = run(
                {"raw": samples, "sampling_rate": RATE}, return_timestamps="word", generate_kwargs=options
            )
        words = [
            Word(float(chunk["timestamp"][0]), float(chunk["timestamp"][1]), str(chunk["text"]))
            for chunk in output["chunks"]
            if None not in chunk["timestamp"]
        ]
        return Transcript(words, language if is_multilingual else "en")
