import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.methods import on_same_utterances
from emofuse.evaluation.reporting.comparison_page import write_comparison
from emofuse.evaluation.reporting.comparison_tables import comparison_tables, count_text
from emofuse.evaluation.reporting.tables import markdown_tables
from tests.evaluation.comparison.judged import LABELS, judged, method

NAMES = ("plain & <b>simple</b>", "random_kfold", "seeds")


@pytest.fixture(scope="module")
def compared():
    methods = [
        method(
            NAMES[0],
            judged("a", 0.5, 1),
            parameters=1_234_567,
            flops=3.4e9,
            fit_seconds=12.0,
            modalities=("text",),
        ),
        method(NAMES[1], judged("b", 2.5, 2), optimistic=True, synthetic=True, protocol="random-kfold"),
        method(NAMES[2], *(judged(f"s{s}", 1.5, 5 + s, run_seed=s) for s in range(3))),
    ]
    return compare_methods(on_same_utterances(methods)[0], left_out=4, bootstrap=300)


@pytest.fixture(scope="module")
def folder(compared, tmp_path_factory):
    target = tmp_path_factory.mktemp("out") / "a comparison"
    texts = {"d00t0": "<script>alert(1)</script>", "d01t3": None}
    write_comparison(compared, target, texts=texts, command="emofuse compare a b")
    return target


def test_the_tables_hold_the_numbers(compared):
    scores, classes, tests, costs = comparison_tables(compared)
    row = {name: cell.text for name, cell in zip(scores.columns, scores.rows[2], strict=True)}
    score = compared.methods[2].metrics["weighted_f1"]
    assert row["Method"] == "seeds"
    assert row["Runs"] == "3"
    assert (
        row["Weighted F1"]
        == f"{100 * score.value:.1f} ± {100 * score.sd:.1f} ({100 * score.low:.1f} to {100 * score.high:.1f})"
    )
    assert classes.columns == ("Method", *LABELS)
    assert {row[2].text for row in tests.rows} == {"paired bootstrap", "McNemar"}
    assert len(tests.rows) == 5, "two scores for each of two methods, and McNemar for the one of one seed"
    assert [cell.text for cell in costs.rows[0]][3:] == ["1,234,567", "3.4 G", "12"]
    assert any("4 utterances that not all runs had judged" in note for note in scores.notes)


def test_the_best_is_bold_and_flags_stand_beside_numbers(compared):
    scores = comparison_tables(compared)[0]
    column = scores.columns.index("Weighted F1")
    best = max((0, 2), key=lambda i: compared.methods[i].metrics["weighted_f1"].value)
    assert (
        compared.methods[1].metrics["weighted_f1"].value > compared.methods[best].metrics["weighted_f1"].value
    )
    assert [row[column].bold for row in scores.rows] == [i == best for i in range(3)]
    error = scores.columns.index("Calibration error")
    least = min((0, 2), key=lambda i: compared.methods[i].metrics["ece"].value)
    assert [row[error].bold for row in scores.rows] == [i == least for i in range(3)]
    assert all(cell.flags == "†‡" for cell in scores.rows[1][2:])
    assert all(cell.flags == "" for cell in scores.rows[0])
    assert "† optimistic" in markdown_tables([scores])


def test_every_file_is_there_and_readable(folder, compared):
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "report.html",
        "report.md",
        "tables.md",
        "tables.html",
        "tables.tex",
        "table.csv",
        "comparison.json",
        "disagreements.csv",
        "figures",
    }
    flat = pd.read_csv(folder / "table.csv", index_col="method")
    for each in compared.methods:
        assert flat.loc[each.name, "accuracy"] == pytest.approx(each.metrics["accuracy"].value)
    assert flat.loc["seeds", "accuracy_p_holm"] == pytest.approx(
        compared.methods[2].versus["accuracy"].corrected
    )
    assert json.loads((folder / "comparison.json").read_text("utf-8")) == json.loads(
        json.dumps(compared.to_dict())
    )


def test_the_page_shows_scores_tests_figures_and_disagreements(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>simple" not in page
    for words in (
        "Where they differ",
        "p (Holm)",
        "paired bootstrap of dialogues",
        "mean of 3 seeds",
        "1.23 M parameters",
    ):
        assert words in page
    assert page.count("<figure>") == 5
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "## Where they differ" in text
    table = [line for line in text[text.index("## Where they differ") :].splitlines() if line.startswith("|")]
    assert len(table) == 22
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_pictures_are_drawn(folder):
    for name in ("scores", "differences", "classes", "confusion-1", "confusion-2"):
        with Image.open(folder / "figures" / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5


def test_one_method_alone_is_a_page_too(compared, tmp_path):
    alone = compare_methods([method("only", judged("a", 1, 0))], bootstrap=100)
    files = write_comparison(alone, tmp_path)
    assert "p (Holm)" not in files.html.read_text(encoding="utf-8")
    assert [table.title for table in comparison_tables(alone)] == [
        "Scores",
        "F1 of each emotion",
        "Size and time",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "–"), (0, "0"), (999, "999"), (1234, "1.23 k"), (5.6e7, "56 M"), (1.5e12, "1.5 T")],
)
def test_counts_are_short(count, text):
    assert count_text(count) == text
