"""Which files are manifests, by their names; nothing of them is read."""

from __future__ import annotations

from pathlib import Path

MANIFEST_SUFFIXES = (".csv", ".jsonl", ".parquet")


def is_manifest_file(path: Path) -> bool:
    """Whether a file is a manifest by its suffix."""
    return path.suffix.lower() in MANIFEST_SUFFIXES


def manifests_in(folder: Path) -> list[Path]:
    """The manifests of a folder that `prepare` or `import` has made: ``manifest.csv`` and the like."""
    return [path for suffix in MANIFEST_SUFFIXES if (path := folder / f"manifest{suffix}").is_file()]
