"""All systems alike: the same parts and features, a failure that stays alone, an optimistic column that chooses nothing."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.benchmark import (
    Benchmark,
    BenchmarkPlan,
    benchmark,
    benchmark_rows,
    benchmark_tables,
    jobs,
    results,
    write_benchmark,
)
from emofuse.experiments.benchmark import run as benchmark_run
from emofuse.experiments.benchmark.costs import read_costs
from emofuse.experiments.benchmark.linear_sources import LinearSources
from emofuse.experiments.benchmark.plan import PlannedSystem, run_path
from emofuse.experiments.benchmark.space import search_points
from emofuse.experiments.benchmark.tables import side_tables
from emofuse.models import list_models
from emofuse.models.registry import model_config
from emofuse.recipes.published import published_figures
from emofuse.recipes.search_space import search_axes
from emofuse.runs import modalities
from emofuse.runs.corpus import Progress
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from tests.feature_file import emofuse, import_file, write_feature_file
from tests.small_runs import text_corpus

SMALL = {"optimiser.epochs": 3, "optimiser.batch_size": 4, "optimiser.learning_rate": 0.02}


@pytest.fixture(scope="module", autouse=True)
def no_pages() -> Iterator[None]:
    """Drawing the page of a run takes longer than training it, and is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "write_run_report", lambda *arguments: None)
        yield


def silent() -> nullcontext[Progress]:
    return nullcontext(lambda done, total, what: None)


def plan_on(manifest: Manifest, **options: Any) -> BenchmarkPlan:
    shared = RunSettings().with_changes(
        {
            "data.manifest": str(manifest.root / "manifest.csv"),
            "data.protocol": "dialogue",
            "data.folds": 3,
            "data.workers": 0,
            "data.val_fraction": 0.25,
            "device": "cpu",
            "threads": 1,
            "encoders.text": {"modality": "text", "name": "hashed-ngrams", "dim": 32},
        }
    )
    return BenchmarkPlan(shared, **{"changes": SMALL, "seeds": 2, "systems": ("bc-lstm", "tfn")} | options)


def run(plan: BenchmarkPlan, manifest: Manifest, folder: Path, **options: Any) -> Benchmark:
    return benchmark(plan, manifest, folder, **{"open_progress": silent} | options)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus ü"), dialogues=9)


