"""RAVDESS: 24 actors say and sing two sentences in eight emotions, seen and heard.

Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song", PLoS ONE 13(5),
2018.

    Actor_01/01-01-06-01-02-01-01.mp4        at any depth, as Video_Speech_Actor_01/Actor_01/...
    Actor_01/03-01-06-01-02-01-01.wav        modality-channel-emotion-intensity-statement-repetition-actor

What is known to go wrong, and what happens here:

- One take comes up to three times: with picture and sound (01), as picture alone (02) and as sound alone
  (03). They are one row: the picture of 01 before that of 02, the sound of 03 before that of 01. Counted as
  three utterances, the same take would stand in training and test.
- Sound may have been packed as FLAC, which changes no sample.
- Several archives hold the same files again (a folder with all actors beside the actors' folders): each
  recording is taken once.
- Speech and song are two corpora that share actors: ``channel`` says which; song lacks disgust and surprise,
  and actor 18 never sang.
- ``calm`` is an emotion of its own beside ``neutral``; papers with seven classes merged the two. Neutral has
  no strong intensity, and so half as many takes.
- Two sentences serve all emotions: a model of the words alone stays at chance.
- Odd actors are men, even ones women.
- There are no parts: leave actors out with the protocol ``speaker``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from emofuse.corpora.corpus import Corpus, Published, corpus_manifest, require_choice
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

Channel = Literal["speech", "song", "both"]

EMOTIONS: Mapping[str, str] = MappingProxyType(
    {
        "01": "neutral",
        "02": "calm",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fearful",
        "07": "disgust",
        "08": "surprised",
    }
)
STATEMENTS: Mapping[str, str] = MappingProxyType(
    {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
)
CHANNELS: Mapping[str, str] = MappingProxyType({"01": "speech", "02": "song"})
INTENSITIES: Mapping[str, str] = MappingProxyType({"01": "normal", "02": "strong"})
SPEECH_TAKES, SONG_TAKES = 1440, 1012  # 24 actors × 60, 23 × 44

_FULL, _PICTURE, _SOUND = "01", "02", "03"
_NAME = re.compile(
    r"(?P<modality>0[123])-(?P<take>(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>[01]\d|2[0-4]))"
)
_SUFFIXES = {_FULL: {".mp4"}, _PICTURE: {".mp4"}, _SOUND: {".wav", ".flac"}}
_PUBLISHED = {
    "speech": Published("Livingstone and Russo 2018", {"all": SPEECH_TAKES}, speakers=24),
    "song": Published("Livingstone and Russo 2018", {"all": SONG_TAKES}, speakers=23),
    "both": Published("Livingstone and Russo 2018", {"all": SPEECH_TAKES + SONG_TAKES}, speakers=24),
}


def read_ravdess(root: Path, channel: Channel = "speech") -> Corpus:
    """Read RAVDESS; the module says what is done about its known faults.

    Args:
        root: a folder with the actors' folders anywhere below it.
        channel: takes of speech, of song, or both.

    Raises:
        EmofuseError: no file has the name of a recording.
    """
    require_choice("ravdess", "channel", channel, tuple(_PUBLISHED))
    takes, repeated = _recordings(root)
    if not takes:
        raise EmofuseError(
            f"{root}: holds no recordings such as Actor_01/03-01-06-01-02-01-01.wav; name the folder of RAVDESS"
        )
    rows: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for take, recordings in sorted(takes.items(), key=lambda item: (item[0][-2:], item[0])):
        row = _row(take, recordings)
        (rows if channel in ("both", row["channel"]) else others).append(row)
    left_out = {f"not {channel}": tuple(row["id"] for row in others)} if others else {}
    notes = [f"{counted(repeated, 'recording')} found a second time and ignored"] if repeated else []
    return Corpus(
        corpus_manifest(rows, root, f"RAVDESS ({channel})"),
        left_out,
        notes=tuple(notes),
        published=_PUBLISHED[channel],
    )


def _recordings(root: Path) -> tuple[dict[str, dict[str, str]], int]:
    """Take → modality → path of its recording, and how many recordings came again."""
    takes: defaultdict[str, dict[str, str]] = defaultdict(dict)
    repeated = 0
    for path in sorted(root.rglob("*-*-*-*-*-*-*.*")):
        match = _NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() not in _SUFFIXES[match["modality"]] or not path.is_file():
            continue
        if match["modality"] in takes[match["take"]]:
            repeated += 1
        else:
            takes[match["take"]][match["modality"]] = path.relative_to(root).as_posix()
    return dict(takes), repeated


def _row(take: str, recordings: Mapping[str, str]) -> dict[str, Any]:
    channel, emotion, intensity, statement, repetition, actor = take.split("-")
    return {
        "id": take,
        "speaker": f"Actor_{actor}",
        "text": STATEMENTS[statement],
        "video": recordings.get(_FULL) or recordings.get(_PICTURE),
        "audio": recordings.get(_SOUND),
        "label": EMOTIONS[emotion],
        "channel": CHANNELS[channel],
        "intensity": INTENSITIES[intensity],
        "repetition": repetition,
        "sex": "male" if int(actor) % 2 else "female",
    }
