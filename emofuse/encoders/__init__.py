"""Unimodal encoders: words or sound in, features out."""

from emofuse.encoders.factory import EncoderInfo, copy_encoder, create_encoder, list_encoders
from emofuse.encoders.spec import EncoderSpec

__all__ = ["EncoderInfo", "EncoderSpec", "copy_encoder", "create_encoder", "list_encoders"]
