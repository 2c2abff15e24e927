"""What the columns and files of somebody's tables are, recognised by the names that such things usually have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType

import pandas as pd

from emofuse.corpora.table_mapping import MAP_EXAMPLE, MAPPED_COLUMNS, MODALITY_COLUMNS, TableMapping
from emofuse.data.manifest_columns import SPLIT_ALIASES, SPLITS
from emofuse.data.wording import column_names, first_few
from emofuse.errors import EmofuseError

# Written without case and punctuation: Utterance_ID is "utteranceid".
USUAL_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("id", "uttid", "utterancename", "sampleid", "segmentid", "clipname"),
        "dialogue": ("dialogue", "dialogueid", "dialog", "dialogid", "conversation", "conversationid"),
        "turn": ("turn", "turnid", "utteranceid", "utterancenumber"),
        "speaker": ("speaker", "speakerid", "speakername", "character", "actor", "actorid"),
        "text": ("text", "utterance", "transcript", "transcription", "sentence", "rawtext", "words"),
        "video": ("video", "videopath", "videofile", "clip", "clippath"),
        "audio": ("audio", "audiopath", "audiofile", "wav", "wavpath", "wavfile", "sound"),
        "start": ("start", "starttime", "begin", "onset"),
        "end": ("end", "endtime", "stop", "offset"),
        "label": ("label", "emotion", "emotionlabel", "class", "category"),
        "valence": ("valence", "sentimentscore"),
        "split": ("split", "subset", "partition", "mode"),
        "group": ("group", "session", "film", "show"),
    }
)
FILE_NAMES = ("file", "path", "filename", "filepath")
VIDEO_SUFFIXES = (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
_SPLIT_NAMES = {*SPLITS, *SPLIT_ALIASES}
AUDIO_SUFFIXES = (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav")


def mapping_by_names(
    tables: Mapping[str, pd.DataFrame], ignored: Collection[str] = ()
) -> tuple[TableMapping, str]:
    """The mapping of tables whose columns have the names that a manifest's have.

    Args:
        tables: by the names that messages call them; columns that all of them have are taken.
        ignored: columns that are not taken.

    Returns:
        The mapping, and a note of what is taken and what is not.

    Raises:
        EmofuseError: there is no text, video or audio among these columns; the line says what ``--map`` could be.
    """
    name, first = next(iter(tables.items()))
    shared = set(map(str, first)).intersection(*(map(str, frame) for frame in tables.values())) - {*ignored}
    taken = {column: column for column in MAPPED_COLUMNS if column in shared}
    if not any(column in taken for column in MODALITY_COLUMNS):
        try:
            example = f"--map {guess_mapping(first, name)[1]}"
        except EmofuseError:
            example = MAP_EXAMPLE
        raise EmofuseError(
            f"{name}: its columns are {column_names(first)}; say which column is what with --map, as in {example}"
        )
    others = [column for column in map(str, first) if column not in taken]
    left = f"; not taken: {first_few(others)}" if others else ""
    return TableMapping(taken), f"columns taken by their names: {', '.join(taken)}{left}"


def guess_mapping(frame: pd.DataFrame, name: str) -> tuple[TableMapping, str]:
    """Tell the columns of a table by their names, and files by their suffixes.

    Times are taken only beside media: without these they are times of something else.

    Args:
        frame: the table.
        name: how messages call it.

    Returns:
        The mapping, and the same as ``--map`` would take it.

    Raises:
        EmofuseError: no column looks like text, video or audio.
    """
    plain = {
        "".join(filter(str.isalnum, str(column).lower())): str(column) for column in reversed(list(frame))
    }
    columns: dict[str, str] = {}
    for target, usual in USUAL_NAMES.items():
        found = next((plain[usual_name] for usual_name in usual if usual_name in plain), None)
        if found is not None:
            columns[target] = found
    for usual_name in FILE_NAMES:
        medium = _medium(frame[plain[usual_name]]) if usual_name in plain else None
        if medium is not None:
            columns.setdefault(medium, plain[usual_name])
    if not {"video", "audio"} & set(columns):
        columns.pop("start", None)
        columns.pop("end", None)
    if "dialogue" not in columns:
        columns.pop("turn", None)
    if "split" in columns and not set(frame[columns["split"]].dropna()) <= _SPLIT_NAMES:
        del columns["split"]
    if not any(column in columns for column in MODALITY_COLUMNS):
        raise EmofuseError(
            f"{name}: none of its columns ({column_names(frame)}) is known as text, video or audio; "
            f"say which is what, as in {MAP_EXAMPLE}"
        )
    return TableMapping(columns), ",".join(f"{ours}={theirs}" for ours, theirs in columns.items())


def _medium(cells: pd.Series) -> str | None:
    suffixes = [PurePath(cell).suffix.lower() for cell in cells.dropna() if isinstance(cell, str)]
    for medium, known in (("video", VIDEO_SUFFIXES), ("audio", AUDIO_SUFFIXES)):
        if suffixes and all(suffix in known for suffix in suffixes):
            return medium
    return None


def guess_splits(tables: Sequence[Path]) -> dict[str, list[Path]] | None:
    """Split → tables, if the name of each begins with one, as in ``dev_sent_emo.csv``; else None."""
    names = {**{split: split for split in SPLITS}, **SPLIT_ALIASES}
    found: dict[str, list[Path]] = {}
    for table in tables:
        words = "".join(c if c.isalnum() else " " for c in table.stem.lower()).split()
        split = names.get(words[0]) if words else None
        if split is None:
            return None
        found.setdefault(split, []).append(table)
    return found
