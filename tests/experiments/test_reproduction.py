import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.cross_validation import folds
from emofuse.experiments.reproduction import (
    Reproduction,
    published_scores,
    reproduce_deepmsi_mer,
    reproduction_tables,
    write_reproduction,
)
from emofuse.experiments.reproduction.published import AVERAGE
from emofuse.experiments.reproduction.tables import flat_rows
from emofuse.runs.corpus import Progress
from emofuse.training.fit import fit_run
from tests.small_corpus import small_settings


def silent() -> nullcontext[Progress]:
    return nullcontext(lambda done, total, what: None)


@pytest.fixture(scope="module", autouse=True)
def no_pages() -> Iterator[None]:
    """The page of every single fold is drawn in the tests of cross-validation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "write_run_report", lambda *arguments: None)
        yield


def run(corpus: Manifest, folder: Path, name: str = "demo", **options: object) -> Reproduction:
    settings = small_settings(corpus, optimiser__epochs=1, data__folds=3)
    return reproduce_deepmsi_mer(
        name,
        corpus,
        settings,
        folder,
        folds=2,
        open_progress=silent,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def found(no_pages: None, corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    return run(corpus, tmp_path_factory.mktemp("reproduced"))


def test_the_papers_figures_are_those_of_the_paper() -> None:
    happy = next(s for s in published_scores(1, "iemocap") if (s.method, s.label) == ("DeepMSI-MER", "happy"))
    assert (happy.accuracy, happy.f1) == (76.1, 86.2)
    fear = next(s for s in published_scores(2, "meld") if (s.method, s.label) == ("DeepMSI-MER", "fear"))
    assert (fear.accuracy, fear.f1) == (13.8, 22.1)
    assert [s.modalities for s in published_scores(3, "meld")] == ["T", "A", "T+V", "A+V", "T+A+V"]
    assert published_scores(3, "iemocap")[2].accuracy == 78.46
    assert len({s.method for s in published_scores(1, "iemocap")}) == 13
    assert len({s.method for s in published_scores(2, "meld")}) == 11
    assert published_scores(1, "meld") == []


def test_the_papers_class_f1_is_two_acc_by_one_plus_acc() -> None:
    """What the docs say of it: it agrees up to the averaging over folds."""
    for table, corpus in ((1, "iemocap"), (2, "meld")):
        for score in published_scores(table, corpus):
            if score.method == "DeepMSI-MER" and score.label != AVERAGE:
                accuracy = score.accuracy / 100
                assert score.f1 == pytest.approx(200 * accuracy / (1 + accuracy), abs=2.3)


def test_every_row_of_table_three_is_a_cross_validation(found: Reproduction) -> None:
    rows = [(row.modalities, row.protocol, len(row.outcome.folds)) for row in found.rows]
    random = [(name, "random-kfold", 2) for name in ("T", "A", "T+V", "A+V", "T+A+V")]
    assert rows == [*random, ("T+A+V", "speaker", 3)]
    for row in found.rows:
        record = row.outcome.folds[0].folder.read_record()
        used = {"T": "text", "A": "audio", "V": "video"}
        assert record.model_config_["modalities"] == [used[c] for c in ("T", "A", "V") if c in row.modalities]
        assert (row.outcome.folder / "report.html").exists()


def test_the_tables_hold_the_means_over_folds_in_both_definitions(found: Reproduction) -> None:
    classes, modalities = reproduction_tables(found)
    assert classes.columns[:3] == ("Method", "anger Acc.", "anger F1")
    outcome = next(r for r in found.rows if (r.modalities, r.protocol) == ("T+A+V", "random-kfold")).outcome
    reports = [fold.report for fold in outcome.folds]
    within = 100 * np.nanmean([report.per_class["joy"].f1_within_class for report in reports])  # type: ignore
    ordinary = 100 * np.nanmean([report.per_class["joy"].f1 for report in reports])  # type: ignore
    place = classes.columns.index("joy F1")
    assert classes.rows[0][place].text == f"{within:.1f}"
    assert classes.rows[1][place].text == f"{ordinary:.1f}"
    assert [row[0].text for row in modalities.rows] == ["T", "A", "T+V", "A+V", "T+A+V", "T+A+V"]
    average = 100 * np.mean([report.weighted_f1 for report in reports])  # type: ignore
    assert modalities.rows[4][5].text.startswith(f"{average:.2f} ± ")
    assert "†" in modalities.rows[4][5].flags
    assert "†" not in modalities.rows[5][5].flags


def test_the_papers_rows_stand_beside_ours_where_the_classes_mean_the_same(
    corpus: Manifest, found: Reproduction
) -> None:
    meld = Reproduction("meld", found.folder, found.labels, found.rows, {})
    classes, modalities = reproduction_tables(meld)
    assert classes.rows[0][0].text == "bc-LSTM (published)"
    assert "surprise F1" in classes.columns
    ours = classes.rows[-1]
    assert ours[classes.columns.index("surprise F1")].text == "–"  # the corpus has no such class
    assert ours[classes.columns.index("joy F1")].text != "–"
    assert modalities.rows[0][2].text == "65.25"
    assert modalities.rows[5][2].text == "–"  # the paper has no honest protocol
    iemocap = reproduction_tables(Reproduction("iemocap", found.folder, found.labels, found.rows, {}))[0]
    assert iemocap.rows[-1][iemocap.columns.index("happy F1")].text != "–"


def test_files_are_written_and_can_be_read(found: Reproduction, tmp_path: Path) -> None:
    written = write_reproduction(found, tmp_path)
    assert {file.name for file in written} == {
        "tables.md",
        "tables.html",
        "tables.tex",
        "table.csv",
        "results.json",
    }
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == len(flat_rows(found))
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["failures"] == []


def test_it_goes_on_where_it_was_and_names_what_failed(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(settings, *arguments, **options):  # type: ignore[no-untyped-def]
        if settings.data.fold == 1:
            raise RuntimeError("power cut")
        return fit_run(settings, *arguments, **options)

    options = {"sets": ["T"], "honest": False}
    with monkeypatch.context() as patch:
        patch.setattr(folds, "fit_run", breaks)
        broken = run(corpus, tmp_path, **options)
    assert broken.failures == ["T, random-kfold, fold 1: RuntimeError: power cut"]
    assert "power cut" in reproduction_tables(broken)[1].notes[-1]
    mended = run(corpus, tmp_path, **options)
    assert mended.failures == []


def test_what_the_corpus_lacks_is_left_out_and_said(corpus: Manifest, tmp_path: Path) -> None:
    silent_corpus = Manifest.from_frame(corpus.frame.assign(video=None), corpus.root)
    found = run(silent_corpus, tmp_path)
    assert [row.modalities for row in found.rows] == ["T"]
    assert found.left_out["T+A+V"] == "the corpus has no audio, video"
    assert "T+V is left out: the corpus has no video." in reproduction_tables(found)[1].notes


def test_a_row_that_table_three_does_not_have_is_refused(corpus: Manifest, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="has no row V"):
        run(corpus, tmp_path, sets=["V"])
