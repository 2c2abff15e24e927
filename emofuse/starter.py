"""The starter: a run that knows real people, in a package of its own because of its licence."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from emofuse.errors import EmofuseError

STARTER = "starter"
STARTER_LICENCE = "cc-by-nc-sa-4.0"
LICENCE = (
    "The starter learnt voices from RAVDESS (CC BY-NC-SA 4.0): not for commercial use, and never to judge people; "
    "its README says what it cannot do."
)
_MODULE = "emofuse_starter"


def is_starter_installed() -> bool:
    """Whether its package is there."""
    return find_spec(_MODULE) is not None


def starter_folder() -> Path:
    """The starter's run folder.

    Raises:
        EmofuseError: the package is not installed.
    """
    spec = find_spec(_MODULE)
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    if not places:
        raise EmofuseError(
            "no run was named, and the starter is not installed: `pip install ./starter` in a clone of emofuse, or "
            "name a run folder that `emofuse train` made; `--experts` needs none with `--no-starter`"
        )
    return Path(places[0]) / "run"
