"""Small classifiers of the true classes, as their libraries save them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ResNetConfig,
    ResNetForImageClassification,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

from tests.encoders.conftest import BERT_SPECIALS, SMALL_SPEECH, save_tokenizer


def names(labels: Sequence[str]) -> dict[str, Any]:
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def text_model(labels: Sequence[str], **options: Any) -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=48, initializer_range=0.5, **names(labels), **options,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


def save_text_expert(folder: Path, labels: Sequence[str], **options: Any) -> Path:
    """Reads the words of `tests.encoders.conftest.WORDS`."""
    text_model(labels, **options).save_pretrained(folder)
    save_tokenizer(folder, BERT_SPECIALS)
    return folder


def save_audio_expert(folder: Path, labels: Sequence[str], rate: int = 16_000) -> Path:
    torch.manual_seed(1)
    config = Wav2Vec2Config(**SMALL_SPEECH, classifier_proj_size=16, **names(labels))
    model = Wav2Vec2ForSequenceClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=3.0)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=rate).save_pretrained(folder)
    return folder


def save_video_expert(folder: Path, labels: Sequence[str]) -> Path:
    torch.manual_seed(2)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[16, 24], depths=[1, 1], layer_type="bottleneck", **names(labels)
    )
    model = ResNetForImageClassification(config)
    torch.nn.init.normal_(model.classifier[1].weight, std=2.0)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"size": {"height": 32, "width": 32}}')
    return folder
