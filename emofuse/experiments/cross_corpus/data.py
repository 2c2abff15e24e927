"""What a run is to be scored on, as the user names it: a manifest, its folder, or a published feature file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

from emofuse.data.atomic import kept_if_complete
from emofuse.data.manifest import Manifest
from emofuse.data.manifest_files import is_manifest_file, manifests_in
from emofuse.errors import EmofuseError
from emofuse.features.importers import Pooling, import_features, style_of
from emofuse.runs.corpus import corpus_file
from emofuse.runs.modalities import IMPORTED
from emofuse.runs.run_folder import RunFolder


def open_data(folder: RunFolder, path: Path) -> Manifest:
    """The corpus at ``path``.

    A feature file is imported into the run folder, in the style of those that the run was trained on, or for a
    run that reads its words alone in the first style that takes the file.

    Args:
        folder: of the run.
        path: a manifest, a folder with one, or a feature file.

    Raises:
        EmofuseError: it is none of these, or holds nothing that the run reads.
    """
    if manifests_in(path) or is_manifest_file(path) or not path.exists():
        return Manifest.read(corpus_file(path)).validate()
    style, pooling = _style(folder, path)
    features = folder.inside("evaluations", f"{path.stem}-{_content(path)[:12]}", "features")
    target = features.parent / "manifest.csv"
    with kept_if_complete(features):
        manifest, _, _ = import_features(path, style, features, pooling=pooling)
        manifest.validate().write(target)
    return Manifest.read(target)


def _style(folder: RunFolder, path: Path) -> tuple[str, Pooling]:
    """In which style a feature file is read, and what is kept of its steps."""
    record = folder.read_record()
    imported = [part.identity for part in record.encoders.values() if part.spec.name == IMPORTED]
    if imported:
        return imported[0].name.partition("/")[0], cast(Pooling, imported[0].pooling)
    if list(record.model_config_["modalities"]) != ["text"]:
        raise EmofuseError(
            f"{path}: no manifest (.csv, .jsonl, .parquet), and this run was not trained on imported features; "
            "make a manifest with `emofuse prepare`"
        )
    style = style_of(path)
    if style is None:
        raise EmofuseError(
            f"{path}: no manifest (.csv, .jsonl, .parquet), and no feature file of a known style; make a manifest "
            "with `emofuse prepare`"
        )
    return style, "mean"


def _content(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
