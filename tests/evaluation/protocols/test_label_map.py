import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.label_map import LabelMap, guess_label_map
from emofuse.evaluation.protocols.label_map_files import read_label_map, write_label_map

RUN = ["anger", "excited", "happiness", "sadness"]
TABLE = np.array([[0.1, 0.3, 0.4, 0.2], [0.0, 0.0, 1.0, 0.0]])


def test_without_a_map_labels_are_themselves():
    plain = LabelMap()
    assert plain.classes(RUN) == tuple(RUN)
    assert plain.truth(["anger", "sadness"]) == ["anger", "sadness"]
    np.testing.assert_allclose(plain.probabilities(TABLE, RUN), TABLE)
    plain.check(["anger"], RUN)
    assert list(plain.lines(RUN, RUN)) == []


def test_answers_that_count_as_one_are_added_up():
    merged = LabelMap(data={"joy": "glad"}, run={"excited": "glad", "happiness": "glad"})
    merged.check(["joy", "anger"], RUN)
    assert merged.classes(RUN) == ("anger", "glad", "sadness")
    np.testing.assert_allclose(merged.probabilities(TABLE, RUN), [[0.1, 0.7, 0.2], [0, 1, 0]])


def test_a_forbidden_answer_gives_its_probability_to_the_others():
    without = LabelMap(run={"happiness": None})
    assert without.classes(RUN) == ("anger", "excited", "sadness")
    np.testing.assert_allclose(
        without.probabilities(TABLE, RUN), [[1 / 6, 3 / 6, 2 / 6], [1 / 3, 1 / 3, 1 / 3]]
    )


def test_what_is_left_out_has_no_truth_and_is_told():
    map_ = LabelMap(data={"joy": "happiness", "awe": None})
    assert map_.truth(["joy", "awe", "anger"]) == ["happiness", None, "anger"]
    told = list(map_.lines(["joy", "joy", "awe", "anger"], RUN))
    assert told[:2] == ["awe: left out (1 utterance)", "joy counts as happiness (2 utterances)"]
    assert "no utterance is excited or sadness" in told[2]


@pytest.mark.parametrize(
    ("map_", "line"),
    [
        (LabelMap(), "does not know the labels awe, joy; the run knows anger, excited"),
        (LabelMap(data={"awe": None}), "does not know the labels joy;"),
        (LabelMap(data={"joy": "hapiness", "awe": None}), "joy → hapiness leads to no name"),
        (LabelMap(run={"joy": "happiness"}), "side run: 'joy' is no label of the run"),
        (LabelMap(run=dict.fromkeys(RUN)), "every label of the run is left out"),
        # A target must be a name that an answer counts as, not one that was merged away.
        (LabelMap(data={"joy": "happiness", "awe": None}, run={"happiness": "glad"}), "joy → happiness"),
    ],
)
def test_a_map_that_does_not_fit_is_one_clear_line(map_, line):
    with pytest.raises(EmofuseError, match=line) as told:
        map_.check(["joy", "awe", "anger"], RUN)
    assert "\n" not in str(told.value)


def test_the_guess_follows_the_emotion_and_leaves_out_what_it_cannot_place():
    guess = guess_label_map(["Happy", "angry", "sadness", "awe", "anger"], RUN)
    assert guess.data == {
        "Happy": "happiness",
        "angry": "anger",
        "sadness": "sadness",
        "awe": None,
        "anger": "anger",
    }
    guess.check(["Happy", "angry", "awe"], RUN)
    twice = guess_label_map(["joy"], ["happy", "happiness"])
    assert twice.data == {"joy": None}, "it must not choose between two forms by itself"


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".csv"])
def test_files_hold_a_map_whatever_its_labels_are(tmp_path, suffix):
    strange = {"no": "yes", "3": 'été: "quoted", 本', "null": None, " joy, really ": "anger"}
    map_ = LabelMap(data=strange, run={"a:b": "c"})
    write_label_map(map_, tmp_path / f"map{suffix}")
    assert read_label_map(str(tmp_path / f"map{suffix}")) == map_


def test_words_on_the_command_line_are_a_map():
    assert read_label_map("joy=happiness, awe=,run:excited=happiness,a:b=c") == LabelMap(
        data={"joy": "happiness", "awe": None, "a:b": "c"}, run={"excited": "happiness"}
    )


def test_a_plain_yaml_mapping_is_the_side_of_the_data(tmp_path):
    (tmp_path / "m.yaml").write_text("joy: happiness\nawe:\n", encoding="utf-8")
    assert read_label_map(str(tmp_path / "m.yaml")) == LabelMap(data={"joy": "happiness", "awe": None})


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("m.yaml", "data: {no: anger}", "False is not a label; put it between quotation marks"),
        (
            "m.yaml",
            "data: {joy: {a: b}}",
            "'joy': write what it counts as on the same line, one label or null",
        ),
        ("m.yaml", "[1, 2]", "give the sides data: and run:"),
        ("m.yaml", "data: {", "is not YAML"),
        ("m.csv", "a,b\n1,2\n", "must have the columns label and counts_as"),
        ("m.csv", "label,counts_as\njoy,a\njoy,b\n", "'joy' stands twice on side data"),
        ("m.csv", "side,label,counts_as\nruns,joy,a\n", "there is no side 'runs'"),
        ("m.csv", "label,counts_as\n,a\n", "row 1: the label is empty"),
    ],
)
def test_a_file_that_is_no_map_says_so(tmp_path, name, text, line):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(EmofuseError, match=line):
        read_label_map(str(tmp_path / name))


@pytest.mark.parametrize(("given", "line"), [("nowhere.yaml", "cannot be read"), ("joy", "write label=what")])
def test_words_that_are_no_map_say_so(given, line):
    with pytest.raises(EmofuseError, match=line):
        read_label_map(given)


def test_a_map_is_written_as_yaml_or_csv_only(tmp_path):
    with pytest.raises(EmofuseError, match=r"a \.yaml or a \.csv"):
        write_label_map(LabelMap(), tmp_path / "map.txt")
