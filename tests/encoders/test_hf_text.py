import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from emofuse.encoders import EncoderSpec
from emofuse.encoders.hf_text import HFTextEncoder
from emofuse.errors import EmofuseError
from tests.encoders.conftest import BERT_SPECIALS, WORDS, save_tokenizer

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
        some, "_forward", lambda batch: shapes.append([len(x) for x in batch["input_ids"]]) or forward(batch)
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
