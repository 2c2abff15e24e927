"""Recordings whose every turn is known, made once."""

from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.recordings.made import MadeRecording, make_recording


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> MadeRecording:
    """Half a minute of two people, with subtitles beside it; no test changes it."""
    return make_recording(tmp_path_factory.mktemp("film"), seconds=30)


@pytest.fixture(scope="session")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> MadeRecording:
    """Ten minutes of two people, with picture and subtitles; no test changes it."""
    return make_recording(tmp_path_factory.mktemp("ten"), seconds=600)


@pytest.fixture(scope="session")
def real_voices(tmp_path_factory: pytest.TempPathFactory) -> MadeRecording:
    """A minute of a real woman and a real man in turns, as sound alone and without subtitles."""
    voices = SHARED / "data" / "ravdess"
    if not voices.exists():
        pytest.skip(f"the shared material {voices} is not on this machine")
    folder: Path = tmp_path_factory.mktemp("real")
    return make_recording(folder, seconds=60, picture=False, subtitles=False, voices=voices)
