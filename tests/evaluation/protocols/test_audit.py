import json
from itertools import pairwise

import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.audit import audit
from emofuse.evaluation.protocols.audit_folds import AuditedSplit, audit_protocol
from emofuse.evaluation.protocols.protocol_info import Split
from emofuse.evaluation.protocols.splits import splits


def manifest_of(**columns):
    return Manifest.from_frame(pd.DataFrame(columns), root=".")


def leaky():
    return manifest_of(
        id=["a", "b", "c", "d", "e", "f"],
        dialogue=["1", "1", "2", "2", "3", "4"],
        speaker=["Ann", "Bo", "Ann", None, "Cy", None],
        text=["Oh my God!", "Yeah", "  oh  MY god! ", "yeah", "Ｏh my god!", ""],
        video=["x/1.mp4", "x/2.mp4", "x/./2.mp4", None, "x\\1.mp4", None],
        audio=[None, None, None, "x/2.mp4", None, None],
        label=["joy"] * 6,
    )


def test_every_kind_of_leak_is_counted():
    report = audit(leaky(), Split(train=["a", "b"], val=[], test=["c", "d", "e", "f"]))
    assert report.sizes == {"train": 2, "val": 0, "test": 4}
    (pair,) = report.pairs
    assert pair is report.pair("train", "test")
    assert (pair.dialogues.values, pair.dialogues.utterances) == (0, 0)
    assert (pair.speakers.values, pair.speakers.utterances, pair.speakers.fraction) == (1, 1, 0.25)
    assert pair.speakers.examples == ("Ann",)
    assert (pair.texts.values, pair.texts.utterances) == (2, 3)
    assert (pair.long_texts.values, pair.long_texts.utterances) == (1, 2)
    assert (pair.media.values, pair.media.utterances) == (2, 3)  # c by picture, d by sound, e by a backslash
    assert pair.ids.values == 0


def test_absent_values_are_never_shared():
    report = audit(leaky(), Split(train=["d"], val=[], test=["f"]))
    assert report.flags == []
    assert report.lines() == ["utterances: train 1, val 0, test 1", "train/test share nothing"]


def test_all_pairs_are_judged_on_their_second_part():
    report = audit(leaky(), Split(train=["a"], val=["b"], test=["c", "d"]))
    assert [pair.name for pair in report.pairs] == ["train/val", "train/test", "val/test"]
    assert report.pair("train", "val").dialogues.fraction == 1
    assert report.pair("train", "test").speakers.fraction == 0.5
    assert report.pair("val", "test").texts.utterances == 1
    assert report.pair("val", "test").long_texts.utterances == 0


def test_flags_say_what_is_shared_and_forgive_short_texts():
    report = audit(leaky(), Split(train=["a"], val=["b"], test=["c", "d"]))
    assert "train/val share 1 dialogues (1 utterance, 100.0 % of val)" in report.flags
    assert "train/test share 1 speakers (1 utterance, 50.0 % of test)" in report.flags
    assert (
        "train/test share 1 identical texts of 3 words or more (1 utterance, 50.0 % of test)" in report.flags
    )
    assert not any(flag.startswith("val/test share 1 identical") for flag in report.flags)
    assert "val/test share 1 identical texts (1 utterance, 50.0 % of test)" in report.lines()


def test_ids_in_two_parts_and_twice_in_one_are_told():
    report = audit(leaky(), Split(train=["a", "b", "b"], val=["a"], test=["f"]))
    assert report.pair("train", "val").ids.examples == ("a",)
    assert report.repeated_ids == ("b",)
    assert any("more than once in one part: 1 (b)" in flag for flag in report.flags)
    assert report.sizes["train"] == 3


