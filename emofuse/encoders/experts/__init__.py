"""Classifiers of the transformers library as experts: their features are what they say of each label."""

from emofuse.encoders.experts.checkpoint import Checkpoint, read_checkpoint
from emofuse.encoders.experts.factory import create_expert
from emofuse.encoders.experts.opinion import Opinions

__all__ = ["Checkpoint", "Opinions", "create_expert", "read_checkpoint"]
