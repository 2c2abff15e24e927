"""What is said in a recording, and when: speech recognition on what is heard as speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emofuse.data.media import probe
from emofuse.data.sampling_rate import RATE
from emofuse.data.sound_blocks import sound_blocks, sounds_of_spans
from emofuse.recordings.recognisers import SURE_OF_LANGUAGE, Recogniser, load_recogniser
from emofuse.recordings.settings import SegmentSettings
from emofuse.recordings.spoken import Progress, Spoken
from emofuse.recordings.voice_activity import speech_probabilities, speech_spans
from emofuse.recordings.words import Word, heard_words, utterances_of_words

WINDOW = 28.0  # seconds that are heard at once; Whisper reads 30
LONGEST_SILENCE = 3.0  # seconds within a window: out of more, it makes up words
EDGE = 0.2  # seconds of sound before and after a window, so that no consonant is cut off


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording.

    Attributes:
        spoken: in order of time.
        language: the one that most of it is in; None where nothing is said.
        model: what wrote it down.
    """

    spoken: list[Spoken]
    language: str | None
    model: str


def transcribe(
    recording: Path,
    settings: SegmentSettings,
    progress: Progress | None = None,
    recogniser: Recogniser | None = None,
) -> Transcript:
    """Write down a recording: speech is found first, and only speech is listened to.

    What is made up out of silence is kept out three times: silence is not listened to, a text that repeats itself or is
    unsure where probably nobody speaks is not taken, and a word that lies beside all speech is left out.

    Args:
        recording: with sound.
        settings: the lengths, the model and the language.
        progress: called with seconds.
        recogniser: in the place of the settings' model.

    Raises:
        EmofuseError: an extra is not installed, the model cannot be had, does not know the language, or the sound cannot
            be read.
    """
    hear = recogniser or load_recogniser(settings.asr_model, settings.device, settings.language)
    seconds = probe(recording).duration
    found, samples = speech_probabilities(sound_blocks(recording, rate=RATE), seconds, progress)
    spans = speech_spans(
        found, samples, settings.model_copy(update={"longest": min(settings.longest, WINDOW - 2)})
    )
    words, languages = _words(recording, spans, hear, settings.language, progress)
    spoken = utterances_of_words(heard_words(words, spans), settings)
    language = languages.most_common(1)[0][0] if languages else None
    return Transcript(spoken, settings.language or language, hear.name)


def windows_of(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans of speech gathered in windows that are heard at once, since each takes as long as a full one."""
    windows: list[tuple[float, float]] = []
    for start, end in spans:
        if windows and end - windows[-1][0] <= WINDOW and start - windows[-1][1] <= LONGEST_SILENCE:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _words(
    recording: Path,
    spans: Sequence[tuple[float, float]],
    hear: Recogniser,
    language: str | None,
    progress: Progress | None,
) -> tuple[list[Word], Counter[str]]:
    windows = [(max(0.0, start - EDGE), end + EDGE) for start, end in windows_of(spans)]
    total = round(sum(end - start for start, end in windows))
    words: list[Word] = []
    languages: Counter[str] = Counter()
    done = 0.0
    sounds = sounds_of_spans(sound_blocks(recording, rate=RATE), windows, RATE)
    for (start, end), sound in zip(windows, sounds, strict=True):
        # One language for all once it is sure: a short window alone is often taken for another.
        known = language or next((name for name, times in languages.items() if times >= 2), None)
        heard = hear(sound, known)
        last = words[-1].end if words else 0.0
        shifted = (replace(word, start=word.start + start, end=word.end + start) for word in heard.words)
        words += [word for word in shifted if (word.start + word.end) / 2 >= last]
        if heard.language and heard.words and heard.language_probability >= SURE_OF_LANGUAGE:
            languages[heard.language] += 1
        done += end - start
        if progress is not None:
            progress(min(round(done), total), total, "writing down (seconds)")
    return words, languages