def test_ids_that_the_manifest_lacks_are_told_and_the_rest_is_judged():
    ids = [f"x{i}" for i in range(7)]
    report = audit(leaky(), Split(train=["a"], val=[], test=["c", *ids]))
    assert report.unknown_ids == tuple(ids)
    assert report.lines()[-1].endswith("not in the manifest: 7 (x0, x1, x2, x3, x4, …)")
    assert report.pair("train", "test").speakers.fraction == 1
    with pytest.raises(EmofuseError, match="none of the split's 2 ids"):
        audit(leaky(), Split(["x"], [], ["y"]))
    with pytest.raises(EmofuseError, match="none of the split's 0 ids"):
        audit(leaky(), Split([], [], []))


def test_scripts_without_spaces_have_long_texts_too():
    manifest = manifest_of(id=["a", "b", "c", "d"], text=["我真的很高兴", "我真的很高兴", "是的", "是的"])
    pair = audit(manifest, Split(["a", "c"], [], ["b", "d"])).pair("train", "test")
    assert pair.texts.utterances == 2
    assert pair.long_texts.examples == ("我真的很高兴",)


def test_the_report_is_plain_for_json():
    report = audit(leaky(), Split(["a"], ["b"], ["c", "d"]))
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["pairs"]["train/test"]["speakers"]["examples"] == ["Ann"]
    assert plain["flags"] == report.flags


def test_protocols_leak_what_they_say():
    rows = [(p, d, t) for p in range(4) for d in range(5) for t in range(6)]
    manifest = manifest_of(
        id=[f"{p}{d}{t}" for p, d, t in rows],
        dialogue=[f"{p}{d}" for p, d, _ in rows],
        speaker=[f"{p}{t % 2}" for p, _, t in rows],
        label=["joy", "anger", "fear"] * 40,
    )

    def leaks(protocol):
        reports = [audit(manifest, split) for split in splits(manifest, protocol, k=4)]
        pairs = [report.pair("train", "test") for report in reports]
        return {kind for pair in pairs for kind in ("dialogues", "speakers") if getattr(pair, kind).values}

    assert leaks("speaker") == set()
    assert leaks("dialogue") == {"speakers"}
    assert leaks("random-kfold") == {"speakers", "dialogues"}


def scripted(speakers=12, sentences=3):
    """As CREMA-D and RAVDESS are: everybody says the same few sentences in every emotion."""
    rows = [(p, t, e) for p in range(speakers) for t in range(sentences) for e in ("joy", "anger")]
    return manifest_of(
        id=[f"{p}-{t}-{e}" for p, t, e in rows],
        dialogue=[f"{p}-{t}-{e}" for p, t, e in rows],
        speaker=[f"actor {p}" for p, _, _ in rows],
        text=[f"this is sentence number {t}" for _, t, _ in rows],
        audio=[f"{p}/{t}{e}.wav" for p, t, e in rows],
        label=[e for *_, e in rows],
    )


def parts_of(manifest, *bounds):
    """A split whose parts are the rows up to each bound."""
    ids, edges = manifest.ids, (0, *bounds)
    return Split(*(ids[a:b] for a, b in pairwise(edges)))


def test_the_texts_of_a_script_are_named_once_and_raise_no_flag():
    manifest = scripted()
    report = audit(manifest, parts_of(manifest, 48, 60, 72))
    assert (report.script, report.flags) == (3, [])
    assert report.lines() == [
        "utterances: train 48, val 12, test 12",
        *(f"{pair} share nothing else" for pair in ("train/val", "train/test", "val/test")),
        "the texts are a script: every part holds all 3 of them, each more than once",
    ]
    assert report.pair("train", "test").long_texts.utterances == 12  # still counted for who reads the JSON
    assert report.to_dict()["script"] == 3
    assert report.script_note == report.lines()[-1]


def test_a_script_hides_no_other_leak():
    manifest = scripted()
    report = audit(manifest, parts_of(manifest, 51, 60, 72))
    assert report.flags == ["train/val share 1 speakers (3 utterances, 33.3 % of val)"]


