import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec
from emofuse.encoders.hf_text import HFTextEncoder
from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore, TextInContext, extract_features
from tests.encoders.conftest import BERT_SPECIALS, ROBERTA_SPECIALS, WORDS, save_tokenizer

TEXTS = [
    "i am so happy today !",
    "not",
    "",
    "what a day , what a very sad day",
    "日本語",
    "the train leaves at nine .",
]


def encoder(folder, **options) -> HFTextEncoder:
    return HFTextEncoder(EncoderSpec(modality="text", name=str(folder), **options))


@pytest.fixture(params=["bert_folder", "roberta_folder"])
def folder(request):
    return request.getfixturevalue(request.param)


def slow_states(folder, text: str) -> np.ndarray:
    """The library's own states for one text without any padding."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        inputs = tokenizer(text, return_tensors="pt")
        return model(input_ids=inputs["input_ids"]).last_hidden_state[0].numpy()


@pytest.mark.parametrize("pooling", ["cls", "mean", "tokens"])
def test_features_are_the_librarys_states_pooled(folder, pooling):
    found = encoder(folder, pooling=pooling, batch_size=3).encode(TEXTS)
    for text, features in zip(TEXTS, found, strict=True):
        states = slow_states(folder, text)
        expected = {"cls": states[0], "mean": states.mean(axis=0), "tokens": states}[pooling]
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, atol=2e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean", "tokens"])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_padding_batch_and_order_change_nothing(folder, pooling, batch_size):
    some = encoder(folder, pooling=pooling, batch_size=batch_size)
    together, backwards = some.encode(TEXTS), some.encode(TEXTS[::-1])
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(together[row], some.encode([text])[0], atol=2e-6)
        np.testing.assert_allclose(together[row], backwards[-1 - row], atol=2e-6)


def test_texts_of_like_length_share_a_batch(bert_folder, monkeypatch):
    some = encoder(bert_folder, batch_size=2)
    shapes = []
    forward = some._forward
    monkeypatch.setattr(
        some,
        "_forward",
        lambda batch: shapes.append([len(one.tokens["input_ids"]) for one in batch]) or forward(batch),
    )
    some.encode(["i", "i am so very happy today", "you", "you are not very sad today"])
    assert shapes == [[8, 8], [3, 3]]


def test_long_texts_are_cut_at_max_length(folder):
    long = "happy " * 200
    whole = encoder(folder, pooling="tokens")
    assert whole.identity.sampling["max_length"] == 48
    assert len(whole.encode([long])[0]) == 48
    short = encoder(folder, pooling="tokens", max_length=10)
    assert len(short.encode([long])[0]) == 10
    assert short.identity.digest != whole.identity.digest
    with pytest.raises(EmofuseError, match="max_length 49 is more than the 48 tokens"):
        encoder(folder, max_length=49)


def test_identity_is_that_of_the_content_and_of_the_settings(bert_folder, tmp_path):
    copy = shutil.copytree(bert_folder, tmp_path / "another name")
    assert encoder(copy).identity == encoder(bert_folder).identity
    identity = encoder(bert_folder).identity
    assert (identity.name, identity.dim, identity.pooling) == ("bert", 32, "mean")
    others = [
        encoder(bert_folder, pooling="cls"),
        HFTextEncoder(EncoderSpec(modality="text", name=str(bert_folder)), dtype=torch.bfloat16),
    ]
    assert len({identity.digest, *(other.identity.digest for other in others)}) == 3
    assert encoder(bert_folder, batch_size=3).identity == identity


def test_lower_precision_gives_nearly_the_same(bert_folder):
    spec = EncoderSpec(modality="text", name=str(bert_folder))
    full, half = HFTextEncoder(spec).encode(TEXTS), HFTextEncoder(spec, "cpu", torch.bfloat16).encode(TEXTS)
    assert half.dtype == np.float32
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(full, half, atol=0.05)


def test_no_texts_and_broken_surrogates(bert_folder):
    some = encoder(bert_folder)
    assert some.encode([]).shape == (0, 32)
    assert np.isfinite(some.encode(["half \ud83d a pair"])).all()


def test_a_text_without_any_token_is_zero(bert_folder, tmp_path):
    """Where the tokeniser adds no special tokens, an empty text has nothing to pool."""
    copy = shutil.copytree(bert_folder, tmp_path / "bare")
    save_tokenizer(copy, BERT_SPECIALS, add_specials=False)
    mean = encoder(copy).encode(["", "happy", "  "])
    assert not mean[[0, 2]].any()
    assert mean[1].any()
    assert [len(row) for row in encoder(copy, pooling="tokens").encode(["", "so happy"])] == [0, 2]
    assert not encoder(copy).encode(["", ""]).any()


def test_no_gradients_and_no_training_mode(bert_folder):
    some = encoder(bert_folder)
    np.testing.assert_array_equal(some.encode(TEXTS), some.encode(TEXTS))  # dropout is off


def test_what_is_no_text_encoder_is_refused(speech_folders):
    with pytest.raises(EmofuseError, match="a wav2vec2 model is not a text encoder"):
        encoder(speech_folders["wav2vec2", "layer"])


def test_a_tokenizer_that_is_missing_or_another_models_is_refused(bert_folder, tmp_path):
    """The library would make one without a word in it, and every text would look alike."""
    bare = shutil.copytree(bert_folder, tmp_path / "bare")
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (bare / file).unlink(missing_ok=True)
    with pytest.raises(EmofuseError, match="files of its tokeniser are missing"):
        encoder(bare)
    save_tokenizer(bare, BERT_SPECIALS, words=[*WORDS, *map(str, range(50))])
    with pytest.raises(EmofuseError, match="tokens and the model only 64"):
        encoder(bare)


def test_a_damaged_tokenizer_is_one_line(bert_folder, tmp_path):
    spoilt = shutil.copytree(bert_folder, tmp_path / "spoilt")
    (spoilt / "tokenizer.json").write_text('{"model": ')
    with pytest.raises(EmofuseError) as caught:
        encoder(spoilt)
    assert "\n" not in str(caught.value)
    assert str(spoilt) in str(caught.value)


def test_minilm_puts_like_sentences_side_by_side(minilm_folder):
    texts = [
        "I am so happy that you came!",
        "What a joy to see you here.",
        "The invoice is due on the first of the month.",
        "Payment has to arrive by the end of June.",
    ]
    vectors = encoder(minilm_folder).encode(texts)
    assert vectors.shape == (4, 384)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > likeness[0, 2:].max() + 0.2
    assert likeness[2, 3] > likeness[2, :2].max() + 0.2


def test_minilm_equals_sentence_transformers(minilm_folder):
    library = pytest.importorskip("sentence_transformers")
    texts = ["Oh my God!", "It's over.", "I mean, we could be friends, right?", "はい"]
    theirs = library.SentenceTransformer(str(minilm_folder), device="cpu").encode(
        texts, normalize_embeddings=True
    )
    ours = encoder(minilm_folder).encode(texts)
    np.testing.assert_allclose(ours / np.linalg.norm(ours, axis=1, keepdims=True), theirs, atol=1e-5)


BEFORE, AFTER = ("what a day", "you are not sad ?"), ("the train leaves",)
CONTEXT = {"context_before": 2, "context_after": 1}


def states_of(folder, *words: str) -> np.ndarray:
    """The library's own states for tokens given one by one."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        ids = torch.tensor([tokenizer.convert_tokens_to_ids(list(words))])
        return model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].numpy()


