import numpy as np
import pytest

from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.disagreements import disagreement_table, disagreements
from emofuse.evaluation.comparison.methods import on_same_utterances
from tests.evaluation.comparison.judged import judged, method


@pytest.fixture(scope="module")
def pair():
    return method("first", judged("a", 1.2, 1)), method("second", judged("b", 1.2, 2))


@pytest.fixture(scope="module")
def compared(pair):
    return compare_methods(on_same_utterances(pair)[0], bootstrap=100)


def test_those_come_first_that_one_has_right_in_turn_and_the_surest_of_them(pair, compared):
    found = disagreements(compared, {"d00t0": "hello"}, count=0)
    a, b = (m.rounds[0].set_index("id") for m in pair)
    differ = set(a.index[a["predicted"] != b["predicted"]])
    assert {each.id for each in found} == differ
    turns = [each.right for each in found]
    assert turns[:4] == [{"first"}, {"second"}, {"first"}, {"second"}]
    assert not any(turns[len([right for right in turns if right]) :]), "those that all have wrong come last"
    columns = ["p_anger", "p_joy", "p_sadness"]
    sure = (a[columns].max(axis=1) + b[columns].max(axis=1)) / 2
    lucky = [each.id for each in found if each.right == {"first"}]
    assert lucky == sorted(lucky, key=lambda i: -sure[i])


def test_answers_and_truth_are_those_of_the_tables(pair, compared):
    tables = {m.name: m.rounds[0].set_index("id") for m in pair}
    for each in disagreements(compared, count=7):
        assert each.truth == tables["first"].loc[each.id, "truth"]
        assert each.answers == {name: table.loc[each.id, "predicted"] for name, table in tables.items()}
        assert each.right == {name for name, said in each.answers.items() if said == each.truth}
    assert len(disagreements(compared, count=7)) == 7


def test_the_table_holds_all_of_them_with_their_words(compared):
    ids = compared.utterances["id"].tolist()
    table = disagreement_table(compared, {i: f"words of {i}" for i in ids})
    assert list(table.columns) == ["id", "speaker", "text", "truth", "said by first", "said by second"]
    assert (table["said by first"] != table["said by second"]).all()
    assert table["text"].tolist() == [f"words of {i}" for i in table["id"]]
    assert len(table) == len(disagreements(compared, count=0))


def test_methods_that_agree_have_none(pair):
    twin = method("twin", judged("a", 1.2, 1))
    found = compare_methods(on_same_utterances([pair[0], twin])[0], bootstrap=100)
    assert disagreements(found) == []
    assert len(disagreement_table(found, {})) == 0


def test_several_seeds_answer_by_majority():
    seeds = method("seeds", *(judged(f"s{s}", 1.0, s, run_seed=s) for s in range(3)))
    other = method("other", judged("o", 1.0, 9))
    found = compare_methods(on_same_utterances([other, seeds])[0], bootstrap=100)
    columns = np.array([table["predicted"] for table in seeds.rounds])
    for said, votes in zip(found.answers["seeds"], columns.T, strict=True):
        names, counts = np.unique(votes, return_counts=True)
        assert said == (names[counts.argmax()] if counts.max() > 1 else votes[0])