@pytest.mark.parametrize("text", ["a sentence of one part only", "this is sentence number 0"])
def test_one_part_that_lacks_a_text_or_has_it_once_makes_it_no_script(text):
    manifest = scripted(sentences=2)
    frame = manifest.frame.copy()
    frame.loc[frame.index[-3:], "text"] = text  # the last part: ids of sentence 1, and one of sentence 0
    report = audit(Manifest.from_frame(frame, root="."), parts_of(manifest, 40, 44, 48))
    assert report.script == 0
    assert any("identical texts of 3 words" in flag for flag in report.flags)


def test_a_copied_corpus_is_no_script():
    said = [f"a natural sentence, the {i}th" for i in range(6)]
    manifest = manifest_of(id=[*"abcdefghijkl"], text=said + said, label=["joy"] * 12)
    report = audit(manifest, Split(list("abcdef"), [], list("ghijkl")))
    assert report.script == 0
    assert report.flags == [
        "train/test share 6 identical texts of 3 words or more (6 utterances, 100.0 % of test)"
    ]
    # Told once, since every shared text is a long one; and a person knows which of both it is.
    assert report.lines()[1:] == report.flags
    assert report.script_note.startswith("where the texts are a script that everybody says they are no leak")
    folds = AuditedSplit("s", "", False, (report, report))
    assert sum("identical texts" in line for line in folds.lines()) == 1


def test_texts_are_no_leak_where_the_run_reads_none():
    split = Split(train=["a"], val=["b"], test=["c", "d"])
    flags = audit(leaky(), split, modalities=("text", "audio")).flags
    assert flags == audit(leaky(), split).flags
    unread = audit(leaky(), split, modalities=("audio", "video"))
    assert unread.flags == [flag for flag in flags if "texts" not in flag]
    note = "identical texts are no leak, because the run does not read text"
    assert unread.lines()[-1] == note
    assert "identical texts of" not in "".join(unread.lines()[:-1])
    silent = audit(leaky(), Split(["d"], [], ["f"]), modalities=("audio",))
    assert note not in silent.lines()


def test_folds_say_it_once_too():
    audited = audit_protocol(scripted(), "speaker", k=3, seed=0, val_fraction=0.2)
    assert audited.warnings() == []
    assert audited.lines()[2:] == [
        "  the parts share nothing else in any fold",
        "  the texts are a script: every part holds all 3 of them, each more than once",
    ]
    read = audit_protocol(leaky(), "random-kfold", k=2, seed=0, val_fraction=0.3, modalities=("video",))
    assert not any("texts of" in line for line in [*read.warnings(), *read.lines()])


def test_the_two_sentences_of_ravdess_are_a_script(shared_ravdess):
    manifest = Manifest.read(shared_ravdess / "manifest.csv")
    audited = audit_protocol(manifest, "speaker", k=5, seed=0, val_fraction=0.15)
    assert [fold.script for fold in audited.folds] == [2] * 5
    assert audited.warnings() == []
    told = [line for line in audited.lines() if "text" in line]
    assert told == ["  the texts are a script: every part holds all 2 of them, each more than once"]


def test_the_published_parts_of_meld_share_speakers_and_lines(shared_meld):
    frames = [
        pd.read_csv(shared_meld / f"{part}_sent_emo.csv").assign(part=part) for part in ("train", "dev")
    ]
    meld = pd.concat(frames, ignore_index=True)
    dialogue = meld["part"] + meld["Dialogue_ID"].astype(str)
    ids = dialogue + "_" + meld["Utterance_ID"].astype(str)
    manifest = manifest_of(id=ids, dialogue=dialogue, speaker=meld["Speaker"], text=meld["Utterance"])
    train, dev = (ids[meld["part"] == part].tolist() for part in ("train", "dev"))
    pair = audit(manifest, Split(train, [], dev)).pair("train", "test")
    assert pair.dialogues.values == 0
    assert {"Chandler", "Joey", "Monica", "Phoebe", "Rachel", "Ross"} <= set(
        meld["Speaker"][meld["part"] == "dev"]
    )
    assert pair.speakers.fraction > 0.8
    assert 0 < pair.long_texts.utterances < pair.texts.utterances < len(dev) / 2
