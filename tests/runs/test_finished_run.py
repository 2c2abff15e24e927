"""A run that is killed while its end is written is taken up to the same end."""

from pathlib import Path
from typing import Any

import pytest

from emofuse.inference.best_test_epoch import best_test_epoch
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_runs import text_corpus, text_settings


@pytest.mark.parametrize("written", [False, True], ids=["before the weights", "after the weights"])
def test_a_kill_around_the_weights_leaves_a_run_that_resumes_to_its_best_epoch(
    tmp_path: Path, written: bool
) -> None:
    corpus = text_corpus(tmp_path, dialogues=9)
    settings = text_settings(corpus, optimiser__epochs=2, test_scores=True)
    save = RunFolder.save_weights

    def power_cut(self: RunFolder, model: Any) -> None:
        if written:
            save(self, model)
        raise RuntimeError("power cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "save_weights", power_cut)
        with pytest.raises(RuntimeError, match="power cut"):
            fit_run(settings, corpus, tmp_path / "run")
    run = fit_run(settings, corpus, tmp_path / "run", resume=True)
    record = run.read_record()
    assert record.status == "fitted"
    assert record.best_epoch is not None
    assert record.fit_seconds is not None
    found = best_test_epoch(run)
    assert found is not None
    assert found.chosen_epoch == record.best_epoch
