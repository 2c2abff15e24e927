"""A class that stands in the test part alone is told before the training and in the report."""

from pathlib import Path

import pytest

from emofuse.errors import EmofuseWarning
from emofuse.evaluation import Split
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.runs.unlearnt import unlearnt_classes, unlearnt_line
from emofuse.training.fit import fit_run
from tests.small_runs import text_corpus, text_settings


def test_a_class_of_the_test_part_alone(tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path, dialogues=6)
    label = dict(zip(corpus.ids, corpus.frame["label"], strict=True))
    learnt = [id for id in corpus.ids[:24] if label[id] != "sadness"]
    split = Split(train=learnt[4:], val=learnt[:4], test=corpus.ids[24:])
    count = sum(label[id] == "sadness" for id in split.test)
    assert unlearnt_classes(corpus, split) == {"sadness": count}
    line = f"in the test part, and never in the training part: sadness ({count} utterances)"
    settings = text_settings(corpus, optimiser__epochs=1)
    with pytest.warns(EmofuseWarning) as told:
        folder = fit_run(settings, corpus, tmp_path / "run", split=split)
    assert [str(each.message) for each in told if "never in the training" in str(each.message)] == [
        f"{line}; no system can be right there"
    ]
    report = write_run_report(evaluate_fit(folder, corpus), corpus)
    assert f"I{line[1:]}" in report.markdown.read_text()


def test_nothing_is_said_where_all_are_learnt(tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path, dialogues=6)
    assert unlearnt_line(corpus, Split(corpus.ids[:24], corpus.ids[24:30], corpus.ids[30:])) == ""
