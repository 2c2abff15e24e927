"""Tables 2 to 9 of MFCRE and 3 to 7 of CM-MSF, on a tiny corpus."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.cross_validation import folds
from emofuse.experiments.reproduction import (
    PLANS,
    PaperReproduction,
    comparison_runs,
    paper_rows,
    paper_runs,
    paper_tables,
    reproduce_paper,
    write_paper_reproduction,
)
from emofuse.models.registry import model_config
from emofuse.runs.corpus import Progress
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from tests.feature_file import emofuse, import_file, write_feature_file
from tests.small_runs import text_corpus, text_settings

MFCRE, CM_MSF = PLANS["mfcre"], PLANS["cm-msf"]
TINY = {"dim": 8, "ff_dim": 8, "heads": 2, "mu1": 0.4}


@pytest.fixture(scope="module", autouse=True)
def no_pages() -> Iterator[None]:
    """Drawing the page of every run takes longer than training it, and is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "write_run_report", lambda *arguments: None)
        patch.setattr(paper_runs, "write_cross_report", lambda *arguments, **options: None)
        yield


def silent() -> nullcontext[Progress]:
    return nullcontext(lambda done, total, what: None)


def run(plan: str, corpus: str, settings: RunSettings, folder: Path, **options: Any) -> PaperReproduction:
    assert settings.data.manifest is not None
    manifest = Manifest.read(settings.data.manifest).validate()
    return reproduce_paper(PLANS[plan], corpus, manifest, settings, folder, open_progress=silent, **options)


@pytest.fixture(scope="module")
def mfcre_settings(tmp_path_factory: pytest.TempPathFactory) -> RunSettings:
    corpus = text_corpus(tmp_path_factory.mktemp("words é"), joy="happiness")
    return text_settings(corpus, data__folds=2, model__name="mfcre", model__options=TINY, optimiser__epochs=1)


