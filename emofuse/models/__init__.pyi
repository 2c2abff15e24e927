from .bc_lstm import BCLSTM, BCLSTMConfig
from .cm_msf import CMMSF
from .cm_msf_config import CMMSFConfig
from .deepmsi_mer import DeepMSIMER
from .deepmsi_mer_config import DeepMSIMERConfig
from .dialogue_rnn import DialogueRNN, DialogueRNNConfig
from .lmf import LMF, LMFConfig
from .mfcre import MFCRE
from .mfcre_config import MFCREConfig
from .mfcre_stream import MFCREStream
from .mfn import MFN, MFNConfig
from .mult import MulT, MulTConfig
from .multiemo import MultiEMO, MultiEMOConfig
from .output import DialogueOutput, EmotionOutput, KeptPatches
from .registry import create_model, list_models, model_config, model_info, register_system
from .sdt import SDT, SDTConfig
from .sequence_output import SequenceOutput
from .system_info import ModelInfo
from .tfn import TFN, TFNConfig

__all__ = [
    "BCLSTM",
    "CMMSF",
    "LMF",
    "MFCRE",
    "MFN",
    "SDT",
    "TFN",
    "BCLSTMConfig",
    "CMMSFConfig",
    "DeepMSIMER",
    "DeepMSIMERConfig",
    "DialogueOutput",
    "DialogueRNN",
    "DialogueRNNConfig",
    "EmotionOutput",
    "KeptPatches",
    "LMFConfig",
    "MFCREConfig",
    "MFCREStream",
    "MFNConfig",
    "ModelInfo",
    "MulT",
    "MulTConfig",
    "MultiEMO",
    "MultiEMOConfig",
    "SDTConfig",
    "SequenceOutput",
    "TFNConfig",
    "create_model",
    "list_models",
    "model_config",
    "model_info",
    "register_system",
]