@pytest.mark.parametrize("pooling", ["cls", "mean", "tokens"])
def test_an_utterance_in_its_dialogue_has_its_own_tokens_pooled(folder, pooling):
    specials = ROBERTA_SPECIALS if "roberta" in folder.name else BERT_SPECIALS
    first, end = specials["cls_token"], specials["sep_token"]
    parts = ("what a day you are not sad ?", "i am happy", "the train leaves")
    words = [first, *(word for part in parts for word in (*part.split(), end))]
    states = states_of(folder, *words)
    own = states[10:13]
    expected = {"cls": states[9], "mean": own.mean(axis=0), "tokens": own}[pooling]
    some = encoder(folder, pooling=pooling, **CONTEXT)
    item = TextInContext("i am happy", BEFORE, AFTER)
    others = [TextInContext("not", (), ("so sad",)), TextInContext("what"), TextInContext("", BEFORE)]
    found = some.encode([*others, item])
    np.testing.assert_allclose(found[-1], expected, atol=2e-6)
    for row, other in enumerate(others):
        np.testing.assert_allclose(found[row], some.encode([other])[0], atol=2e-6)
    assert all(np.isfinite(features).all() and len(features) for features in found)


def test_the_context_matters_and_makes_another_encoder(bert_folder):
    some, plain = encoder(bert_folder, **CONTEXT), encoder(bert_folder)
    with_it, without = some.encode([TextInContext("i am happy", BEFORE, AFTER), TextInContext("i am happy")])
    assert np.abs(with_it - without).max() > 1e-3
    assert plain.needs.context is None
    digests = {
        encoder(bert_folder, **options).identity.digest
        for options in ({}, CONTEXT, {"context_before": 2}, {"context_after": 2}, {"speaker_names": True})
    }
    assert len(digests) == 5
    assert set(plain.identity.sampling) == {"max_length", "dtype"}


