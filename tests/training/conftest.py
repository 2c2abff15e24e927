from pathlib import Path

import pytest

from emofuse.data.manifest import Manifest
from tests.small_corpus import make_corpus


@pytest.fixture(scope="package")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder: Path = tmp_path_factory.mktemp("corpus with ümlaut")
    return make_corpus(folder)
