import importlib
import importlib.metadata
import sys
import warnings

import pytest

import emofuse
from emofuse.moved_modules import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_import_paths_of_earlier_versions_lead_to_the_modules_of_today(old: str) -> None:
    new = importlib.import_module(MOVED[old])
    spec = new.__spec__
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=MOVED[old]):
        assert importlib.import_module(old) is new
    assert new.__spec__ is spec


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("emofuse.training.never")


def test_dir_shows_public_names_and_rooms() -> None:
    shown = dir(emofuse)
    assert set(emofuse.__all__) <= set(shown)
    assert {"nn", "losses", "evaluation", "models", "runs"} <= set(shown)
    assert not [name for name in shown if name.startswith("_") and not name.startswith("__")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in shown:
            assert getattr(emofuse, name) is not None


def test_the_version_is_that_of_the_package() -> None:
    assert emofuse.__version__ == importlib.metadata.version("emofuse")