def test_a_long_dialogue_is_cut_around_the_utterance(bert_folder):
    some = encoder(bert_folder, pooling="tokens", max_length=12, **CONTEXT)
    item = TextInContext("i am happy", ("what a day " * 50,), ("the train " * 50,))
    assert some.encode([item])[0].shape == (3, 32)
    assert some.encode([TextInContext("happy " * 50, BEFORE, AFTER)])[0].shape == (10, 32)


def test_context_needs_a_tokeniser_that_can_keep_parts_apart(bert_folder, tmp_path):
    shutil.copytree(bert_folder, tmp_path / "model")
    specials = {name: token for name, token in BERT_SPECIALS.items() if name != "sep_token"}
    save_tokenizer(tmp_path / "model", specials, add_specials=False)
    assert encoder(tmp_path / "model").encode(["i am"]).shape == (1, 32)
    with pytest.raises(EmofuseError, match="no CLS or no SEP"):
        encoder(tmp_path / "model", context_before=1)


def test_the_manifest_is_read_with_names_and_neighbours(bert_folder, tmp_path):
    rows = [("a", "Ann", "i am happy"), ("b", "Bob", "not"), ("c", "Ann", "what a day")]
    frame = pd.DataFrame(rows, columns=["id", "speaker", "text"]).assign(dialogue="d")
    some = encoder(bert_folder, context_before=1, context_after=1, speaker_names=True)
    store = FeatureStore(tmp_path / "features")
    extract_features(
        Manifest.from_frame(frame, tmp_path), some, store, quarantine=Quarantine(tmp_path / "q.csv")
    )
    expected = some.encode([TextInContext("Bob: not", ("Ann: i am happy",), ("Ann: what a day",))])[0]
    np.testing.assert_allclose(store.reader(some.identity)["b"], expected, atol=2e-6)


def test_another_process_makes_the_same_encoder(bert_folder):
    some = encoder(bert_folder, pooling="cls", **CONTEXT)
    other = pickle.loads(pickle.dumps(some))
    assert other.identity == some.identity
    item = [TextInContext("i am happy", BEFORE, AFTER)]
    np.testing.assert_array_equal(other.encode(item), some.encode(item))


def test_a_text_has_a_word_for_every_state(folder):
    some = encoder(folder, pooling="tokens")
    for text in TEXTS:
        assert len(some.tokens(text)) == len(some.encode([text])[0])
    assert [word for word in some.tokens("not happy") if word in WORDS] == ["not", "happy"]


def test_layers_stand_side_by_side(folder):
    layers = encoder(folder, layers=(0, 2))
    parts = [encoder(folder, layers=(layer,)).encode(TEXTS[:2]) for layer in (0, 2)]
    np.testing.assert_allclose(layers.encode(TEXTS[:2]), np.concatenate(parts, axis=1), atol=1e-6)
    np.testing.assert_allclose(parts[1], encoder(folder).encode(TEXTS[:2]), atol=1e-6)
    np.testing.assert_array_equal(
        encoder(folder, layers=(-3, -1)).encode(TEXTS[:2]), layers.encode(TEXTS[:2])
    )
    assert layers.dim == 2 * encoder(folder).dim
    assert layers.identity.digest != encoder(folder).identity.digest
    with pytest.raises(EmofuseError, match="no layer 9"):
        encoder(folder, layers=(9,))
