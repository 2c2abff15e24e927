"""A run folder that an earlier version wrote, before the rooms had their present names, opens and says the same."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from emofuse.inference.evaluate import evaluate_fit
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.run_folder import RunFolder
from tests.small_runs import text_corpus

EARLIER = Path(__file__).parent / "earlier_run"
# What that version said: anger, joy, sadness.
SAID = {
    "what a wonderful day": [0.132481, 0.502147, 0.365372],
    "nobody came": [0.057583, 0.507141, 0.435276],
    "how dare you": [0.251765, 0.200872, 0.547363],
}


def test_it_predicts_what_it_did() -> None:
    pipe = EmotionPipeline.from_pretrained(EARLIER)
    for text, probabilities in SAID.items():
        [segment] = pipe(text=text)
        assert [*segment.probabilities] == ["anger", "joy", "sadness"]
        assert [*segment.probabilities.values()] == pytest.approx(probabilities, abs=2e-6)


def test_it_is_evaluated_on_its_corpus_with_the_scores_that_it_had(tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path)
    run = RunFolder(Path(shutil.copytree(EARLIER, tmp_path / "run")))
    run.write_settings(run.read_settings().with_changes({"data.manifest": str(tmp_path / "manifest.csv")}))
    outcome = evaluate_fit(RunFolder.open(run.path), corpus)
    before = json.loads((EARLIER / "metrics.json").read_text())
    assert outcome.test.weighted_f1 == pytest.approx(before["test"]["weighted_f1"], abs=1e-9)
    columns = ["id", "part", "predicted", "p_anger", "p_joy", "p_sadness"]
    said, say = (pd.read_parquet(place / "predictions.parquet")[columns] for place in (EARLIER, run.path))
    pd.testing.assert_frame_equal(said, say, atol=1e-6)
