"""Splits as others hand them on: one file, a list per part, ids of dialogues, a column of the manifest."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.data.manifest import Manifest
from emofuse.data.manifest_columns import SPLIT_ALIASES
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.protocol_info import PARTS, USUAL_FOLDS, Split
from emofuse.evaluation.protocols.split_files import read_split_file


def read_published_split(given: str) -> Split:
    """Read a split from a file (see :func:`read_split_file`), or from a list of ids per part.

    Args:
        given: a ``.json`` or ``.csv`` file, or ``train=a.txt,dev=b.txt,test=c.txt``, where each text file
            holds one id per line.

    Raises:
        EmofuseError: a file cannot be read, or a part is none of train, val and test.
    """
    if "=" not in given or Path(given).exists():
        return read_split_file(given)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for pair in given.split(","):
        name, sign, file = (piece.strip() for piece in pair.partition("="))
        part = SPLIT_ALIASES.get(name.lower(), name.lower())
        if not (sign and file and part in parts):
            raise EmofuseError(f"--split {pair!r}: write train=FILE,val=FILE,test=FILE, or name one file")
        parts[part] += _ids(Path(file))
    if not any(parts.values()):
        raise EmofuseError(f"--split {given}: the lists hold no ids")
    return Split(**parts)


def _ids(path: Path) -> list[str]:
    refuse_lfs_pointer(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise EmofuseError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise EmofuseError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    return [line.strip() for line in lines if line.strip()]


def split_of_column(manifest: Manifest, name: str = "the manifest") -> Split:
    """The parts that the manifest's column ``split`` names, as they stand.

    Args:
        manifest: the corpus.
        name: of its file, for the message.

    Raises:
        EmofuseError: it names fewer than two of them.
    """
    frame = manifest.frame
    split = Split(*(frame.loc[frame["split"] == part, "id"].tolist() for part in PARTS))
    if sum(bool(ids) for ids in split) < 2:
        raise EmofuseError(
            f"{name}: its column split names fewer than two parts; audit what training would make with "
            f"--protocol {_advised_protocol(frame)}, or a split of yours with --split FILE"
        )
    return split


def _advised_protocol(frame: pd.DataFrame) -> str:
    """Speakers are kept apart where each of the three parts can have one of its own; dialogues otherwise."""
    speakers = frame.loc[frame["label"].notna() | frame["valence"].notna(), "speaker"]
    count = speakers.nunique()
    if speakers.isna().any() or count < len(PARTS):
        return "dialogue"
    return "speaker" if count >= USUAL_FOLDS else f"speaker --folds {count}"


def expand_to_utterances(split: Split, manifest: Manifest) -> Split:
    """A split whose ids are dialogues or videos, as many are published, with their utterances instead.

    A split that names any utterance of the manifest is left as it is.
    """
    named = set().union(*split)
    frame = manifest.frame
    if named & set(frame["id"]) or not named & set(frame["dialogue"]):
        return split
    members = frame.groupby("dialogue", sort=False)["id"].agg(list).to_dict()
    return Split(*([id for name in part for id in members.get(name, [name])] for part in split))
