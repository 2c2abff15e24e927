from pathlib import Path

import pytest

from tests.parity.loader import TOLERANCE, ParityFile, differences

FOLDER = Path(__file__).parents[3] / "shared" / "parity"
FILES = sorted(FOLDER.glob("*.npz"))


@pytest.mark.skipif(not FILES, reason="../shared/parity is not here")
@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path.stem if path else "none")
def test_our_network_gives_what_the_published_one_gives(path: Path) -> None:
    for name, difference in differences(ParityFile.read(path)).items():
        assert difference < TOLERANCE, name
