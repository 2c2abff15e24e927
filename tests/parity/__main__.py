"""Prints how far our outputs are from those of published implementations; fails above 1e-5."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.parity.loader import TOLERANCE, ParityFile, differences


def main() -> int:
    """Compare each file that is named."""
    worst = 0.0
    for name in sys.argv[1:]:
        for output, difference in differences(ParityFile.read(Path(name))).items():
            print(f"{Path(name).name}: {output}: {difference:.1e}")
            worst = max(worst, difference)
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
