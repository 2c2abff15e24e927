"""A search over several corpora: what it chooses, what never enters it, and how it is taken up again."""

import json
import re
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.experiments.search import (
    Search,
    SearchedCorpus,
    cells,
    points,
    search,
    searched_corpus,
    write_search,
)
from emofuse.experiments.search import run as search_run
from emofuse.experiments.search.points import next_point
from emofuse.experiments.sweep import Axis, parse_axis
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from tests.feature_file import emofuse, import_file, write_feature_file
from tests.small_runs import text_corpus, text_settings

RATES = Axis("optimiser.learning_rate", (1e-6, 0.03))
SMOOTHING = Axis("optimiser.label_smoothing", (0.0, 0.1))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> SearchedCorpus:
    corpus = text_corpus(tmp_path_factory.mktemp("words"), dialogues=12)
    return searched_corpus("words", text_settings(corpus), corpus, (RATES, SMOOTHING))


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> SearchedCorpus:
    folder = tmp_path_factory.mktemp("values")
    place = import_file(write_feature_file(folder / "file.npz", dialogues=8), folder / "corpus")
    settings = RunSettings().with_changes(
        {
            "data.manifest": str(place / "manifest.csv"),
            "data.protocol": "official",
            "model.name": "bc-lstm",
            "model.task": "regression",
            "model.modalities": ["text"],
            "optimiser.epochs": 3,
            "optimiser.batch_size": 2,
            "threads": 1,
        }
    )
    corpus = Manifest.read(place / "manifest.csv").validate()
    return searched_corpus("values", settings, corpus, (RATES, SMOOTHING))


GAINS = {("words", 1e-6): -0.5, ("words", 0.03): 0.3, ("values", 1e-6): 0.1, ("values", 0.03): 0.0}
Asked = tuple[str, str, tuple[str, ...]]


