"""An encoder on a node that one row kills."""

import os
from collections.abc import Iterator
from typing import Any

from emofuse.cluster.extraction import _NodeEncoder

POISON = "d1t2"


class DyingEncoder(_NodeEncoder):
    """Dies over one row."""

    def _encode(self, wanted: dict[str, str]) -> Iterator[Any]:
        if POISON in wanted:
            os._exit(1)
        return super()._encode(wanted)
