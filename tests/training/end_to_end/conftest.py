"""A small text encoder and a corpus that it can learn."""

from tests.training.finetuning.conftest import (
    bert_folder,
    no_bars,
    offline,
    talk,
    wav2vec2_folder,
    wavlm_folder,
)

__all__ = ["bert_folder", "no_bars", "offline", "talk", "wav2vec2_folder", "wavlm_folder"]
