"""A grid is chosen on the validation part, and no point but the chosen one sees the test part."""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.reporting.figures import draw_sweep_line, draw_sweep_map
from emofuse.experiments.sweep import Axis, Sweep, grid_points, parse_axis, sweep, sweep_table, write_sweep
from emofuse.experiments.sweep import run as sweep_run
from emofuse.runs.corpus import Progress
from tests.experiments.in_turn import InTurn
from tests.feature_file import emofuse
from tests.small_runs import text_corpus, text_settings

TINY = {"dim": 8, "ff_dim": 8, "heads": 2, "context": "none"}
RATES = Axis("optimiser.learning_rate", (1e-6, 0.03))
HEADS = Axis("model.options.heads", (2, 4))


@pytest.fixture(scope="module", autouse=True)
def no_pages() -> Iterator[None]:
    """Drawing the page of a run takes longer than training it, and is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_run, "write_run_report", lambda *arguments: None)
        yield


def silent() -> nullcontext[Progress]:
    return nullcontext(lambda done, total, what: None)


def run(corpus: Manifest, folder: Path, *axes: Axis, executor: InTurn | None = None, **changes: Any) -> Sweep:
    changes = {"model__name": "mfcre", "model__options": TINY} | changes
    settings = text_settings(corpus, **changes)
    return sweep(settings, corpus, axes, folder, executor=executor, open_progress=silent)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus ü"), dialogues=9)


@pytest.fixture(scope="module")
def found(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return run(corpus, tmp_path_factory.mktemp("sweep"), RATES, HEADS)


def test_the_best_on_the_validation_part_is_chosen(found: Sweep) -> None:
    scores = [point.validation["weighted_f1"] for point in found.points if point.validation]
    assert len(scores) == 4
    assert found.chosen.validation is not None
    assert found.chosen.validation["weighted_f1"] == max(scores)
    assert found.chosen is found.points[scores.index(max(scores))], "of equal ones the first"
    assert max(scores) > min(scores), "a learning rate of a millionth must not do as well"


def test_an_executor_gives_the_same_points_and_one_that_dies_is_named(
    corpus: Manifest, found: Sweep, tmp_path: Path
) -> None:
    folder = tmp_path / "sweep"
    shutil.copytree(found.folder, folder)
    victim, other = found.points[0].point.key, found.points[1].point.key
    for key in (victim, other):
        shutil.rmtree(folder / "points" / key)
    executor = InTurn(victim)
    again = run(corpus, folder, RATES, HEADS, executor=executor)
    assert executor.ran == [f"points/{victim}", f"points/{other}"]
    assert again.failures == [f"{victim}: its process died"]
    assert [point.validation for point in again.points[1:]] == [p.validation for p in found.points[1:]]


def test_the_scores_are_those_of_the_validation_part_and_of_no_other(found: Sweep) -> None:
    assert found.chosen.validation is not None
    assert found.chosen.validation["weighted_f1"] == pytest.approx(found.test.val.weighted_f1)
    table = pd.read_parquet(found.chosen.folder.predictions_file)
    assert found.test.test.n == (table["part"] == "test").sum()


def test_no_other_point_has_been_judged_on_the_test_part(found: Sweep) -> None:
    judged = [p.folder.path.name for p in found.points if (p.folder.path / "metrics.json").exists()]
    assert judged == [found.chosen.point.key]
    assert [p.folder.predictions_file.exists() for p in found.points].count(True) == 1


def test_the_table_shows_the_test_part_once(found: Sweep) -> None:
    table = sweep_table(found)
    assert [row[2].text for row in table.rows] == ["validation"] * 4 + ["test"]
    assert table.columns[:3] == ("optimiser.learning_rate", "model.options.heads", "part")
    assert table.rows[-1][3].text == f"{100 * found.test.test.weighted_f1:.2f}"


def test_files_are_written(found: Sweep) -> None:
    written = {file.name for file in write_sweep(found)}
    assert written == {"sweep.md", "sweep.html", "sweep.csv", "results.json", "sweep.png"}
    table = pd.read_csv(found.folder / "sweep.csv")
    assert table["chosen"].sum() == 1
    assert not [name for name in table.columns if "test" in name]
    assert (found.folder / "sweep-narrow.svg").exists()


def test_it_goes_on_where_it_was_and_names_what_failed(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fitted = sweep_run.fit_run, []

    def breaks(settings: Any, *arguments: Any, **options: Any) -> Any:
        fitted.append(settings.optimiser.learning_rate)
        if settings.optimiser.learning_rate == 0.03:
            raise RuntimeError("power cut")
        return real(settings, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(sweep_run, "fit_run", breaks)
        broken = run(corpus, tmp_path, RATES, optimiser__epochs=1)
    assert broken.failures == ["001_learning_rate-0.03: RuntimeError: power cut"]
    assert broken.chosen is broken.points[0]
    first = (broken.points[0].folder.weights_file).stat().st_mtime_ns
    mended = run(corpus, tmp_path, RATES, optimiser__epochs=1)
    assert mended.failures == []
    assert mended.points[0].folder.weights_file.stat().st_mtime_ns == first, "trained once"
    with pytest.raises(EmofuseError, match="another grid"):
        run(corpus, tmp_path, HEADS, optimiser__epochs=1)


def test_a_setting_that_does_not_exist_is_told_before_a_folder_is_taken(
    corpus: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(EmofuseError, match=r"no point .* alhpa"):
        run(corpus, tmp_path / "new", Axis("model.options.alhpa", (1, 2)))
    assert not (tmp_path / "new").exists()


def test_a_point_that_cannot_be_takes_no_other_with_it(corpus: Manifest, tmp_path: Path) -> None:
    found = run(corpus, tmp_path, Axis("model.options.mu1", (0.9, 0.3)), optimiser__epochs=1)
    assert [point.failure is None for point in found.points] == [False, True]
    assert "mu1 + mu2" in found.failures[0]
    assert found.chosen is found.points[1]


def test_axes_are_read_with_the_types_of_yaml() -> None:
    assert parse_axis("optimiser.epochs=1, 2") == Axis("optimiser.epochs", (1, 2))
    assert parse_axis("model.options.a=1e-4,3E-4, -2e1,1e-,e5").values == (0.0001, 0.0003, -20.0, "1e-", "e5")
    lists = parse_axis("model.options.text_encoders=[[bert],[lstm],[bert, lstm]]")
    assert lists.values == (["bert"], ["lstm"], ["bert", "lstm"])
    keys = [point.key for point in grid_points([lists])]
    assert keys == ["000_text_encoders-bert", "001_text_encoders-lstm", "002_text_encoders-bert+lstm"]
    assert not any({"/", "\\"} & set(p.key) for p in grid_points([Axis("a", ("../x", "/y"))]))


@pytest.mark.parametrize(
    "wrong",
    [
        "alpha",
        "=1,2",
        "a=1",
        "a=1,1",
        "a=[1",
        "seed=1,2",
        "data.fold=0,1",
        "a=2020-01-01,2020-01-02",
        "a=2020-13-01,1",
        "a=.nan,1",
        "a=[{1: 2}, 3]",
    ],
)
def test_an_axis_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(EmofuseError, match="--grid"):
        parse_axis(wrong)


def test_figures_mark_the_best_and_bear_a_failed_point() -> None:
    nan = float("nan")
    line = draw_sweep_line("α", ["1", "2", "3"], [nan, 0.5, 0.7], metric="MAE", less_is_better=True)
    best = next(each for each in line.axes[0].lines if each.get_gid() == "best")
    assert best.get_xdata()[0] == 1  # type: ignore[index]
    map_ = draw_sweep_map(("a", "b"), (["1", "2"], ["1", "2", "3"]), [[1, 2, nan], [4, 9, 6]], metric="F1")
    frame = next(each for each in map_.axes[0].lines if each.get_gid() == "best")
    assert sorted(set(frame.get_xdata())) == [1, 2]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="as many scores"):
        draw_sweep_line("a", ["1"], [nan], metric="F1")


def test_the_command(corpus: Manifest, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    settings = text_settings(corpus, model__name="mfcre", model__options=TINY, optimiser__epochs=1)
    recipe.write_text(settings.to_yaml(), encoding="utf-8")
    printed = emofuse(
        *("sweep", recipe, corpus.root, "--grid", "model.options.mu1=0.1,0.4", "-o", tmp_path / "out"),
        *("--quiet", "--json"),
    )
    content = json.loads(printed)
    assert content["grid"] == {"model.options.mu1": [0.1, 0.4]}
    assert content["chosen"]["settings"]["model.options.mu1"] in (0.1, 0.4)


@pytest.mark.parametrize("option", ["--outer", "--inner"])
def test_nested_folds_without_trials_are_refused(tmp_path: Path, option: str) -> None:
    asked = ["sweep", "mfcre", str(tmp_path), "--grid", "a=1,2", "-o", str(tmp_path / "out"), option, "3"]
    result = CliRunner().invoke(app, asked)
    assert isinstance(result.exception, EmofuseError)
    assert "for --trials N" in str(result.exception)
