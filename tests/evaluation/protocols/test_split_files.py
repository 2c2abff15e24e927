import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.protocol_info import Split
from emofuse.evaluation.protocols.split_files import read_split_file, write_split_file

# What a manifest's id can be: one line without control characters.
ids = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".JSON"])
@settings(max_examples=40, deadline=None)
@given(parts=st.lists(st.lists(ids, max_size=5), min_size=3, max_size=3))
def test_what_is_written_is_read_again(tmp_path_factory, suffix, parts):
    split = Split(*parts)
    path = tmp_path_factory.mktemp("split") / f"fold{suffix}"
    write_split_file(split, path)
    if any(parts):
        assert read_split_file(path) == split
    else:
        with pytest.raises(EmofuseError, match="holds no ids"):
            read_split_file(path)


def test_an_interrupted_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "fold.json"
    write_split_file(Split(["a"], ["b"], ["c"]), path)
    with pytest.raises(TypeError):
        write_split_file(Split(["a"], ["b"], [object()]), path)
    assert read_split_file(path) == Split(["a"], ["b"], ["c"])
    assert [file.name for file in tmp_path.iterdir()] == ["fold.json"]


def test_the_names_and_numbers_of_others_are_understood(tmp_path):
    path = tmp_path / "published.json"
    path.write_text(json.dumps({"Train": [1, 2], "dev": ["3"], "test": []}))
    assert read_split_file(path) == Split(["1", "2"], ["3"], [])
    path = tmp_path / "published.csv"
    path.write_bytes('\ufeffid,split,label\r\n1,train,joy\r\n"a,b",VALID,\r\n1,train,joy\r\n'.encode())
    assert read_split_file(path) == Split(["1", "1"], ["a,b"], [])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.json", b'{"train": ["a"]', "line 1: is not JSON"),
        ("s.json", b'["a", "b"]', "give an object"),
        ("s.json", b'{"train": "a"}', "give an object"),
        ("s.json", b'{"train": [["a"]]}', "which is no id"),
        ("s.json", b'{"train": [true]}', "True, which is no id"),
        ("s.json", b'{"train": [1.5]}', "1.5, which is no id"),
        ("s.json", b'{"train": ["a"], "fold1": ["b"]}', r"'fold1' \(id 'b'\) is no part"),
        ("s.json", b"{}", "holds no ids"),
        ("s.json", b'{"train": ["\xe9"]}', "not UTF-8"),
        ("s.json", b"[" * 100_000, "is not a split: it nests too deeply"),
        ("s.json", b'{"train": [' + b"9" * 5000 + b"]}", "is not a split: it holds a number of 5,000 digits"),
        ("s.csv", b"", "the columns id and split"),
        ("s.csv", b"id;part\na;train\n", "the columns id and split"),
        ("s.csv", b"id,split\na,train\nb\n", "row 2: id or split is empty"),
        ("s.csv", b"id,split\n,train\n", "row 1: id or split is empty"),
        ("s.csv", b"id,split\na,holdout\n", "'holdout'"),
        ("s.csv", b"id,split\n" + b"a" * 200_000 + b",train\n", "is not CSV"),
        ("s.csv", b"\x00\xff\xfe\x00", "not UTF-8"),
        ("s.txt", b"a train", "a .json or a .csv file"),
    ],
)
def test_unfit_files_are_one_clear_line(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(EmofuseError, match=said) as caught:
        read_split_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(EmofuseError, match=r"gone.json: cannot be read"):
        read_split_file(tmp_path / "gone.json")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(EmofuseError, match=r"folder.csv: cannot be read"):
        read_split_file(tmp_path / "folder.csv")


def test_a_split_is_not_written_in_another_form(tmp_path):
    with pytest.raises(EmofuseError, match=r"\.json or a \.csv"):
        write_split_file(Split(["a"], [], []), tmp_path / "fold.pkl")
    assert not list(tmp_path.iterdir())
