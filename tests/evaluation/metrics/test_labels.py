import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.labels import check_classes, check_same_length, class_indices

CLASSES = ("joy", "anger", "trauer")


@pytest.mark.parametrize(
    "values",
    [
        ["anger", "joy", "trauer"],
        [1, 0, 2],
        np.array([1, 0, 2], dtype=np.int32),
        np.array(["anger", "joy", "trauer"]),
        np.array(["anger", "joy", "trauer"], dtype=object),
        ("anger", 0, "trauer"),
    ],
)
def test_names_and_indices_are_the_same(values):
    assert class_indices(values, CLASSES, "y").tolist() == [1, 0, 2]


@pytest.mark.parametrize("bad", ["Joy", 3, -1, 1.0, True, None, float("nan")])
def test_what_is_no_label_is_named_with_its_row(bad):
    with pytest.raises(EmofuseError, match=r"y_pred, row 2: .* is not one of the labels joy, anger, trauer"):
        class_indices(["joy", bad], CLASSES, "y_pred")


def test_a_table_is_no_column_of_labels():
    with pytest.raises(EmofuseError, match=r"shape \(2, 3\)"):
        class_indices(np.zeros((2, 3), int), CLASSES, "y")


@pytest.mark.parametrize(("labels", "said"), [([], "at least one"), (["a", "a"], "twice"), ([0, 1], "names")])
def test_classes_must_be_distinct_names(labels, said):
    with pytest.raises(EmofuseError, match=said):
        check_classes(labels)


def test_lengths_must_agree_and_not_be_zero():
    assert check_same_length(a=[1, 2], b=np.zeros(2)) == 2
    with pytest.raises(EmofuseError, match="a has 1, b has 2"):
        check_same_length(a=[1], b=[1, 2])
    with pytest.raises(EmofuseError, match="nothing to evaluate"):
        check_same_length(a=[], b=[])
