"""Recipes and systems as a command line names them: a misspelt one is told with the nearest, not with all."""

from __future__ import annotations

from pathlib import Path

from emofuse.data.nearest_names import is_meant
from emofuse.errors import EmofuseError


def recipe_file(name: str | Path) -> Path:
    """The file of a recipe, by its path or its name.

    Raises:
        EmofuseError: there is none.
    """
    from emofuse.recipes import find_recipe, list_recipes

    names = list_recipes()
    if not Path(name).is_file() and str(name) not in names:
        raise EmofuseError(
            f"{name}: no such recipe{is_meant(str(name), names, most=3)}; `emofuse models --recipes` lists them; "
            "or give a YAML file"
        )
    return find_recipe(name)


def check_system(name: str) -> None:
    """See that there is a system of this name.

    Raises:
        EmofuseError: there is none, or it cannot be loaded.
    """
    from emofuse.models import list_models, model_info

    try:
        model_info(name)
    except EmofuseError:
        names = [info.name for info in list_models()]
        if name in names:
            raise
        raise EmofuseError(
            f"there is no model named {name!r}{is_meant(name, names, most=3)}; `emofuse models` lists them"
        ) from None
