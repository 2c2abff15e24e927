"""EmoDB in its published layout, quirks included."""

from pathlib import Path

import pytest

from emofuse.corpora import read_corpus
from emofuse.errors import EmofuseError
from tests.corpora.layouts import apple_double, put


def test_names_say_who_says_what_and_how(tmp_path: Path) -> None:
    for name in ("wav/03a01Fa.wav", "wav/16b10Lb.wav", "wav/08a05Wa.wav", "copy/03a01Fa.wav"):
        put(tmp_path, name)
    (tmp_path / "wav/08a05Wa.wav").rename(tmp_path / "wav/08a05Wa.flac")
    apple_double(tmp_path, "wav/03a01Fa.wav")
    for other in ("wav/03a03Fa.wav", "wav/04a01Fa.wav", "wav/03a01Xa.wav"):
        put(tmp_path, other)  # no such sentence, speaker or emotion
    put(tmp_path, "wav/03a01Fa.txt", "notes")
    corpus = read_corpus("emodb", tmp_path)
    manifest = corpus.manifest.validate()
    assert manifest.ids == ["03a01Fa", "08a05Wa", "16b10Lb"]
    frame = manifest.frame.set_index("id")
    assert frame["label"].to_dict() == {"03a01Fa": "happiness", "08a05Wa": "anger", "16b10Lb": "boredom"}
    assert frame["speaker"].to_dict() == {"03a01Fa": "03", "08a05Wa": "08", "16b10Lb": "16"}
    assert frame["sex"].to_dict() == {"03a01Fa": "male", "08a05Wa": "female", "16b10Lb": "female"}
    assert frame.loc["16b10Lb", "text"] == "Die wird auf dem Platz sein, wo wir sie immer hinlegen."
    assert manifest.utterance("08a05Wa").audio == tmp_path.resolve() / "wav/08a05Wa.flac"
    assert corpus.notes == ("1 recording found a second time and ignored",)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "03-01-06-01-02-01-12.wav")
    with pytest.raises(EmofuseError, match=r"no recordings such as wav/03a01Fa\.wav"):
        read_corpus("emodb", tmp_path)
