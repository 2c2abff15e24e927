"""The content of a manifest as one number, by which a run knows its corpus again.

It stands apart from `Manifest`: whoever changes a byte of it makes the corpus of every finished run another one.
"""

from __future__ import annotations

import hashlib
import json

import pandas as pd

from emofuse.data.manifest_columns import COLUMNS, CROP, FACE, NUMBER_COLUMNS
from emofuse.data.manifest_io import plain_values


def content_fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 (hex) of typed columns; see :meth:`emofuse.data.manifest.Manifest.fingerprint`."""
    digest = hashlib.sha256()
    more = [name for name in (CROP, FACE) if name in frame and frame[name].notna().any()]
    for column in (*COLUMNS, *more):
        cells = frame[column]
        if column in NUMBER_COLUMNS:
            cells = cells + 0.0  # one zero of the two
        # JSON keeps absence apart from any text, and writes floats in their shortest exact form.
        digest.update(json.dumps([column, plain_values(cells)]).encode("ascii"))
    return digest.hexdigest()