@pytest.fixture(scope="module")
def found(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Two systems, and one whose second seed fails."""
    real = jobs.fit_run

    def breaks(settings: Any, *arguments: Any, **options: Any) -> Any:
        if settings.model.name == "sdt" and settings.seed == 1:
            raise RuntimeError("power cut")
        return real(settings, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "fit_run", breaks)
        return run(
            plan_on(corpus, systems=("bc-lstm", "tfn", "sdt")), corpus, tmp_path_factory.mktemp("bench")
        )


def of(found: Benchmark, name: str) -> Any:
    return next(system for system in found.systems if system.name == name)


def test_the_order_of_the_systems_does_not_choose_whose_features_the_linear_models_take(
    found: Benchmark, corpus: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(results, "fit_baselines", lambda folder, *others: asked.append(folder.path))
    runs = {system.name: [run.folder for run in system.finished] for system in found.systems}
    sources = LinearSources(found.folder)
    for names in (sorted(runs), sorted(runs, reverse=True)):
        sources.file.unlink()
        results._linear_models({name: runs[name] for name in names}, corpus, found.task, sources, None)
    half = len(asked) // 2
    assert half < len(runs)
    assert asked[:half] == asked[half:]


def test_the_page_says_by_whose_settings_linear_models_are_fitted_where_systems_differ(
    found: Benchmark, corpus: Manifest, tmp_path: Path
) -> None:
    assert found.comparison is not None
    assert found.comparison.settings_told == ()
    runs = {}
    for name in ("bc-lstm", "sdt", "tfn"):
        folder = shutil.copytree(of(found, name).finished[0].folder.path, run_path(tmp_path, name, 0, 0))
        runs[name] = [RunFolder(folder)]
    settings = runs["sdt"][0].read_settings()
    runs["sdt"][0].write_settings(settings.with_changes({"optimiser.class_weights": "balanced"}))
    comparison = results.compare_runs(runs, corpus, found.task, None, LinearSources(tmp_path))
    (told,) = comparison.settings_told
    assert told == (
        "linear (vectors) and linear+turns (vectors): class weights none, as bc-lstm has it, by name the first of the "
        "systems that had these features when the benchmark began. Otherwise: sdt (class weights balanced)."
    )
    (given,) = [t for t in side_tables(replace(found, comparison=comparison), ()) if "given" in t.title]
    assert told in given.notes


def test_a_system_that_is_added_later_leaves_the_linear_models_as_they_were(
    found: Benchmark, corpus: Manifest, tmp_path: Path
) -> None:
    runs = {}
    for name in ("bc-lstm", "sdt"):
        folder = shutil.copytree(of(found, name).finished[0].folder.path, run_path(tmp_path, name, 0, 0))
        (folder / "baselines.parquet").unlink(missing_ok=True)
        runs[name] = [RunFolder(folder)]
    settings = runs["bc-lstm"][0].read_settings()
    runs["bc-lstm"][0].write_settings(settings.with_changes({"optimiser.class_weights": "balanced"}))
    sources = LinearSources(tmp_path)

    def linear(*systems: str) -> results.BenchmarkComparison:
        return results.compare_runs({each: runs[each] for each in systems}, corpus, found.task, None, sources)

    def rows(comparison: results.BenchmarkComparison) -> dict[str, Any]:
        methods = {method.name: method for method in comparison.methods.methods}
        return {name: methods[name].metrics for name in comparison.baselines}

    first, more = linear("sdt"), linear("bc-lstm", "sdt")
    assert rows(more) == rows(first)
    assert not (runs["bc-lstm"][0].baselines_file).exists(), "sdt's settings are kept, not only its scores"
    (told,) = more.settings_told
    assert "class weights none, as sdt has it" in told
    assert "Otherwise: bc-lstm (class weights balanced)." in told
    assert rows(linear("bc-lstm")) == rows(first), "whether that system is asked for again or not"

    sources.file.unlink()  # as it is in a benchmark that an earlier version began
    (told,) = linear("bc-lstm", "sdt").settings_told
    assert "class weights none, as sdt has it" in told
    assert not (runs["bc-lstm"][0].baselines_file).exists()

    sources.file.write_text('{"vectors": {"system": "sdt", "run": "../elsewhere"}}', encoding="utf-8")
    with pytest.raises(EmofuseError, match=r"linear-models\.json: damaged \(vectors\.run: "):
        linear("sdt")


def test_all_runs_share_one_split_and_one_encoder(found: Benchmark) -> None:
    folders = [each.folder for system in found.systems for each in system.finished]
    assert len(folders) == 5
    assert {json.dumps(folder.read_split()) for folder in folders} == {json.dumps(found.split)}
    encoders = {folder.read_record().encoders["text"].identity.name for folder in folders}
    assert encoders == {"hashed-ngrams"}
    assert len({folder.read_settings().seed for folder in folders}) == 2


def test_scores_are_means_over_seeds_and_tests_are_against_the_best_linear_model(found: Benchmark) -> None:
    assert found.comparison is not None
    methods = {method.name: method for method in found.comparison.methods.methods}
    scores = []
    for each in of(found, "bc-lstm").finished:
        table = pd.read_parquet(each.folder.predictions_file)
        test = table[table["part"] == "test"]
        scores.append(f1_score(test["label"], test["predicted"], average="weighted"))
    ours = methods["bc-lstm"].metrics["weighted_f1"]
    assert ours.value == pytest.approx(np.mean(scores))
    assert ours.sd == pytest.approx(np.std(scores, ddof=1))
    validation = found.comparison.baseline_validation
    assert set(validation) == set(found.comparison.baselines)
    first = found.comparison.methods.methods[0].name
    assert validation[first] == max(validation.values())
    assert all(
        m.versus["weighted_f1"].corrected >= m.versus["weighted_f1"].paired.p_value
        for m in methods.values()
        if m.versus
    )
    assert found.comparison.ranks.blocks == found.comparison.methods.groups


def test_the_best_test_epoch_is_no_worse_than_the_chosen_one(found: Benchmark) -> None:
    for system in found.systems:
        for each in system.finished:
            noted = pd.read_csv(each.folder.test_epochs_file)["test_weighted_f1"]
            assert each.best_test_epoch is not None
            assert each.best_test_epoch.score == pytest.approx(noted.max())
            metrics = json.loads((each.folder.path / "metrics.json").read_text())
            assert each.best_test_epoch.chosen_score == pytest.approx(metrics["test"]["weighted_f1"])
            assert each.best_test_epoch.worth >= 0
    [table] = [t for t in benchmark_tables(found) if "test part is worth" in t.title]
    assert all("†" in row[2].flags for row in table.rows)
    assert not any("†" in row[1].flags for row in table.rows)


def test_a_run_that_fails_is_named_and_takes_no_other_with_it(found: Benchmark) -> None:
    assert found.failures == ["sdt, seed 1: RuntimeError: power cut"]
    assert [each.seed for each in of(found, "sdt").finished] == [0]
    table = next(t for t in benchmark_tables(found) if t.title == "Not in the figures")
    assert [cell.text for cell in table.rows[0]] == ["sdt", "seed 1 failed", "RuntimeError: power cut"]
    row = next(row for row in benchmark_rows(found) if row["method"] == "sdt")
    assert (row["rounds"], row["failure"]) == (1, "seed 1: RuntimeError: power cut")


def test_the_page_says_all_of_it(found: Benchmark) -> None:
    figures = published_figures("meld")
    files = write_benchmark(found, published=figures, command="emofuse benchmark", corpus="words")
    text, page = files.markdown.read_text(encoding="utf-8"), files.html.read_text(encoding="utf-8")
    for words in (
        "power cut",
        "Weighted F1, best test epoch",
        "Published figures",
        "66.6",
        "Seconds per epoch",
    ):
        assert words in text
        assert words in page
    line = next(line for line in text.splitlines() if line.startswith("| bc-lstm |"))
    assert line.count("**[optimistic]**") == 1, "the column flatters, not the protocol"
    assert 'src="http' not in page, "it asks nothing of the network"
    table = pd.read_csv(found.folder / "table.csv")
    assert {"epoch_seconds", "weighted_f1_best_test_epoch_optimistic", "weighted_f1_p_holm"} <= set(table)
    content = json.loads((found.folder / "results.json").read_text(encoding="utf-8"))
    assert content["comparison"]["ranks"]["over"] == "dialogues"
    assert content["systems"][0]["runs"][0]["costs"]["memory_mib"] is None, "the runs shared a process"
    assert content["systems"][0]["runs"][0]["costs"]["flops"] > 0


def test_resuming_keeps_what_is_finished_tries_failures_again_and_takes_more(
    corpus: Manifest, found: Benchmark
) -> None:
    plan, weights = found.plan, [e.folder.weights_file for s in found.systems for e in s.finished]
    before = [file.stat().st_mtime_ns for file in weights]
    with pytest.raises(EmofuseError, match="--resume"):
        run(plan, corpus, found.folder)
    more = run(
        replace(plan, systems=("bc-lstm", "sdt")), corpus, found.folder, resume=True, against="bc-lstm"
    )
    assert more.failures == []
    assert len(of(more, "sdt").finished) == 2
    assert [file.stat().st_mtime_ns for file in weights] == before, "trained once"
    assert more.comparison is not None
    assert more.comparison.methods.methods[0].name == "bc-lstm"
    with pytest.raises(EmofuseError, match="other settings"):
        run(replace(plan, changes={"optimiser.epochs": 2}), corpus, found.folder, resume=True)
    claim = found.folder / "benchmark.json"
    written = claim.read_text()
    held = json.loads(written)
    del held["shared"]["linear_pool"], held["shared"]["optimiser"]["accumulate"]
    claim.write_text(json.dumps(held))
    assert run(plan, corpus, found.folder, resume=True).failures == [], (
        "an earlier version knew fewer settings"
    )
    claim.write_text(written)
    changed = Manifest.from_frame(corpus.frame.assign(text="something else"), corpus.root).validate()
    with pytest.raises(EmofuseError, match="another state of this corpus"):
        run(plan, changed, found.folder, resume=True)
    for none in ("mult", "linearr", "linear (vector)", "linear+turn"):
        with pytest.raises(EmofuseError, match=f"--against: '{re.escape(none)}' is none of "):
            run(plan, corpus, found.folder, resume=True, against=none)


def test_the_validation_part_chooses_the_point_and_no_other_sees_the_test_part(
    corpus: Manifest, tmp_path: Path
) -> None:
    tuned = run(plan_on(corpus, systems=("bc-lstm",), budget=3, seeds=1), corpus, tmp_path)
    [system] = tuned.systems
    scores = [point.score for point in system.tuned]
    assert len(scores) == 3
    assert system.tuned[0].changes == {}
    assert scores[system.chosen] == max(scores)
    judged = sorted(path.parent.parent.name for path in tmp_path.glob("runs/*/*/*/metrics.json"))
    assert judged == [f"point-{system.chosen:02d}"]
    held = json.loads((system.runs[0].folder.path / "metrics.json").read_text())
    assert held["val"]["weighted_f1"] == pytest.approx(max(scores))
    table = next(t for t in benchmark_tables(tuned) if t.title == "Tuning")
    assert [row[1].bold for row in table.rows] == [n == system.chosen for n in range(3)]


def test_features_that_are_of_no_split_are_made_whatever_becomes_of_the_others(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def encode(settings: Any, manifest: Manifest, specs: dict[str, Any], *others: Any) -> None:
        for modality in specs:
            if modality == "text":
                raise EmofuseError("it cannot be had")
            made.append(modality)

    monkeypatch.setattr(benchmark_run, "encode_modalities", encode)
    monkeypatch.setattr(modalities, "modalities_held", lambda manifest: ("text", "audio", "video"))
    settings = plan_on(corpus).shared.with_changes({"model.name": "tfn"})
    tuned = settings.with_changes(
        {"encoders.audio": {"modality": "audio", "name": "some/model", "finetune": {"epochs": 1}}}
    )
    systems = [PlannedSystem(name, each, ({},), False) for name, each in (("a", settings), ("b", tuned))]
    benchmark_run._fill_store(systems, corpus, tmp_path, silent)
    assert made == ["audio", "video"]
    assert list(modalities.shared_encoders(tuned, corpus)) == ["text", "video"]


@pytest.mark.parametrize("name", ["linear", "linear+turns", "linear (frames)", "linear+turns (vectors) 2"])
def test_names_of_linear_models_are_known_before_anything_is_trained(name: str) -> None:
    assert results.is_linear(name)


def test_values_on_imported_features_and_systems_that_cannot_are_left_out(tmp_path: Path) -> None:
    file = write_feature_file(tmp_path / "file.npz", dialogues=4)
    folder = import_file(file, tmp_path / "corpus", "tokens")
    import_file(file, tmp_path / "corpus", "mean")
    manifest = Manifest.read(folder / "manifest.csv").validate()
    plan = plan_on(manifest, systems=("mfcre", "tfn", "lmf"), seeds=1, recipes="mosi-small, mosi")
    wanted = {"cm-msf": "cm-msf/mosi-small", "tfn": "tfn/mosi", "mfcre": None}
    assert {name: plan.recipe_of(name) for name in wanted} == wanted
    shared = plan.shared.with_changes(
        {"encoders": {}, "data.protocol": "official", "model.task": "regression"}
    )
    found = run(replace(plan, shared=shared), manifest, tmp_path / "bench")
    assert list(found.left_out) == ["mfcre"]
    assert "does no regression" in found.left_out["mfcre"]
    assert found.failures == []
    assert found.comparison is not None
    assert of(found, "tfn").planned.settings.model.options["value_range"] == [-3.0, 3.0]
    for system in found.systems:
        noted = system.runs[0].best_test_epoch
        assert noted.score <= noted.chosen_score, "an error: less is better"
    first = found.comparison.methods.methods[0].name
    assert found.comparison.baseline_validation[first] == min(found.comparison.baseline_validation.values())
    files = write_benchmark(found, published=published_figures("mosi"), corpus="file")
    text = files.markdown.read_text(encoding="utf-8")
    assert "0.912" in text, "what is published of LMF"
    assert {each.modality for each in found.fitted} == {"text", "audio", "video"}
    assert "inside the training part (cross-fitted)" in text
    assert "does no regression" in text


def test_every_system_has_points_that_can_be_built() -> None:
    for info in list_models():
        preset = "tiny" if "tiny" in info.presets else None
        settings = RunSettings().with_changes({"model.name": info.name, "model.preset": preset})
        is_class = "classification" in info.tasks
        task: dict[str, Any] = {"num_classes": 4} if is_class else {"task": "regression"}
        config = model_config(info.name, preset, **task)
        points = search_points(settings, config, 6)
        assert points[0] == {}
        assert len(points) == 6
        assert len({json.dumps(point, sort_keys=True) for point in points}) == 6
        assert search_points(settings, config, 3) == points[:3], (
            "a larger budget tries what a smaller one has"
        )
        for point in points:
            model_config(info.name, preset, **task, **settings.with_changes(point).model.options)
        known = {name.removeprefix("model.options.") for name in search_axes(info.name)}
        own = known - {"dropout"} - {name for name in known if name.startswith("optimiser")}
        assert own <= set(type(config).model_fields), "a space must not name what the system does not have"


def test_published_figures_are_those_of_the_tables_that_they_are_from() -> None:
    folder = Path(__file__).parents[2] / "emofuse" / "experiments" / "reproduction"
    papers = {"Xu and Gao": "cm_msf.csv", "Qi, Ibrayim": "mfcre.csv", "Dai et al. 2025": "deepmsi_mer.csv"}
    titles = {info.name: info.title.casefold() for info in list_models()}
    checked = 0
    for each in published_figures():
        assert each.system in titles
        file = next((file for name, file in papers.items() if each.source.startswith(name)), None)
        if file is None:
            continue
        table = pd.read_csv(folder / file, dtype=str).rename(columns={"method": "row", "f1": "weighted_f1"})
        number = each.source.partition("Table ")[2].partition(";")[0]
        rows = table[
            (table["table"] == number)
            & (table["corpus"] == each.corpus)
            & (table["row"].str.casefold() == titles[each.system])
        ]
        printed = (
            rows[rows["class"] == "weighted average"].iloc[0]
            if "class" in rows
            else rows.set_index("column")["value"]
        )
        for column, value in each.figures.items():
            same = printed[column] == value if isinstance(value, str) else float(printed[column]) == value
            assert same, (each.system, each.corpus, column)
            checked += 1
    assert checked > 80


def test_a_process_of_its_own_notes_its_memory(corpus: Manifest, tmp_path: Path) -> None:
    plan = plan_on(corpus, changes=SMALL | {"optimiser.epochs": 1})
    settings = plan.settings_of("bc-lstm")
    path = tmp_path / "runs" / "bc-lstm" / "point-00" / "seed-0"
    jobs._process(settings.model_dump(mode="json"), True, False, tmp_path, path)
    costs = read_costs(RunFolder(path))
    assert costs.memory_mib is not None
    assert costs.memory_mib >= 0
    assert costs.device == "cpu"


def test_the_command(corpus: Manifest, tmp_path: Path) -> None:
    printed = emofuse(
        *(
            "benchmark",
            corpus.root,
            "-o",
            tmp_path / "out",
            "--systems",
            "bc-lstm",
            "--seeds",
            1,
            "--jobs",
            0,
        ),
        *("--protocol", "dialogue", "--folds", 3, "--epochs", 1, "--set", "data.val_fraction=0.25"),
        *("--device", "cpu", "--threads", 1, "--no-test-scores", "--quiet", "--json"),
    )
    content = json.loads(printed)
    [system] = content["systems"]
    assert system["runs"][0]["best_test_epoch"] is None
    assert (tmp_path / "out" / "report.html").exists()
    with pytest.raises(EmofuseError, match="the benchmark's own"):
        emofuse("benchmark", corpus.root, "-o", tmp_path / "new", "--set", "seed=3")
    with pytest.raises(EmofuseError, match="no model named"):
        emofuse("benchmark", corpus.root, "-o", tmp_path / "new", "--systems", "bc-lstm,nonsense")
    assert not (tmp_path / "new").exists()
