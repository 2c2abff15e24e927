import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.folds import fold_numbers
from emofuse.evaluation.protocols.protocol_info import PROTOCOLS, Split, protocol_info
from emofuse.evaluation.protocols.splits import protocol_note, splits

SEEDS = st.integers(0, 2**32 - 1)


def manifest_of(**columns):
    return Manifest.from_frame(pd.DataFrame(columns), root=".")


def corpus(pairs=6, dialogues=4, turns=6, seed=0, **more):
    """Pairs of people who only talk with each other."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "id": f"p{pair}d{dialogue}t{turn:02d}",
            "dialogue": f"p{pair}d{dialogue}",
            "speaker": f"p{pair}{'AB'[turn % 2]}",
            "label": rng.choice(["joy", "anger", "neutral"]),
            "group": f"session {pair}",
        }
        for pair in range(pairs)
        for dialogue in range(dialogues)
        for turn in range(turns)
    ]
    return manifest_of(**(pd.DataFrame(rows).to_dict("list") | more))


@st.composite
def manifests(draw):
    """Corpora of any shape: shared speakers, one-line dialogues, rows without a label, a valence instead."""
    n = draw(st.integers(2, 60))

    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    names = st.sampled_from(["Ünal", "Zoë", "李", "d", "e", "f", "g"])
    return manifest_of(
        id=[f"u{i}" for i in draw(st.permutations(range(n)))],
        dialogue=column(st.integers(0, draw(st.integers(1, 20))).map(str)),
        speaker=column(names),
        group=column(st.sampled_from(["s1", "s2", "s3"])),
        label=column(st.sampled_from([None, "joy", "anger", "neutral"])),
        valence=column(st.one_of(st.none(), st.floats(-3, 3))),
        split=column(st.sampled_from([None, "train", "train", "val", "test"])),
    )


def split_or_skip(manifest, protocol, k, seed, **more):
    try:
        return splits(manifest, protocol, k=k, seed=seed, **more)
    except EmofuseError:
        assume(False)


def labelled(manifest):
    frame = manifest.frame
    return set(frame["id"][frame["label"].notna() | frame["valence"].notna()])


def values(manifest, ids, column):
    frame = manifest.frame.set_index("id")
    return set(frame.loc[ids, column])


@settings(max_examples=25, deadline=None)
@given(manifests(), st.sampled_from(sorted(PROTOCOLS)), st.integers(2, 6), SEEDS)
def test_parts_are_disjoint_and_hold_labelled_rows_only(manifest, protocol, k, seed):
    for split in split_or_skip(manifest, protocol, k, seed):
        parts = [set(part) for part in split]
        assert sum(map(len, split)) == len(set().union(*parts))
        assert set().union(*parts) <= labelled(manifest)
        assert split.train
        assert split.test
        assert split.val or len(split.train) == 1
        assert all(part == sorted(part) for part in split)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=12), st.integers(2, 12), SEEDS, st.data())
def test_no_fold_is_empty_however_uneven_the_groups(sizes, k, seed, data):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    strata = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(groups), max_size=len(groups))))
    k = min(k, len(sizes))
    folds = fold_numbers(strata, groups, k, seed)
    assert set(folds) == set(range(k))
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))


@settings(max_examples=25, deadline=None)
@given(manifests(), st.sampled_from(sorted(set(PROTOCOLS) - {"official"})), st.integers(2, 6), SEEDS)
def test_every_labelled_row_is_tested_exactly_once(manifest, protocol, k, seed):
    folds = split_or_skip(manifest, protocol, k, seed)
    tested = [id for split in folds for id in split.test]
    assert sorted(tested) == sorted(labelled(manifest))
    for split in folds:
        assert set().union(*split) == labelled(manifest)
    if protocol != "session":
        assert len(folds) == k


@settings(max_examples=25, deadline=None)
@given(
    manifests(),
    st.sampled_from([("session", "group"), ("speaker", "speaker"), ("dialogue", "dialogue")]),
    st.integers(2, 6),
    SEEDS,
)
def test_no_group_stands_on_two_sides(manifest, named, k, seed):
    protocol, column = named
    for split in split_or_skip(manifest, protocol, k, seed):
        rest = values(manifest, [*split.train, *split.val], column)
        assert not rest & values(manifest, split.test, column)
        if len(rest) > 1:
            assert not values(manifest, split.train, column) & values(manifest, split.val, column)


@settings(max_examples=25, deadline=None)
@given(manifests(), st.sampled_from(sorted(PROTOCOLS)), st.integers(2, 4), SEEDS)
def test_the_same_seed_gives_the_same_split_in_any_order_of_rows(manifest, protocol, k, seed):
    first = split_or_skip(manifest, protocol, k, seed)
    assert splits(manifest, protocol, k=k, seed=seed) == first
    shuffled = manifest.frame.sample(frac=1, random_state=seed)
    assert splits(Manifest.from_frame(shuffled, manifest.root), protocol, k=k, seed=seed) == first


@pytest.mark.parametrize("protocol", ["dialogue", "random-kfold"])
def test_another_seed_gives_another_split(protocol):
    manifest = corpus()
    assert splits(manifest, protocol, k=3, seed=1) != splits(manifest, protocol, k=3, seed=2)


@pytest.mark.parametrize("protocol", ["speaker", "dialogue", "session"])
def test_validation_is_as_disjoint_as_the_test(protocol):
    manifest = corpus()
    column = {"session": "group"}.get(protocol, protocol)
    for split in splits(manifest, protocol, k=3):
        sides = [values(manifest, part, column) for part in split]
        assert len(set().union(*sides)) == sum(map(len, sides))


def test_labels_and_shares_are_kept():
    manifest = corpus(pairs=10, dialogues=10, turns=10)
    whole = manifest.frame["label"].value_counts(normalize=True)
    for protocol in ("dialogue", "random-kfold"):
        for split in splits(manifest, protocol, k=5, val_fraction=0.2):
            assert len(split.test) == pytest.approx(200, abs=15)
            assert len(split.val) == pytest.approx(160, abs=15)
            for part in split:
                share = manifest.select(part).frame["label"].value_counts(normalize=True)
                assert (share - whole).abs().max() < 0.05


def test_speakers_who_talk_together_are_kept_together():
    manifest = corpus(pairs=6)
    assert "kept whole" in protocol_note(manifest, "speaker", k=6)
    for split in splits(manifest, "speaker", k=6):
        assert len(values(manifest, split.test, "speaker")) == 2
        assert not values(manifest, split.test, "dialogue") & values(manifest, split.train, "dialogue")
        assert not values(manifest, split.val, "dialogue") & values(manifest, split.train, "dialogue")


def test_more_folds_than_circles_divide_by_speaker_alone():
    manifest = corpus(pairs=6)
    assert "speaker alone" in protocol_note(manifest, "speaker", k=12)
    folds = splits(manifest, "speaker", k=12)
    assert all(len(values(manifest, split.test, "speaker")) == 1 for split in folds)
    assert any(values(manifest, s.test, "dialogue") & values(manifest, s.train, "dialogue") for s in folds)


def test_one_big_circle_does_not_make_one_fold():
    # Four people in one circle have most of the corpus; two others talk to nobody.
    manifest = manifest_of(
        id=[f"u{i:03d}" for i in range(100)],
        dialogue=["big"] * 90 + ["x"] * 5 + ["y"] * 5,
        speaker=[f"s{i % 4}" for i in range(90)] + ["x"] * 5 + ["y"] * 5,
        label=["joy", "anger"] * 50,
    )
    assert "speaker alone" in protocol_note(manifest, "speaker", k=3)
    assert max(len(split.test) for split in splits(manifest, "speaker", k=3)) < 50


def test_sessions_are_left_out_in_order():
    manifest = corpus(pairs=5)
    folds = splits(manifest, "session", k=99)
    assert [values(manifest, split.test, "group") for split in folds] == [{f"session {i}"} for i in range(5)]
    assert all(len(values(manifest, split.val, "group")) == 1 for split in folds)


def test_two_sessions_leave_validation_to_dialogues():
    manifest = corpus(pairs=2)
    for split in splits(manifest, "session"):
        assert not values(manifest, split.val, "dialogue") & values(manifest, split.train, "dialogue")
        assert len(split.val) == 6


def test_random_folds_put_dialogues_and_speakers_on_both_sides():
    assert [info.name for info in PROTOCOLS.values() if info.optimistic] == ["random-kfold"]
    manifest = corpus()
    for split in splits(manifest, "random-kfold", k=10):
        assert values(manifest, split.test, "dialogue") & values(manifest, split.train, "dialogue")
        assert values(manifest, split.test, "speaker") & values(manifest, split.train, "speaker")


OFFICIAL = ["train"] * 16 + ["dev"] * 4 + ["test"] * 4


def official(**more):
    columns = {
        "id": [f"u{i:02d}" for i in range(24)],
        "dialogue": [f"d{i // 4}" for i in range(24)],
        "label": ["joy", "anger"] * 12,
        "split": OFFICIAL,
    }
    return manifest_of(**(columns | more))


def test_official_parts_are_the_publishers():
    manifest = official()
    (split,) = splits(manifest, "official")
    assert split == Split(manifest.ids[:16], manifest.ids[16:20], manifest.ids[20:])
    assert "publishers" in protocol_note(manifest, "official")


def test_without_a_val_part_one_is_carved_by_dialogue():
    manifest = official(split=["train"] * 20 + ["test"] * 4)
    (split,) = splits(manifest, "official")
    assert split.test == manifest.ids[20:]
    assert len(split.val) == 4
    assert len(values(manifest, split.val, "dialogue")) == 1
    assert not values(manifest, split.val, "dialogue") & values(manifest, split.train, "dialogue")
    assert "no labelled val part" in protocol_note(manifest, "official")


@pytest.mark.parametrize(
    "change",
    [
        {"split": ["train"] * 16 + ["dev"] * 4 + [None] * 4},
        {"label": ["joy", "anger"] * 10 + [None] * 4},
    ],
)
def test_without_a_test_part_val_is_the_test_and_nothing_stops_on_it(change):
    manifest = official(**change)
    (split,) = splits(manifest, "official")
    assert split.test == manifest.ids[16:20]
    assert set(split.train) | set(split.val) == set(manifest.ids[:16])
    assert len(split.val) == 4
    assert "val is the test" in protocol_note(manifest, "official")


def test_official_without_parts_to_judge_on_is_refused():
    for change in (["train"] * 24, ["dev"] * 12 + ["test"] * 12, [None] * 24):
        with pytest.raises(EmofuseError, match="fill the column split"):
            splits(official(split=change), "official")
    with pytest.raises(EmofuseError, match="id 'u23': split 'holdout'"):
        splits(official(split=[*OFFICIAL[:-1], "holdout"]), "official")


def test_valences_are_balanced_where_there_are_no_labels():
    rng = np.random.default_rng(0)
    valence = rng.normal(size=400).clip(-3, 3)
    manifest = manifest_of(id=[f"u{i:03d}" for i in range(400)], valence=valence)
    signs = pd.Series(np.sign(valence), index=manifest.ids)
    for split in splits(manifest, "random-kfold", k=5):
        assert signs[split.test].mean() == pytest.approx(signs.mean(), abs=0.06)


def test_a_corpus_of_a_few_rows_splits_in_silence():
    manifest = manifest_of(
        id=["a", "b", "c"], speaker=["x", "y", "z"], label=["joy", "anger", "fear"], dialogue=["1", "1", "2"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds = splits(manifest, "speaker", k=3)
    assert sorted(len(part) for split in folds for part in split) == [1] * 9


@pytest.mark.parametrize(
    ("protocol", "options", "said"),
    [
        ("speaker", {"k": 13}, "k=13 folds need at least 13 speakers, and there are 12: use k=12 or less"),
        ("dialogue", {"k": 25}, "25 dialogues, and there are 24"),
        ("random-kfold", {"k": 1000}, "1000 labelled utterances, and there are 144"),
        ("dialogue", {"k": 1}, "k=1: cross-validation needs at least 2 folds"),
        ("random", {}, "protocol: 'random' is none of official, session, .*; perhaps 'random-kfold'"),
        ("dialogue", {"val_fraction": 0.0}, "val_fraction=0.0"),
        ("dialogue", {"val_fraction": 0.6}, "val_fraction=0.6"),
    ],
)
def test_impossible_wishes_are_refused(protocol, options, said):
    with pytest.raises(EmofuseError, match=said):
        splits(corpus(), protocol, **options)


def test_a_column_that_is_needed_and_empty_is_named():
    ids, label = [f"u{i}" for i in range(6)], ["joy", "anger"] * 3
    with pytest.raises(
        EmofuseError, match=r"needs the column speaker .* 2 of them lack it \(the first is id 'u1'\)"
    ):
        splits(manifest_of(id=ids, label=label, speaker=["a", None, "b", "a", None, "b"]), "speaker", k=2)
    with pytest.raises(EmofuseError, match=r"needs the column group .* another protocol, such as dialogue$"):
        splits(manifest_of(id=ids, label=label), "session")
    with pytest.raises(
        EmofuseError, match=r"needs the column speaker .* another protocol, such as official$"
    ):
        splits(manifest_of(id=ids, label=label, split=["train", "test"] * 3), "speaker")
    with pytest.raises(EmofuseError, match="and there is 1"):
        splits(manifest_of(id=ids, label=label, group=["one"] * 6), "session")
    with pytest.raises(EmofuseError, match="there are 1: choose another protocol"):
        splits(manifest_of(id=ids, label=label, speaker=["a"] * 6), "speaker", k=2)
    with pytest.raises(EmofuseError, match="random-kfold under another name"):
        splits(manifest_of(id=ids, label=label), "dialogue", k=2)


def test_manifests_without_anything_to_learn_or_with_doubtful_ids_are_refused():
    with pytest.raises(EmofuseError, match="nothing to train on"):
        splits(manifest_of(id=["a", "b"], text=["hello", "you"]), "random-kfold", k=2)
    with pytest.raises(EmofuseError, match="'a' stands twice"):
        splits(manifest_of(id=["a", "a"], label=["x", "y"]), "random-kfold", k=2)
    with pytest.raises(EmofuseError, match="has no id"):
        splits(manifest_of(id=["a", None], label=["x", "y"]), "random-kfold", k=2)


def test_the_list_of_protocols_cannot_be_changed():
    with pytest.raises(TypeError):
        PROTOCOLS["mine"] = protocol_info("official")


def test_meld_has_one_circle_and_evaluates_on_dev(shared_meld):
    frames = [
        pd.read_csv(shared_meld / f"{part}_sent_emo.csv").assign(part=part) for part in ("train", "dev")
    ]
    meld = pd.concat(frames, ignore_index=True)
    dialogue = meld["part"] + meld["Dialogue_ID"].astype(str)
    manifest = manifest_of(
        id=dialogue + "_" + meld["Utterance_ID"].astype(str),
        dialogue=dialogue,
        speaker=meld["Speaker"],
        label=meld["Emotion"],
        split=meld["part"],
    )
    (split,) = splits(manifest, "official")
    assert len(split.test) == 1109
    assert len(split.val) == pytest.approx(999, abs=10)
    assert "val is the test" in protocol_note(manifest, "official")
    assert "speaker alone" in protocol_note(manifest, "speaker")
    for fold in splits(manifest, "speaker", k=5):
        assert not values(manifest, fold.test, "speaker") & values(manifest, fold.train, "speaker")
