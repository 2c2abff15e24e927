"""The papers' settings as files: one YAML per system and corpus, runnable as they are."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from emofuse.errors import EmofuseError


def list_recipes() -> list[str]:
    """Names of the recipes that come with emofuse, as ``system/corpus``."""
    root = Path(str(files(__package__)))
    return sorted(file.relative_to(root).with_suffix("").as_posix() for file in root.glob("*/*.yaml"))


def find_recipe(name_or_path: str | Path) -> Path:
    """A recipe's file: a path as it is, or the name of one that comes with emofuse.

    Raises:
        EmofuseError: there is no such file and no such name.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if str(name_or_path) in list_recipes():
        return Path(str(files(__package__))) / f"{name_or_path}.yaml"
    raise EmofuseError(
        f"{name_or_path}: no such recipe; give a YAML file, or one of {', '.join(list_recipes())}"
    )