def told_gain(corpus: SearchedCorpus, changes: Mapping[str, Any], split: Split, folder: Path) -> float:
    """In the place of a training: 0 for the recipe, smoothing is worth a little, and folds differ a little."""
    if not changes:
        return 0.0
    noise = 0.001 * len(split.test) + 0.01 * changes.get(SMOOTHING.name, 0.0) * (corpus.name == "words")
    return GAINS["words" if corpus.name == "words" else "values", changes[RATES.name]] + noise


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Trainings are told, not made; which ones were asked for is noted."""
    noted: list[Asked] = []

    def gain(corpus: SearchedCorpus, changes: Mapping[str, Any], split: Split, folder: Path) -> float:
        noted.append((corpus.name, folder.parent.name, tuple(split.test)))
        return told_gain(corpus, changes, split, folder)

    monkeypatch.setattr(search_run, "gain_of", gain)
    return noted


def run(folder: Path, *corpora: SearchedCorpus, trials: int = 3, outer: int = 2) -> Search:
    return search(corpora, (RATES, SMOOTHING), folder, trials=trials, outer=outer, inner=1)


def test_what_judges_is_not_in_it_and_folds_nest(words: SearchedCorpus, values: SearchedCorpus) -> None:
    assert set(values.manifest.frame["split"]) == {"train", "val"}
    for corpus in (words, values):
        folds = corpus.outer(3)
        assert sorted(i for split in folds for i in split.test) == sorted(corpus.manifest.ids)
        for split in folds:
            inner = corpus.inner([*split.train, *split.val], 2)
            assert len(inner) == 2
            for each in inner:
                assert not {*each.train, *each.val, *each.test} & set(split.test)
                groups = [
                    set(corpus.manifest.select(part).frame["dialogue"]) for part in (each.train, each.test)
                ]
                assert not groups[0] & groups[1]


def test_each_corpus_takes_what_its_task_knows(words: SearchedCorpus, values: SearchedCorpus) -> None:
    assert words.axes == {RATES.name, SMOOTHING.name}
    assert values.axes == {RATES.name}
    assert "a regression has no classes" in values.unknown[SMOOTHING.name]
    point = {RATES.name: 0.03, SMOOTHING.name: 0.1}
    assert words.at(point).optimiser.label_smoothing == 0.1
    assert values.at(point).optimiser.label_smoothing == 0.0
    assert values.at(point).optimiser.learning_rate == 0.03


def test_a_gain_is_the_share_of_the_linear_models_error(
    words: SearchedCorpus, values: SearchedCorpus
) -> None:
    assert words.gain(0.70, 0.60) == pytest.approx(0.25)
    assert values.gain(0.9, 0.6) == pytest.approx(-0.5)


def test_the_best_mean_over_corpora_is_chosen_and_judged_where_nothing_was_chosen(
    words: SearchedCorpus, values: SearchedCorpus, asked: list[Asked], tmp_path: Path
) -> None:
    found = run(tmp_path / "s", words, values, trials=5)
    assert [trial.study for trial in found.trials] == ["1"] * 5 + ["2"] * 5 + ["all"] * 5
    best = {RATES.name: 0.03, SMOOTHING.name: 0.1}
    for study, chosen in (("1", found.folds[0].chosen), ("2", found.folds[1].chosen), ("all", found.chosen)):
        trials = [trial for trial in found.trials if trial.study == study]
        assert trials[0].changes == {}
        assert len({json.dumps(trial.changes) for trial in trials}) == 5
        assert chosen.changes == best
    outer = [(name, test) for name, kind, test in asked if kind == "outer"]
    assert sorted(outer) == sorted(
        (c.name, tuple(split.test)) for c in (words, values) for split in c.outer(2) for _ in "ab"
    )
    for number, split in enumerate(words.outer(2)):
        assert found.folds[number].gain["words"] == pytest.approx(told_gain(words, best, split, tmp_path))
        assert found.folds[number].recipe == {"words": 0.0, "values": 0.0}
    written = write_search(found)
    page = written[0].read_text(encoding="utf-8")
    assert "values goes without optimiser.label_smoothing" in page
    table = pd.read_csv(written[1])
    assert table["mean"].to_numpy() == pytest.approx(table[["gain_words", "gain_values"]].mean(axis=1))
    wanted = statistics.mean(found.folds[0].gain.values())
    assert f"{100 * wanted:+.1f} %" in page
    assert json.loads(written[2].read_text(encoding="utf-8"))["chosen"] == best


def test_a_search_may_grow_and_belongs_to_what_it_began_with(
    words: SearchedCorpus, asked: list[Asked], tmp_path: Path
) -> None:
    first = run(tmp_path / "s", words)
    more = run(tmp_path / "s", words, trials=4)
    assert [t for t in more.trials if t.number < 3] == list(first.trials)
    assert run(tmp_path / "s", words, trials=9).trials[4].number == 4, (
        "recipe and four points are all there is"
    )
    with pytest.raises(EmofuseError, match="another grid, other corpora or other folds"):
        run(tmp_path / "s", words, outer=3)
    other = replace(words, settings=words.settings.with_changes({"optimiser.epochs": 9}))
    with pytest.raises(EmofuseError, match=r"optimiser\.epochs"):
        run(tmp_path / "s", other)


def test_a_trial_that_fails_takes_no_other_with_it(
    words: SearchedCorpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gain(corpus: SearchedCorpus, changes: Mapping[str, Any], split: Split, folder: Path) -> float:
        if changes.get(RATES.name) == 0.03:
            raise EmofuseError("it diverged")
        return told_gain(corpus, changes, split, folder)

    monkeypatch.setattr(search_run, "gain_of", gain)
    found = run(tmp_path / "s", words, trials=5)
    assert found.chosen.changes == {}
    assert {t.failure for t in found.trials if t.changes.get(RATES.name) == 0.03} == {"it diverged"}
    assert "Failed: fold all" in write_search(found)[0].read_text(encoding="utf-8")


def test_a_training_is_scored_beside_the_linear_model_and_kept_as_a_score(
    words: SearchedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = words.outer(2)[0]
    found = cells.gain_of(words, {RATES.name: 0.03}, split, tmp_path / "cell")
    direct = fit_run(words.at({RATES.name: 0.03}), words.manifest, tmp_path / "direct", split=split)
    fit_baselines(direct, words.manifest)
    outcome = evaluate_fit(direct, words.manifest)
    best = max(outcome.baselines, key=lambda baseline: baseline.val)
    system, linear = outcome.test.weighted_f1, best.report.weighted_f1
    assert found == pytest.approx(1 - (1 - system) / (1 - linear), abs=1e-6)
    assert not list((tmp_path / "cell").glob("run-*"))
    monkeypatch.setattr(cells, "fit_run", None)
    assert cells.gain_of(words, {RATES.name: 0.03}, split, tmp_path / "cell") == found


@pytest.fixture
def linear_of(monkeypatch: pytest.MonkeyPatch) -> list[RunSettings]:
    """Trainings are told; noted is by which settings linear models were fitted."""
    held: dict[Path, RunSettings] = {}
    noted: list[RunSettings] = []

    def fit(settings: RunSettings, rows: Manifest, path: Path, **options: Any) -> None:
        path.mkdir(parents=True)
        held[path] = settings

    monkeypatch.setattr(cells, "fit_run", fit)
    monkeypatch.setattr(cells, "fit_baselines", lambda run, rows: noted.append(held[run.path]))
    monkeypatch.setattr(cells, "_linear_score", lambda run, corpus: 0.5)
    told = SimpleNamespace(predict=lambda ids: None, task=None, metrics={"weighted_f1": 0.6})
    monkeypatch.setattr(cells, "RowPredictor", lambda run, rows: told)
    monkeypatch.setattr(cells, "score", lambda *given: told)
    return noted


@pytest.mark.parametrize("first", [{}, {"optimiser.class_weights": "balanced"}])
def test_the_linear_model_of_a_fold_is_of_the_recipe_whichever_point_comes_first(
    words: SearchedCorpus, linear_of: list[RunSettings], first: dict[str, Any], tmp_path: Path
) -> None:
    weights = Axis("optimiser.class_weights", ("none", "balanced"))
    corpus = searched_corpus("words", words.settings, words.manifest, (RATES, weights))
    (tmp_path / "linear.json").write_text(
        '{"score": 0.1}', encoding="utf-8"
    )  # an earlier version's, of any point
    split = corpus.outer(2)[0]
    gains = [cells.gain_of(corpus, point, split, tmp_path) for point in (first, {}, {weights.name: "none"})]
    assert [settings.optimiser.class_weights for settings in linear_of] == ["none"]
    assert gains == [pytest.approx(0.2)] * 3
    assert not list(tmp_path.glob("run-*"))
    smoothed = searched_corpus("words", words.settings, words.manifest, (SMOOTHING,))
    assert cells.gain_of(smoothed, {}, split, tmp_path) == pytest.approx(1 - 0.4 / 0.9), (
        "no axis of linear models"
    )
    assert len(linear_of) == 1


def test_a_choice_that_cannot_be_trained_on_an_outer_fold_ends_no_search(
    words: SearchedCorpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lost = words.outer(2)[0].test

    def gain(corpus: SearchedCorpus, changes: Mapping[str, Any], split: Split, folder: Path) -> float:
        if changes and split.test == lost:
            raise EmofuseError("it diverged")
        return told_gain(corpus, changes, split, folder)

    monkeypatch.setattr(search_run, "gain_of", gain)
    bar: list[tuple[int, int]] = []
    found = search(
        (words,),
        (RATES, SMOOTHING),
        tmp_path / "s",
        trials=2,
        outer=2,
        inner=1,
        progress=lambda done, total, what: bar.append((done, total)),
    )
    assert [fold.failure for fold in found.folds] == ["it diverged", ""]
    assert (found.folds[0].gain, found.folds[0].recipe) == ({}, {"words": 0.0})
    assert len(found.differences["words"]) == 1
    page = write_search(found)[0].read_text(encoding="utf-8")
    assert "Failed: fold 1: it diverged." in page
    assert re.search(r"\| +– \(\+0\.0 %\) \| +failed \|", page)
    assert bar[-1] == (9, 10), "the judging is counted, and one failed"


def test_the_command(values: SearchedCorpus, asked: list[Asked], tmp_path: Path) -> None:
    place = values.manifest.root
    recipe = tmp_path / "values.yaml"
    recipe.write_text(values.settings.to_yaml(), encoding="utf-8")
    printed = emofuse(
        *("sweep", recipe, place, "--also", f"{recipe}={place}", "--trials", 2, "--outer", 2, "--inner", 1),
        *("--grid", f"{RATES.name}=0.000001,0.03", "--grid", "optimiser.weight_average=none,swa"),
        *("-o", tmp_path / "out", "--quiet"),
    )
    assert "| corpus | corpus-2 |" in printed
    assert (tmp_path / "out" / "trials.csv").exists()


def test_points_are_drawn_alike_and_not_twice_until_none_is_left() -> None:
    axes = (RATES, Axis("model.options.context", ("none", "causal", "both")))
    tried: list[tuple[dict[str, object], float | None]] = []
    while (point := next_point(axes, tried, 3)) is not None:
        assert point == next_point(axes, tried, 3)
        assert point not in [each for each, _ in tried]
        tried.append((point, None if len(tried) == 1 else float(len(tried))))
    assert len(tried) == 6


def test_a_grid_of_millions_is_drawn_from_without_being_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "product", None, raising=False)
    axes = [Axis(f"model.options.a{number}", tuple(range(8))) for number in range(7)]
    tried: list[tuple[dict[str, object], float | None]] = [({axis.name: 0 for axis in axes}, 0.1)]
    assert next_point(axes, tried, 0) not in [None, tried[0][0]]


def test_a_lot_is_drawn_among_those_that_are_left() -> None:
    axes = (Axis("a", (1, 2)), Axis("b", ("x", "y", "z")))
    listed = [(x, y) for x in range(2) for y in range(3)]
    tried = {(0, 1), (1, 0), (1, 2)}
    left = [place for place in listed if place not in tried]
    assert [points.nth_left(axes, tried, number) for number in range(3)] == left


@pytest.mark.parametrize("order", ["1e-4,3e-4,1e-3", "1e-3,3e-4,1e-4", "0.0001,0.0003,0.001", "8,4,2"])
def test_numbers_in_order_have_neighbours_however_they_are_written(order: str) -> None:
    assert type(points._space(parse_axis(f"optimiser.learning_rate={order}"))).__name__ == "IntDistribution"
    unordered = parse_axis("model.options.x=3,1e-1,2")
    assert type(points._space(unordered)).__name__ == "CategoricalDistribution"


def test_more_outer_folds_leave_enough_for_the_inner_ones(words: SearchedCorpus) -> None:
    dialogues = list(dict.fromkeys(row.dialogue for row in words.manifest.rows()))[:5]
    ids = [row.id for row in words.manifest.rows() if row.dialogue in dialogues]
    few = replace(words, manifest=words.manifest.select(ids))

    def inner_of(outer: int) -> int:
        left = few.outer(outer)[0]
        return len(few.inner([*left.train, *left.val], 2))

    with pytest.raises(EmofuseError, match="more --outer"):
        inner_of(2)
    assert inner_of(5) == 2


def test_what_cannot_be_searched_is_said_in_a_line(words: SearchedCorpus, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="the same for every point of a search"):
        searched_corpus("words", words.settings, words.manifest, (Axis("encoders.text.dim", (32, 64)),))
    corpus = searched_corpus(
        "words", words.settings, words.manifest, (Axis("model.options.nothing", (1, 2)),)
    )
    with pytest.raises(EmofuseError, match=r"model\.options\.nothing: no corpus takes it"):
        search(
            (corpus,), (Axis("model.options.nothing", (1, 2)),), tmp_path / "s", trials=2, outer=2, inner=1
        )
    few = replace(words, manifest=words.manifest.select(words.manifest.ids[:14]))
    with pytest.raises(EmofuseError, match=r"^words: its training part makes no 4 folds .* more --outer"):
        search((few,), (RATES,), tmp_path / "small", trials=2, outer=2, inner=1)
    assert not (tmp_path / "small" / "search.json").exists(), (
        "the folder is free for a search that can be made"
    )
    with pytest.raises(EmofuseError, match="several corpora are for --trials"):
        emofuse(
            "sweep", "mfcre", tmp_path, "--grid", "model.options.dim=8,16", "--also", "a=b", "-o", tmp_path
        )


@pytest.mark.parametrize(
    "content",
    ["{}", '{"score": "x"}', '{"score": 1e308}', '{"score": true}', '{"score": -0.1}', '{"score": null}'],
)
def test_a_score_that_is_none_is_one_line(content: str, tmp_path: Path) -> None:
    file = tmp_path / "linear.json"
    cells._write(file, 0.5, {"a": 1})
    assert cells._read(file, "weighted_f1") == cells._read(file, "mae") == 0.5
    file.write_text(content)
    for metric in ("weighted_f1", "mae"):
        with pytest.raises(
            EmofuseError, match=rf"linear\.json: damaged \(its score is no {metric}\); delete it"
        ):
            cells._read(file, metric)


@pytest.mark.parametrize("settings", [[1], "x", {"words": [1]}])
def test_settings_of_a_folder_that_are_none_are_one_line(
    words: SearchedCorpus, tmp_path: Path, settings: object
) -> None:
    search_run._claim(tmp_path, [words], (RATES,), 2, 1, 0)
    search_run._claim(tmp_path, [words], (RATES,), 2, 1, 0)
    file = tmp_path / "search.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"settings": settings}))
    with pytest.raises(EmofuseError, match=r"search\.json: "):
        search_run._claim(tmp_path, [words], (RATES,), 2, 1, 0)
