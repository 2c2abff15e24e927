from .cm_msf import CMMSF
from .cm_msf_config import CMMSFConfig
from .deepmsi_mer import DeepMSIMER
from .deepmsi_mer_config import DeepMSIMERConfig
from .mfcre import MFCRE
from .mfcre_config import MFCREConfig
from .mfcre_stream import MFCREStream
from .output import DialogueOutput, EmotionOutput, KeptPatches
from .registry import ModelInfo, create_model, list_models, model_config, model_info, register_system
from .sequence_output import SequenceOutput

__all__ = [
    "CMMSF",
    "MFCRE",
    "CMMSFConfig",
    "DeepMSIMER",
    "DeepMSIMERConfig",
    "DialogueOutput",
    "EmotionOutput",
    "KeptPatches",
    "MFCREConfig",
    "MFCREStream",
    "ModelInfo",
    "SequenceOutput",
    "create_model",
    "list_models",
    "model_config",
    "model_info",
    "register_system",
]
