"""The corpora that can be read by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emofuse.corpora.corpus import Corpus, refuse_only_pointers
from emofuse.corpora.crema_d import read_crema_d
from emofuse.corpora.emodb import read_emodb
from emofuse.corpora.fer2013 import read_fer2013
from emofuse.corpora.iemocap import read_iemocap
from emofuse.corpora.image_folder import read_image_folder
from emofuse.corpora.meld import read_meld
from emofuse.corpora.mosi import read_ch_sims, read_mosei, read_mosi
from emofuse.corpora.ravdess import read_ravdess
from emofuse.corpora.table_files import TABLE_SUFFIXES, read_table_file
from emofuse.corpora.table_guess import guess_mapping, guess_splits
from emofuse.corpora.table_mapping import TableMapping, parse_map, parse_splits
from emofuse.corpora.tables import DialogueScope, manifest_from_tables
from emofuse.data.manifest import Manifest
from emofuse.data.manifest_files import manifests_in
from emofuse.data.nearest_names import is_meant
from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class CorpusInfo:
    """A kind of corpus: its name, what its folder holds, and the options of its reader."""

    name: str
    what: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class _Reader:
    what: str
    read: Callable[..., Corpus]

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.read).parameters)[1:]


def read_prepared(root: Path) -> Corpus:
    """The manifest of a folder that has one, or the manifest file itself.

    Raises:
        EmofuseError: the folder has none or several.
    """
    if root.is_file():
        return Corpus(Manifest.read(root))
    found = manifests_in(root)
    if len(found) != 1:
        has = f"has {' and '.join(path.name for path in found)}" if found else "has no manifest"
        raise EmofuseError(f"{root}: {has}; name one manifest file, or make one with `emofuse prepare`")
    return Corpus(Manifest.read(found[0]))


def read_tables(
    root: Path,
    map: str | TableMapping | None = None,
    split: str | None = None,
    dialogue_scope: DialogueScope | None = None,
) -> Corpus:
    """The tables of a folder, or one table file; see :func:`emofuse.corpora.tables.manifest_from_tables`.

    Args:
        root: folder or file.
        map: as in ``text=Utterance,label=Emotion``; without it the columns are recognised by their usual names,
            and the notes say how.
        split: as in ``train=train.csv,val=dev.csv``, from the folder; without it all tables in the folder
            are read, in the order of their names, and are parts of the corpus where each is named like one
            (``train.csv``, ``dev_sent_emo.csv``).
        dialogue_scope: within what a dialogue's name means one dialogue.

    Raises:
        EmofuseError: there is no table, or it lacks a column.
    """
    folder = root if root.is_dir() else root.parent
    parts: dict[str, list[Path]] | None = None
    if split is not None:
        parts = {name: [folder / path for path in paths] for name, paths in parse_splits(split).items()}
    tables = _tables_in(root) if parts is None else [path for paths in parts.values() for path in paths]
    notes = []
    if map is None:
        mapping, guessed = guess_mapping(read_table_file(tables[0]).raw.frame, str(tables[0]))
        notes.append(f"columns recognised by their names: {guessed}; say otherwise with map=")
    else:
        mapping = parse_map(map) if isinstance(map, str) else map
    if parts is None and "split" not in mapping.columns:
        parts = guess_splits(tables)
    manifest, summary = manifest_from_tables(parts or tables, mapping, folder, dialogue_scope=dialogue_scope)
    return Corpus(manifest, summary.dropped, notes=(*notes, *summary.notes))


def _tables_in(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    own = {*manifests_in(root), root / "quarantine.csv"}  # what preparing a folder leaves in it
    tables = sorted(
        path
        for path in root.iterdir()
        if path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith((".", "~$")) and path not in own
    )
    if not tables:
        raise EmofuseError(
            f"{root}: has no table; put one in ({', '.join(TABLE_SUFFIXES)}) or name another folder"
        )
    return tables


_READERS: Mapping[str, _Reader] = MappingProxyType(
    {
        "prepared": _Reader("a folder with a manifest in it", read_prepared),
        "tables": _Reader(
            "a folder with CSV, TSV, JSON lines, Parquet or Excel tables of any columns", read_tables
        ),
        "meld": _Reader("MELD: dialogues of the series Friends, seven emotions", read_meld),
        "iemocap": _Reader("IEMOCAP: dialogues of ten actors, six or four emotions", read_iemocap),
        "mosi": _Reader("CMU-MOSI: opinions on films, sentiment -3..3", read_mosi),
        "mosei": _Reader("CMU-MOSEI: opinions on anything, sentiment -3..3", read_mosei),
        "ch-sims": _Reader("CH-SIMS: Chinese films and shows, sentiment -1..1", read_ch_sims),
        "crema-d": _Reader("CREMA-D: 91 actors, 12 sentences, six emotions", read_crema_d),
        "fer2013": _Reader("FER2013: faces from a picture search, seven emotions", read_fer2013),
        "image-folder": _Reader("pictures in folders named after their emotions", read_image_folder),
        "emodb": _Reader("EmoDB: ten actors, ten German sentences, seven emotions", read_emodb),
        "ravdess": _Reader("RAVDESS: 24 actors, two sentences, eight emotions", read_ravdess),
    }
)


def list_corpora() -> list[CorpusInfo]:
    """The corpora that :func:`load_corpus` knows, by name."""
    return [CorpusInfo(name, reader.what, reader.options) for name, reader in sorted(_READERS.items())]


def read_corpus(name: str, root: Path | str, **options: Any) -> Corpus:
    """Read a corpus as its publishers ship it, with what became of whatever is not in its manifest.

    Args:
        name: one of :func:`list_corpora`.
        root: its folder.
        options: of its reader.

    Raises:
        EmofuseError: there is no such corpus, option or folder, the folder is not in its layout, or its recordings are
            pointers of Git LFS.
    """
    reader = _READERS.get(name)
    if reader is None:
        raise EmofuseError(
            f"there is no corpus {name!r}{is_meant(name, list(_READERS))}; there are {', '.join(_READERS)}"
        )
    root = Path(root)
    if not root.exists():
        raise EmofuseError(f"{root}: there is no such folder")
    try:
        inspect.signature(reader.read).bind(root, **options)
    except TypeError as error:
        known = f"its options are {', '.join(reader.options)}" if reader.options else "it has no options"
        raise EmofuseError(f"corpus {name}: {error}; {known}") from None
    corpus = reader.read(root, **options)
    refuse_only_pointers(corpus.manifest, root)
    return corpus


def load_corpus(name: str, root: Path | str, **options: Any) -> Manifest:
    """Read a corpus as its publishers ship it; the arguments are those of :func:`read_corpus`.

    Returns:
        Its manifest, not validated yet.

    Raises:
        EmofuseError: there is no such corpus, option or folder, or the folder is not in its layout.
    """
    return read_corpus(name, root, **options).manifest
