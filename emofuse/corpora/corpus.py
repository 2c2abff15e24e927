"""What a reader makes of a published corpus: a manifest, and what became of everything else."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.git_lfs import is_lfs_pointer
from emofuse.data.manifest import Manifest
from emofuse.data.manifest_columns import PATH_COLUMNS
from emofuse.data.nearest_names import is_meant
from emofuse.data.paths import ContainedPaths
from emofuse.data.quarantine import QuarantineEntry
from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class Published:
    """How large a corpus is by its publishers or by the literature.

    Attributes:
        source: who says so.
        utterances: split → utterances; ``"all"`` where the count is of the whole corpus.
        dialogues: number of dialogues.
        speakers: number of speakers.
    """

    source: str
    utterances: Mapping[str, int]
    dialogues: int | None = None
    speakers: int | None = None


@dataclass(frozen=True)
class Corpus:
    """A corpus as its reader found it.

    Attributes:
        manifest: its utterances, not validated yet.
        left_out: reason → utterances that are not in the manifest.
        set_aside: media that are not used, though their utterances may be.
        notes: what had to be mended, chosen or guessed.
        published: what the corpus should hold; None where nobody says.
        expected_seconds: utterance → how long its clip should be, where the corpus says; a clip that is
            much longer was cut wrongly.
    """

    manifest: Manifest
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    set_aside: tuple[QuarantineEntry, ...] = ()
    notes: tuple[str, ...] = ()
    published: Published | None = None
    expected_seconds: Mapping[str, float] = field(default_factory=dict)


def corpus_manifest(rows: Sequence[Mapping[str, Any]], root: Path, name: str) -> Manifest:
    """A manifest of a reader's rows, whose paths are relative to the corpus's folder.

    Raises:
        EmofuseError: there are none, so that the folder cannot be the corpus.
    """
    if not rows:
        raise EmofuseError(
            f"{root}: holds nothing of {name} that could be used; name the corpus's own folder"
        )
    return Manifest.from_frame(pd.DataFrame(list(rows)), root)


def files_in(folder: Path, root: Path, suffixes: Collection[str]) -> dict[str, str]:
    """Stem → path from ``root`` of the files of a folder with one of the suffixes.

    Names that begin with a dot are ignored: archives packed on a Mac hold a ``._`` twin of every file.
    """
    if not folder.is_dir():
        return {}
    at = Path(os.path.relpath(folder, root))
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    paths = [at / name for name in names if not name.startswith(".")]
    return {path.stem: path.as_posix() for path in paths if path.suffix.lower() in suffixes}


def first_folder(candidates: Sequence[Path]) -> Path | None:
    """The first of some folders that exists."""
    return next((folder for folder in candidates if folder.is_dir()), None)


def refuse_only_pointers(manifest: Manifest, root: Path) -> None:
    """See that a corpus with recordings has one that Git LFS has downloaded.

    Raises:
        EmofuseError: every recording is a pointer.
    """
    contained = ContainedPaths(manifest.root)
    media = manifest.frame[list(PATH_COLUMNS)].to_numpy().ravel()
    paths = list(dict.fromkeys(path for path in media if path is not None))
    # One file of its own ends the search.
    if paths and all(
        contained.refusal(path) is None and is_lfs_pointer(manifest.root / path) for path in paths
    ):
        raise only_pointers(root, len(paths))


def only_pointers(root: Path, count: int) -> EmofuseError:
    """What is wrong with a corpus that was cloned without Git LFS."""
    return EmofuseError(
        f"{root}: holds Git LFS pointers in place of all recordings ({count}): the files themselves were not downloaded; run "
        "`git lfs pull` there"
    )


def require_choice(corpus: str, option: str, value: str, choices: Sequence[str]) -> None:
    """Make sure that an option has one of its values.

    Raises:
        EmofuseError: it has not; the message names them.
    """
    if value not in choices:
        raise EmofuseError(
            f"corpus {corpus}: {option}={value} is none of {', '.join(choices)}{is_meant(str(value), choices)}"
        )
