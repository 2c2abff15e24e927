"""Networks and readers that predictions use in the place of transformers': they say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel, WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emofuse.encoders.bert_network import is_plain_bert, read_bert
from emofuse.encoders.whisper_network import WhisperNetwork, WhisperShape, hidden_states
from emofuse.encoders.whisper_spectra import WhisperSpectra
from emofuse.encoders.word_pieces import read_word_pieces
from emofuse.errors import EmofuseError

TEXTS = [
    "I can't believe it!",
    "",
    "Äpfel, naïve CAFÉ — “quoted” 3.14% a_b-c @you #tag https://x.org/?q=1",
    "東京は日本の首都です。 한국어 😀🎉 ¿qué?",
    "[CLS] and [MASK] are words here\t\n\x00\u200b end",
    "supercalifragilisticexpialidocious " * 40,
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BertModel]:
    torch.manual_seed(0)
    shape = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20}
    model = BertModel(BertConfig(vocab_size=50, max_position_embeddings=16, **shape)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    folder = tmp_path_factory.mktemp("bert")
    model.save_pretrained(folder)
    return folder, model


def test_a_bert_says_what_the_librarys_says(bert: tuple[Path, BertModel]) -> None:
    folder, model = bert
    assert is_plain_bert(folder)
    ids = torch.randint(0, 50, (3, 9))
    given = {
        "input_ids": ids,
        "attention_mask": torch.arange(9) < torch.tensor([[9], [4], [1]]),
        "token_type_ids": ids % 2,
    }
    with torch.no_grad():
        expected = model(**given, output_hidden_states=True).hidden_states
    found = read_bert(folder)(**given, output_hidden_states=True)
    for ours, theirs in zip(found.hidden_states, expected, strict=True):
        for row, length in enumerate((9, 4, 1)):
            torch.testing.assert_close(ours[row, :length], theirs[row, :length], atol=1e-5, rtol=1e-5)
    assert found.last_hidden_state is found.hidden_states[-1]


def test_a_bert_with_other_weights_than_it_says_is_refused(
    bert: tuple[Path, BertModel], tmp_path: Path
) -> None:
    folder, _ = bert
    config = (folder / "config.json").read_text(encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    for said, instead, why in (
        ('"num_hidden_layers": 2', '"num_hidden_layers": 3', "16 weights are missing"),
        ('"hidden_size": 12', '"hidden_size": 15', "size mismatch"),
        ('"num_attention_heads": 3', '"num_attention_heads": 5', "cannot be split among 5 heads"),
    ):
        (tmp_path / "config.json").write_text(config.replace(said, instead), encoding="utf-8")
        with pytest.raises(EmofuseError, match=why):
            read_bert(tmp_path)


def test_word_pieces_are_the_librarys(minilm_folder: Path) -> None:
    ours, theirs = read_word_pieces(minilm_folder), AutoTokenizer.from_pretrained(minilm_folder)
    assert ours is not None
    assert (len(ours), ours.model_max_length) == (len(theirs), theirs.model_max_length)
    for options in ({"truncation": True, "max_length": 60}, {"add_special_tokens": False}):
        assert ours(TEXTS, **options) == dict(theirs(TEXTS, padding=False, verbose=False, **options))
    batch = ours(TEXTS, truncation=True, max_length=60)
    expected = theirs.pad(batch, padding=True, return_attention_mask=True, return_tensors="pt")
    for name, tensor in ours.pad(batch).items():
        assert torch.equal(tensor, expected[name])
    assert [ours.decode([i]) for i in batch["input_ids"][2]] == [
        theirs.decode([i]) for i in batch["input_ids"][2]
    ]


def test_spectra_are_the_librarys() -> None:
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, n).astype(np.float32) for n in (16_000, 5_003)]
    for bands in (80, 128):
        expected = WhisperFeatureExtractor(feature_size=bands)(
            sounds, sampling_rate=16_000, padding="max_length", max_length=16_000, return_tensors="np"
        )["input_features"]
        np.testing.assert_allclose(WhisperSpectra(bands)(sounds, 16_000), expected, atol=1e-5)


def test_whispers_encoder_says_what_the_librarys_says() -> None:
    torch.manual_seed(0)
    shape = WhisperShape(12, 8, 2, 3, 20, 30)
    theirs = WhisperEncoder(WhisperConfig(**vars(shape))).eval()
    ours = WhisperNetwork(shape)
    ours.load_state_dict(theirs.state_dict())
    features = torch.randn(2, 8, 60)
    with torch.no_grad():
        expected = theirs(features, output_hidden_states=True).hidden_states
        for found, state in zip(hidden_states(ours, features), expected, strict=True):
            torch.testing.assert_close(found, state, atol=1e-5, rtol=1e-5)
