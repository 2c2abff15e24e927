"""A small run of sound, pictures and words."""

import pytest

from emofuse.data.manifest import Manifest
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_corpus import make_corpus, small_settings


@pytest.fixture(scope="module")
def media_corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def media_run(media_corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    settings = small_settings(media_corpus, optimiser__epochs=1)
    return fit_run(settings, media_corpus, tmp_path_factory.mktemp("runs") / "private" / "small")
