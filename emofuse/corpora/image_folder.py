"""Pictures in folders that are named after their emotions, as many a corpus of faces is passed on.

    ROOT/happy/S010_004_00000017.png            one folder per emotion (CK+48)
    ROOT/train/happy/Training_10019449.jpg      one folder per part, and in it one per emotion

What is known to go wrong, and what happens here:

- Frames of one recording stand side by side under names that differ in a number. Who is seen decides whether a test
  means anything: ``speaker`` says how a file's name tells, and protocol ``speaker`` holds people out.
- Emotions are called differently everywhere: ``labels=usual`` gives them the names that other corpora here have, and
  ``labels=happy=joy,...`` any.
- Names that begin with a dot are ignored. Files that are no pictures are counted and left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emofuse.corpora.corpus import Corpus, corpus_manifest
from emofuse.data.manifest_columns import SPLIT_ALIASES, SPLITS
from emofuse.data.stills import STILL_SUFFIXES
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

USUAL: Mapping[str, str] = MappingProxyType(
    {
        "angry": "anger",
        "afraid": "fear",
        "fearful": "fear",
        "happy": "joy",
        "happiness": "joy",
        "sad": "sadness",
        "surprised": "surprise",
        "disgusted": "disgust",
    }
)


def read_image_folder(root: Path, labels: str = "folders", speaker: str | None = None) -> Corpus:
    """Read pictures by the folders that they lie in.

    Args:
        root: the folder with the emotions' folders, or with the parts' (train, val, test).
        labels: ``"folders"`` as the folders are named; ``"usual"`` with anger for angry and the like; or
            ``happy=joy,sad=sadness`` for those named, the others as they are.
        speaker: a regular expression that finds who is seen in a file's name: its first group, or all of it, such
            as ``S\\d+``. Without it nobody is known.

    Raises:
        EmofuseError: there is no picture in such folders, or an option cannot be understood.
    """
    renamed, who = _renaming(labels), _pattern(speaker)
    rows, others = [], 0
    for part, emotion, folder in _folders(root):
        for name in sorted(entry.name for entry in os.scandir(folder) if entry.is_file()):
            if name.startswith("."):
                continue
            if not name.lower().endswith(STILL_SUFFIXES):
                others += 1
                continue
            path = Path(*([part] if part else []), emotion, name)
            rows.append(_row(path, part, renamed.get(emotion.lower(), emotion), who))
    if who is not None and rows and all(row["speaker"] is None for row in rows):
        raise EmofuseError(
            f"corpus image-folder: speaker={speaker} is found in no file's name, such as {rows[0]['video']}"
        )
    notes = (f"{counted(others, 'file')} that are no pictures ignored",) if others else ()
    return Corpus(corpus_manifest(rows, root, "pictures in folders named after emotions"), notes=notes)


def _folders(root: Path) -> Iterator[tuple[str | None, str, Path]]:
    """Part (as its folder is named), emotion and folder."""
    inside = _below(root)
    parts = [folder for folder in inside if _split(folder.name) is not None]
    if not parts:
        yield from ((None, folder.name, folder) for folder in inside)
        return
    for part in parts:
        yield from ((part.name, folder.name, folder) for folder in _below(part))


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise EmofuseError(f"{folder}: is no folder")
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _split(name: str) -> str | None:
    name = name.lower()
    return name if name in SPLITS else SPLIT_ALIASES.get(name)


def _row(path: Path, part: str | None, label: str, who: re.Pattern[str] | None) -> dict[str, Any]:
    found = None if who is None else who.search(path.name)
    speaker = None if found is None else found.group(1 if found.re.groups else 0)
    return {
        "id": path.with_suffix("").as_posix(),
        "speaker": speaker,
        "video": path.as_posix(),
        "label": label,
        "split": None if part is None else _split(part),
    }


def _renaming(labels: str) -> dict[str, str]:
    if labels == "folders":
        return {}
    if labels == "usual":
        return {**USUAL, **{name: name for name in set(USUAL.values())}, "neutral": "neutral"}
    pairs = [item.partition("=") for item in labels.split(",")]
    if not all(sign and old.strip() and new.strip() for old, sign, new in pairs):
        raise EmofuseError(
            f"corpus image-folder: labels={labels} is neither folders, usual nor happy=joy,sad=sadness"
        )
    return {old.strip().lower(): new.strip() for old, _, new in pairs}


def _pattern(speaker: str | None) -> re.Pattern[str] | None:
    try:
        return None if speaker is None else re.compile(speaker)
    except re.error as error:
        raise EmofuseError(
            f"corpus image-folder: speaker={speaker} is no regular expression ({error})"
        ) from None
