"""Published systems, one file each, and the registry that creates them by name."""

from emofuse.models.cm_msf import CMMSF, SequenceOutput
from emofuse.models.cm_msf_config import CMMSFConfig
from emofuse.models.deepmsi_mer import DeepMSIMER
from emofuse.models.deepmsi_mer_config import DeepMSIMERConfig
from emofuse.models.mfcre import MFCRE, DialogueOutput
from emofuse.models.mfcre_config import MFCREConfig
from emofuse.models.mfcre_stream import MFCREStream
from emofuse.models.output import EmotionOutput, KeptPatches
from emofuse.models.registry import ModelInfo, create_model, list_models, model_config, model_info

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
]
