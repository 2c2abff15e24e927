"""CREMA-D: 91 actors say 12 sentences in six emotions, seen and heard.

Cao et al., "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset", IEEE Transactions on Affective
Computing 5(4), 2014.

    AudioWAV/1001_IEO_ANG_HI.wav         actor, sentence, emotion, level
    VideoFlash/1001_IEO_ANG_HI.flv
    VideoDemographics.csv                age and sex of the actors
    processedResults/summaryTable.csv    what raters saw and heard in them

What is known to go wrong, and what happens here:

- Four takes are no good: 1076_MTI_NEU_XX and 1076_MTI_SAD_XX are next to empty, 1064_TIE_SAD_XX has no
  length, and 1064_IEO_DIS_MD is a minute long and has every emotion in it. They are left out.
- A clone without Git LFS holds small text files in place of the recordings: each is set aside, and where there is
  nothing else the reader stops and says so.
- One level is written ``X`` instead of ``XX`` (1040_ITH_SAD_X): read as not stated.
- A file's emotion is the one acted. What raters voted for differs often; ``labels="perceived"`` takes the
  vote on picture and sound together, and leaves out takes without a winner.
- The words follow from the sentence's code, so they say nothing of the emotion: a model of the words alone
  stays at chance.
- There are no parts: leave actors out with the protocol ``speaker``.
- ``AudioMP3`` and files whose names begin with ``._`` are ignored; either of the two folders may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from emofuse.corpora.corpus import (
    Corpus,
    Published,
    corpus_manifest,
    files_in,
    only_pointers,
    require_choice,
)
from emofuse.corpora.table_files import read_table_file
from emofuse.data.git_lfs import POINTER_ADVICE, POINTER_REASON, is_lfs_pointer
from emofuse.data.media_error import MediaError
from emofuse.data.quarantine import QuarantineEntry
from emofuse.data.wording import column_names
from emofuse.errors import EmofuseError

Labels = Literal["acted", "perceived"]

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "IEO": "It's eleven o'clock",
        "TIE": "That is exactly what happened",
        "IOM": "I'm on my way to the meeting",
        "IWW": "I wonder what this is about",
        "TAI": "The airplane is almost full",
        "MTI": "Maybe tomorrow it will be cold",
        "IWL": "I would like a new alarm clock",
        "ITH": "I think I have a doctor's appointment",
        "DFA": "Don't forget a jacket",
        "ITS": "I think I've seen this before",
        "TSI": "The surface is slick",
        "WSI": "We'll stop in a couple of minutes",
    }
)
EMOTIONS: Mapping[str, str] = MappingProxyType(
    {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
)
LEVELS: Mapping[str, str | None] = MappingProxyType(
    {"LO": "low", "MD": "medium", "HI": "high", "XX": None, "X": None}
)
BROKEN: Mapping[str, str] = MappingProxyType(
    {
        "1076_MTI_NEU_XX": "next to empty",
        "1076_MTI_SAD_XX": "next to empty",
        "1064_TIE_SAD_XX": "without length",
        "1064_IEO_DIS_MD": "of every emotion at once",
    }
)
PUBLISHED = Published("Cao et al. 2014", {"all": 7442}, speakers=91)

_NAME = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]{1,2})")
_VOTES = {emotion[0].upper(): emotion for emotion in EMOTIONS.values()}


def read_crema_d(root: Path, labels: Labels = "acted") -> Corpus:
    """Read CREMA-D; the module says what is done about its known faults.

    Args:
        root: the folder of the repository.
        labels: the emotion that the actor was asked for, or the one that most raters saw and heard.

    Raises:
        EmofuseError: there are neither ``AudioWAV`` nor ``VideoFlash``, they hold nothing but pointers of Git LFS, or
            votes are asked for and missing.
    """
    require_choice("crema-d", "labels", labels, ("acted", "perceived"))
    media = {
        "audio": files_in(root / "AudioWAV", root, {".wav"}),
        "video": files_in(root / "VideoFlash", root, {".flv", ".mp4"}),
    }
    takes = sorted(set().union(*media.values()))
    if not takes:
        raise EmofuseError(f"{root}: has no takes in AudioWAV or VideoFlash; name the folder of CREMA-D")
    votes = _votes(root) if labels == "perceived" else None
    people = _people(root)
    rows, left_out, set_aside = [], dict[str, list[str]](), list[QuarantineEntry]()
    for take in takes:
        row, reason = _row(take, votes, people)
        if not reason:
            for modality, paths in media.items():
                row[modality] = _usable(take, modality, paths.get(take), root, set_aside)
            reason = None if row["audio"] or row["video"] else "no recording"
        if reason:
            left_out.setdefault(reason, []).append(take)
        else:
            rows.append(row)
    if set_aside and not rows:
        raise only_pointers(root, len(set_aside))
    return Corpus(
        corpus_manifest(rows, root, "CREMA-D"),
        {reason: tuple(ids) for reason, ids in left_out.items()},
        tuple(set_aside),
        tuple(f"there is no {name}" for name, paths in _folders(media) if not paths),
        PUBLISHED,
    )


def _folders(media: Mapping[str, Mapping[str, str]]) -> list[tuple[str, Mapping[str, str]]]:
    return [("AudioWAV", media["audio"]), ("VideoFlash", media["video"])]


def _row(
    take: str, votes: Mapping[str, str] | None, people: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], str | None]:
    """The row of a take without its media, and why it must be left out, if it must."""
    match = _NAME.fullmatch(take)
    known = match and match["sentence"] in SENTENCES and match["emotion"] in EMOTIONS
    if not (match and known and match["level"] in LEVELS):
        return {}, "a name that is no take's"
    if take in BROKEN:
        return {}, BROKEN[take]
    label = EMOTIONS[match["emotion"]] if votes is None else _VOTES.get(votes.get(take, ""))
    person = people.get(match["actor"], {})
    row = {
        "id": take,
        "speaker": match["actor"],
        "text": SENTENCES[match["sentence"]],
        "label": label,
        "acted": EMOTIONS[match["emotion"]],
        "level": LEVELS[match["level"]],
        "sex": str(person.get("Sex") or "").lower() or None,
        "age": person.get("Age"),
    }
    return row, None if label else "no emotion that most raters agree on"


def _usable(
    take: str, modality: str, path: str | None, root: Path, set_aside: list[QuarantineEntry]
) -> str | None:
    if path is not None and is_lfs_pointer(root / path):
        error = MediaError(root / path, "not-downloaded", f"it is {POINTER_REASON}; {POINTER_ADVICE}")
        set_aside.append(QuarantineEntry(take, modality, str(root / path), error.reason, str(error)))
        return None
    return path


def _votes(root: Path) -> dict[str, str]:
    path = root / "processedResults" / "summaryTable.csv"
    if not path.is_file():
        raise EmofuseError(f"{path}: is missing; labels=perceived needs the raters' votes that it holds")
    records = _records(path, ("FileName", "MultiModalVote"))
    return {str(record["FileName"]): str(record["MultiModalVote"] or "").strip() for record in records}


def _people(root: Path) -> dict[str, Mapping[str, Any]]:
    path = root / "VideoDemographics.csv"
    if not path.is_file():
        return {}
    return {str(record["ActorID"]): record for record in _records(path, ("ActorID", "Age", "Sex"))}


def _records(path: Path, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    frame = read_table_file(path).raw.frame
    frame.columns = [_spelled(str(name), columns) for name in frame.columns]
    lacking = [column for column in columns if column not in frame]
    if lacking:
        raise EmofuseError(
            f"{path}: has no column {', '.join(lacking)}, only {column_names(frame)}; is it CREMA-D's?"
        )
    return frame[list(columns)].to_dict("records")  # type: ignore[return-value]


def _spelled(name: str, columns: tuple[str, ...]) -> str:
    """The column that a name means: its case differs between the tables and their documentation."""
    return next((column for column in columns if column.lower() == name.strip().lower()), name)
