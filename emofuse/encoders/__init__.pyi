from .factory import EncoderInfo, copy_encoder, create_encoder, list_encoders
from .spec import EncoderSpec

__all__ = ["EncoderInfo", "EncoderSpec", "copy_encoder", "create_encoder", "list_encoders"]
