"""What the user writes after --map and --split."""

from pathlib import Path

import pytest

from emofuse.corpora import TableMapping, parse_map, parse_splits
from emofuse.errors import EmofuseError


def test_map() -> None:
    assert parse_map("text=Utterance, label = Emotion").columns == {"text": "Utterance", "label": "Emotion"}
    assert parse_map('"text=what, who",speaker=Sr No.').columns == {"text": "what, who", "speaker": "Sr No."}
    assert parse_map("text=a=b").columns == {"text": "a=b"}
    assert parse_map("video=x") == TableMapping({"video": "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "map: is empty; write it as in --map text=Utterance,label=Emotion"),
        ("text", "map: 'text' is not of the form name=value"),
        ("text=", "map: 'text=' is not of the form"),
        ("=Utterance", "map: '=Utterance' is not of the form"),
        ("text=a,,label=b", "map: '' is not of the form"),
        ("text=a,text=b", "map: text is given twice"),
        (
            "text=a,lable=b",
            "map: 'lable' is no column of a manifest; perhaps 'label'; they are id, dialogue, turn",
        ),
        ("text=a,ident=b", "map: 'ident' is no column of a manifest; perhaps 'id'; they are id"),
        ("text=a,Dialog=b", "map: 'Dialog' is no column of a manifest; perhaps 'dialogue'; they are id"),
        ("text=a,xyz=b", "map: 'xyz' is no column of a manifest; they are id"),
        ("label=b,speaker=c", "map: name a column for text, video or audio"),
        ('"text=a', "map: '\"text=a' cannot be read"),
    ],
)
def test_map_mistakes(text: str, message: str) -> None:
    with pytest.raises(EmofuseError) as caught:
        parse_map(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_splits() -> None:
    assert parse_splits("train=a.csv,dev=b.csv") == {"train": (Path("a.csv"),), "val": (Path("b.csv"),)}
    assert parse_splits("Train=a.csv,train=b.csv") == {"train": (Path("a.csv"), Path("b.csv"))}
    assert parse_splits('"test=my, folder/a.csv"') == {"test": (Path("my, folder/a.csv"),)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "split: is empty; write it as in --split train=train.csv,val=dev.csv"),
        ("a.csv", "split: 'a.csv' is not of the form name=value"),
        ("fold1=a.csv", "split: 'fold1' is not one of train, val, test (or dev, valid, validation for val)"),
    ],
)
def test_split_mistakes(text: str, message: str) -> None:
    with pytest.raises(EmofuseError) as caught:
        parse_splits(text)
    assert str(caught.value).startswith(message)
