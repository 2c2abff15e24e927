"""What a corpus of values is told where classes were asked for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of


@pytest.mark.parametrize(
    ("system", "advice"),
    [
        ("dialogue-rnn", "for the column valence ask for --task regression"),
        ("cfn-esa", "choose a system that does regression, which CFN-ESA does not"),
    ],
)
def test_a_corpus_of_values_is_told_how_it_can_be_learnt(system: str, advice: str, tmp_path: Path) -> None:
    values = Manifest.from_frame(
        pd.DataFrame({"id": ["a", "b"], "text": ["Yes.", "No."], "valence": [1, -1]}), tmp_path
    )
    with pytest.raises(EmofuseError, match=advice):
        task_of(RunSettings().with_changes({"model.name": system}), values)
