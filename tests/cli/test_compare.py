import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.errors import EmofuseError
from tests.quick_figures import true_figures
from tests.small_runs import text_corpus, text_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = text_corpus(tmp_path_factory.mktemp("corpus"))
    folder = tmp_path_factory.mktemp("all runs")
    text_run(corpus, folder / "long")
    text_run(corpus, folder / "short", optimiser__epochs=1)
    text_run(corpus, folder / "other fold", optimiser__epochs=1, data__fold=1)
    return folder


def compare(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["compare", *map(str, arguments), "--quiet", "--bootstrap", "200"])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_two_runs_become_tables_a_page_and_json(runs: Path, tmp_path: Path) -> None:
    with true_figures():
        found = json.loads(compare(runs / "short", runs / "long", "--json", "-o", tmp_path / "out"))
    assert [m["name"] for m in found["methods"]] == ["short", "long"]
    metrics = json.loads((runs / "long" / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert found["methods"][1]["metrics"]["weighted_f1"]["value"] == pytest.approx(metrics["weighted_f1"])
    assert found["methods"][0]["flops"] > 0
    assert found["n"] == metrics["n"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "number 0" in page, "the words of the utterances come from the corpus"
    assert (tmp_path / "out" / "figures" / "scores.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("kind", "sign"),
    [("markdown", "| long"), ("latex", r"\toprule"), ("html", "<table>"), ("csv", "method,")],
)
def test_tables_are_printed_in_every_form(runs: Path, kind: str, sign: str) -> None:
    text = compare(f"long={runs}/long", runs / "short", "--format", kind, "--no-flops")
    assert sign in text
    assert "short" in text


def test_runs_on_different_utterances_are_refused_before_operations_are_counted(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emofuse.inference.flops.flops_per_utterance", lambda *_: pytest.fail("counted"))
    with pytest.raises(EmofuseError, match=r"were judged on different utterances.*--common"):
        compare(f"a={runs}/long", f"b={runs}/other fold")


def test_a_strange_format_is_a_mistake(runs: Path) -> None:
    with pytest.raises(EmofuseError, match="choose markdown, html, latex or csv"):
        compare(runs / "long", "--format", "word")
