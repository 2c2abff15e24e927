"""What is written is read again, whatever the texts hold, in every format."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emofuse.data.manifest import COLUMNS, Manifest

CHARACTERS = st.characters(exclude_categories=["Cs"])
QUOTING = ['"', '""', ",", "\n", "\r", "\r\n", "\t", " a ", "'", "\\", "\\n", ";", "{}", "[1]", "#", "=1+1"]
NOTHINGS = ["NA", "null", "nan", "None", "1.0", "007", "true"]
SIGNS = ["😀", "é", "e\u0301", "日本語", "\u2028", "\x85", "\ufeff", "\0"]
AWKWARD = st.sampled_from([*QUOTING, *NOTHINGS, *SIGNS])
TEXTS = st.one_of(
    st.none(), AWKWARD, st.lists(AWKWARD, min_size=1).map("".join), st.text(CHARACTERS, min_size=1)
)
NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
ROWS = st.fixed_dictionaries(
    {
        "id": st.text(CHARACTERS, min_size=1),
        "dialogue": TEXTS,
        "turn": st.one_of(st.none(), st.integers(-(2**53) + 1, 2**53 - 1)),
        "speaker": TEXTS,
        "text": TEXTS,
        "video": st.one_of(
            st.none(), st.sampled_from(["clips/é.mp4", "a b.mp4", 'q".mp4', "日本/語.mp4", "a,b.mp4"])
        ),
        "audio": st.none(),
        "start": NUMBERS,
        "end": NUMBERS,
        "label": TEXTS,
        "valence": NUMBERS,
        "split": st.sampled_from([None, "train", "val", "test"]),
        "group": TEXTS,
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=6))
def test_round_trip(tmp_path: Path, suffix: str, rows: list[dict[str, Any]]) -> None:
    manifest = Manifest.from_frame(pd.DataFrame(rows, dtype=object), tmp_path)
    manifest.write(tmp_path / f"m{suffix}")
    again = Manifest.read(tmp_path / f"m{suffix}")
    pd.testing.assert_frame_equal(again.frame, manifest.frame, check_exact=True)
    assert again.fingerprint() == manifest.fingerprint()
    for before, after in zip(rows, again.frame.to_dict("records"), strict=True):
        for column in ("id", "speaker", "text", "label", "video"):
            assert after[column] == before[column]
    assert again._unreadable == []


def test_formats_follow_one_another(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {column: ["x"] for column in COLUMNS} | {"turn": [1], "start": [0.1], "end": [1e-300]}
    )
    first = Manifest.from_frame(frame.assign(valence=[1 / 3], split="test", more="y"), tmp_path)
    current = first
    for suffix in (".parquet", ".csv", ".jsonl", ".csv", ".parquet"):
        current.write(tmp_path / f"m{suffix}")
        current = Manifest.read(tmp_path / f"m{suffix}")
    pd.testing.assert_frame_equal(current.frame, first.frame, check_exact=True)
    assert current.fingerprint() == first.fingerprint()
