"""Stage 1: a text, speech or image encoder learns a corpus's emotions from the training part of a split."""

from emofuse.training.finetuning.run import fine_tune

__all__ = ["fine_tune"]