@pytest.fixture(scope="module")
def mfcre(mfcre_settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> PaperReproduction:
    return run("mfcre", "meld", mfcre_settings, tmp_path_factory.mktemp("mfcre"), tables=["3", "4"])


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> PaperReproduction:
    folder = tmp_path_factory.mktemp("values")
    corpus = import_file(write_feature_file(folder / "file.npz", dialogues=4), folder / "corpus", "tokens")
    settings = RunSettings().with_changes(
        {
            "data.manifest": str(corpus / "manifest.csv"),
            "data.protocol": "official",
            "data.workers": 0,
            "device": "cpu",
            "model.name": "cm-msf",
            "model.preset": "tiny",
            "model.task": "regression",
            "optimiser.epochs": 1,
        }
    )
    return run("cm-msf", "mosi", settings, folder / "tables", tables=["3", "5", "6"])


def printed(plan: str, number: str, corpus: str) -> dict[tuple[str, str], str]:
    table = next(t for t in PLANS[plan].tables if t.number == number)
    return {(f.row, f.column): f.value for f in PLANS[plan].printed(table, corpus)}


def test_the_papers_figures_are_those_of_the_papers() -> None:
    assert printed("mfcre", "2", "iemocap")["MFCRE", "excited"] == "80.23"
    assert printed("mfcre", "3", "meld")["MFCRE", "disgust"] == "38.67"
    assert printed("mfcre", "3", "meld")["HAUCL", "accuracy"] == "68.05"
    assert printed("mfcre", "4", "meld")["w/o MultiAttn", "weighted_f1"] == "64.22"
    assert printed("mfcre", "5", "meld")["τ = 1.1", "accuracy"] == "66.98"
    assert printed("mfcre", "8", "iemocap")["λ = 0.00001", "accuracy"] == "79.85"
    assert printed("mfcre", "9", "meld")["N = 8", "weighted_f1"] == "67.33"
    assert printed("cm-msf", "3", "mosi")["MISA", "acc2"] == "81.8/83.4"
    assert printed("cm-msf", "4", "mosei")["CM-MSF", "mae"] == "0.545"
    assert printed("cm-msf", "5", "mosi")["A+V", "mae"] == "1.03"
    assert printed("mfcre", "5", "iemocap") == {}


@pytest.mark.parametrize(("plan", "corpus"), [(p, c) for p in PLANS for c in PLANS[p].corpora])
def test_every_printed_variant_has_a_run_and_every_run_valid_settings(plan: str, corpus: str) -> None:
    for table in PLANS[plan].tables_for(corpus):
        rows = {row for row, _ in printed(plan, table.number, corpus)}
        names = {variant.name for variant in table.variants}
        assert not rows or names <= rows
        if not table.compared and rows:
            assert rows == names
        for variant in table.variants:
            settings = RunSettings().with_changes({"model.name": plan, **variant.changes})
            task: dict[str, Any] = {"num_classes": 3}
            model_config(plan, None, **task, **settings.model.options)


def test_a_variant_is_trained_as_its_row_says(mfcre: PaperReproduction) -> None:
    for option in ("dialogue_crn", "simam", "modality_encoder", "multi_attn", "swfc", "soft_hgr"):
        folder = mfcre.folder / "runs" / f"without-{option}" / "fold-00" / "run.json"
        config = json.loads(folder.read_text(encoding="utf-8"))["model_config"]
        assert config[option] is False
        assert config["mu1"] == 0.4
    assert len(list((mfcre.folder / "runs").iterdir())) == 7, "the whole system is in two tables, and one run"
    assert mfcre.outcomes["3", "MFCRE"] is mfcre.outcomes["4", "MFCRE"]


def test_ours_stand_beside_the_papers_where_the_classes_mean_the_same(mfcre: PaperReproduction) -> None:
    classes, ablations = paper_tables(mfcre)
    ours, theirs = classes.rows[-1], classes.rows[-2]
    assert [ours[0].text, theirs[0].text] == ["MFCRE, emofuse", "MFCRE (published)"]
    outcome = mfcre.outcomes["3", "MFCRE"]
    place = classes.columns.index("joy F1")
    assert theirs[place].text == "66.71"
    assert ours[place].text == f"{100 * outcome.class_means()['happiness']['f1'].mean:.2f}"
    assert ours[classes.columns.index("fear F1")].text == "–"
    assert ablations.columns == ("Variant", "Acc, published", "Acc, ours", "W-F1, published", "W-F1, ours")
    assert outcome.means is not None
    assert ablations.rows[0][3].text == "69.78"
    assert ablations.rows[0][4].text == f"{100 * outcome.means.metrics['weighted_f1'].mean:.2f}"


def test_on_the_demo_ours_stand_alone(mfcre: PaperReproduction) -> None:
    classes, ablations = paper_tables(replace(mfcre, corpus="demo"))
    assert len(classes.rows) == 1
    assert classes.columns[:4] == ("Method", "anger F1", "happiness F1", "sadness F1")
    assert ablations.columns == ("Variant", "Acc, ours", "W-F1, ours")
    assert ablations.title.startswith("As Table 4")


def test_a_default_written_out_is_no_other_run(
    mfcre: PaperReproduction, mfcre_settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mfcre.outcomes["3", "MFCRE"]  # the scores of none are looked at
    monkeypatch.setattr(
        paper_runs,
        "cross_validate",
        lambda settings, manifest, folder, **options: replace(made, folder=folder),
    )
    found = run("mfcre", "demo", mfcre_settings, tmp_path, tables=["6"])
    assert found.outcomes["6", "μ1 = 0.4"].folder.name == "whole"
    assert found.outcomes["6", "μ1 = 0.3"].folder.name == "mu1-0.3"
    assert "sweep" in paper_tables(found)[0].notes[1]


def test_values_are_told_by_their_error_and_both_ways_of_two_classes(values: PaperReproduction) -> None:
    methods, sets, modules = paper_tables(values)
    ours = dict(zip(methods.columns, methods.rows[-1], strict=True))
    outcome = values.outcomes["3", "CM-MSF"]
    assert outcome.means is not None
    metrics = outcome.means.metrics
    assert ours["MAE"].text == f"{metrics['mae'].mean:.3f}"
    two = (metrics["acc2_nonnegative"].mean, metrics["acc2_positive"].mean)
    assert ours["Acc-2"].text == f"{100 * two[0]:.2f}/{100 * two[1]:.2f}"
    assert [row[0].text for row in sets.rows] == ["V", "A", "T", "T+A", "T+V", "A+V", "T+A+V"]
    assert values.outcomes["5", "T+A+V"] is outcome
    assert values.outcomes["6", "Transformer+BiLSTM"] is outcome
    config = json.loads((values.folder / "runs/without-bilstm/fold-00/run.json").read_text(encoding="utf-8"))
    assert config["model_config"]["bilstm"] is False
    assert modules.columns[1:5] == ("MAE, published", "MAE, ours", "Corr, published", "Corr, ours")


def test_files_hold_every_figure(values: PaperReproduction, tmp_path: Path) -> None:
    names = {file.name for file in write_paper_reproduction(values, tmp_path)}
    assert names == {"tables.md", "tables.html", "tables.tex", "table.csv", "results.json"}
    table = pd.read_csv(tmp_path / "table.csv", dtype=str)
    assert len(table) == len(paper_rows(values))
    theirs = table[(table["row"] == "A+V") & (table["source"] != "emofuse")]
    assert theirs["value"].tolist() == ["1.03", "0.328"]


def test_it_goes_on_where_it_was_and_names_what_failed(
    mfcre_settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = []

    def breaks(settings: RunSettings, *arguments: Any, **options: Any) -> Any:
        fitted.append(settings)
        if len(fitted) == 2:
            raise RuntimeError("power cut")
        return fit_run(settings, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(folds, "fit_run", breaks)
        broken = run("mfcre", "demo", mfcre_settings, tmp_path, tables=["2"])
    assert broken.failures == ["whole, fold 1: RuntimeError: power cut"]
    assert "power cut" in paper_tables(broken)[0].notes[-1]
    assert run("mfcre", "demo", mfcre_settings, tmp_path, tables=["2"]).failures == []


def test_what_the_corpus_lacks_is_left_out_and_said(mfcre_settings: RunSettings, tmp_path: Path) -> None:
    settings = mfcre_settings.with_changes(
        {"model.name": "cm-msf", "model.preset": "tiny", "model.options": {}}
    )
    found = run("cm-msf", "demo", settings, tmp_path, tables=["5"])
    assert list(found.outcomes) == [("5", "T")]
    assert "A+V is left out: the corpus has no audio, video." in paper_tables(found)[0].notes


def test_mistakes_are_told(mfcre_settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="no table 3 for demo; choose from 2, 4, 5"):
        run("mfcre", "demo", mfcre_settings, tmp_path, tables=["3"])
    with pytest.raises(EmofuseError, match="give one of cm-msf"):
        run("cm-msf", "demo", mfcre_settings, tmp_path)


def test_the_command(mfcre_settings: RunSettings, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(mfcre_settings.to_yaml(), encoding="utf-8")
    assert mfcre_settings.data.manifest is not None
    root = mfcre_settings.data.manifest.parent
    given = ("--corpus", "meld", "--root", root, "--recipe", recipe, "-o", tmp_path / "out")
    rows = json.loads(emofuse("reproduce", "mfcre", *given, "--tables", "3", "--quiet", "--json"))
    assert {row["row"] for row in rows} >= {"SDT", "MFCRE"}
    with pytest.raises(EmofuseError, match="--tables"):
        emofuse("reproduce", "mfcre", *given, "--modalities", "T")


def test_ours_of_the_methods_compared_with_stand_beside_the_papers_rows(
    mfcre_settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison_runs, "write_cross_report", lambda *arguments, **options: None)
    only = {"DialogueRNN": "dialogue-rnn"}
    monkeypatch.setattr(paper_runs, "systems_among", lambda methods, but: only)
    settings = mfcre_settings.with_changes({"model.modalities": ["text"]})
    few = {"optimiser.epochs": 1}
    found = run("mfcre", "meld", settings, tmp_path, tables=["3"], baselines=True, baseline_changes=few)
    assert list(found.compared.outcomes) == ["DialogueRNN"]
    outcome = found.compared.outcomes["DialogueRNN"]
    assert outcome.settings.model.name == "dialogue-rnn"
    assert outcome.settings.encoders == mfcre_settings.encoders
    assert outcome.settings.optimiser.epochs == 1
    assert outcome.means is not None
    [table] = paper_tables(found)
    names = [row[0].text for row in table.rows]
    place = names.index("DialogueRNN (published)")
    assert names[place + 1] == "DialogueRNN, emofuse"
    column = table.columns.index("W-F1")
    assert table.rows[place + 1][column].text == f"{100 * outcome.means.metrics['weighted_f1'].mean:.2f}"
    ours = [row for row in paper_rows(found) if row["row"] == "DialogueRNN" and row["source"] == "emofuse"]
    assert any(row["metric"] == "weighted_f1" for row in ours)


def test_printed_methods_are_found_by_their_titles() -> None:
    found = comparison_runs.systems_among(["SDT", "MULT", "AOBERT", "MFCRE", "bc-LSTM"], but="mfcre")
    assert found == {"SDT": "sdt", "MULT": "mult", "bc-LSTM": "bc-lstm"}
