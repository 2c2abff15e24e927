"""Small checkpoints of the true classes, written by the libraries' own save_pretrained."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    HubertConfig,
    HubertModel,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    ResNetModel,
    RobertaConfig,
    RobertaForMaskedLM,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)
from transformers.utils import logging

WORDS = [
    "i",
    "am",
    "so",
    "very",
    "happy",
    "sad",
    "today",
    "you",
    "are",
    "not",
    "what",
    "a",
    "day",
    "the",
    "train",
]
WORDS += ["leaves", "at", "nine", "!", "?", ",", "."]
BERT_SPECIALS = {
    "unk_token": "[UNK]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ROBERTA_SPECIALS = {
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
SMALL_SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Nothing here may wait for a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True, scope="session")
def no_bars():
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


def save_tokenizer(
    folder: Path, specials: dict[str, str], add_specials: bool = True, words: Sequence[str] = WORDS
) -> None:
    """A real word-level tokenizer with the special tokens of a model family."""
    names = [
        specials["pad_token"],
        *(name for name in specials.values() if name != specials["pad_token"]),
        *words,
    ]
    if specials is ROBERTA_SPECIALS:
        names[0], names[1] = names[1], names[0]  # RoBERTa pads with 1
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=specials["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if add_specials:
        first, last = specials["cls_token"], specials["sep_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}", special_tokens=[(name, vocabulary[name]) for name in (first, last)]
        )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials).save_pretrained(folder)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=48,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    save_tokenizer(folder, BERT_SPECIALS)
    return folder


@pytest.fixture(scope="session")
def roberta_folder(tmp_path_factory) -> Path:
    """With the head that it was pretrained with, and without the pooler that nobody reads."""
    folder = tmp_path_factory.mktemp("roberta")
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=50, pad_token_id=1,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(folder)
    save_tokenizer(folder, ROBERTA_SPECIALS)
    return folder


def save_speech(folder: Path, kind: str, norm: str) -> Path:
    classes = {
        "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
        "wav2vec2-ctc": (Wav2Vec2Config, Wav2Vec2ForCTC),
        "hubert": (HubertConfig, HubertModel),
        "wavlm": (WavLMConfig, WavLMModel),
    }
    torch.manual_seed(0)
    config_class, model_class = classes[kind]
    options = {"feat_extract_norm": norm, "do_stable_layer_norm": norm == "layer"}
    model_class(config_class(**SMALL_SPEECH, **options)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def speech_folders(tmp_path_factory) -> dict[tuple[str, str], Path]:
    """(kind, norm) → folder."""
    root = tmp_path_factory.mktemp("speech")
    kinds = [(kind, norm) for kind in ("wav2vec2", "hubert", "wavlm") for norm in ("group", "layer")]
    return {(kind, norm): save_speech(root / f"{kind}-{norm}", kind, norm) for kind, norm in kinds}


def save_resnet(
    folder: Path, *, head: int | None = None, preprocessing: dict[str, object] | None = None, seed: int = 0
) -> Path:
    """A ResNet of two stages, with a classifier of ``head`` classes or without one."""
    torch.manual_seed(seed)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[16, 24], depths=[1, 1], layer_type="bottleneck",
        num_labels=head or 2,
    )  # fmt: skip
    model = ResNetForImageClassification(config) if head else ResNetModel(config)
    # Statistics as after training, so that evaluation mode shows.
    for name, buffer in model.named_buffers():
        if "running_mean" in name:
            buffer.copy_(0.1 * torch.randn_like(buffer))
        elif "running_var" in name:
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    model.save_pretrained(folder)
    if preprocessing is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return folder


@pytest.fixture(scope="session")
def resnet_folder(tmp_path_factory) -> Path:
    """With a classifier of 10 classes, for pictures of 48×48, with means and deviations of its own."""
    preprocessing = {
        "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3], "size": {"shortest_edge": 48},
        "crop_pct": 0.875, "do_normalize": True, "image_processor_type": "ConvNextImageProcessor",
    }  # fmt: skip
    return save_resnet(tmp_path_factory.mktemp("resnet"), head=10, preprocessing=preprocessing)
