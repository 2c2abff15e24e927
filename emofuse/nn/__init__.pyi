from .cascade import CrossModalCascade
from .cross_attention import CrossAttention
from .cross_modal_alignment import CommonSpace, EncoderAlignment
from .dialogue_crn import DialogueCRN
from .dual_encoder import DualEncoder
from .feature_scaler import FeatureScaler, FeatureScalers
from .gated_recurrence import GatedRecurrence
from .kept_patches import KeptPatches
from .mask_gate import MaskGate, MaskGateOutput
from .mlp import MLP
from .mlstm import MLSTM, MLSTMState
from .modality_encoder import ModalityEncoder
from .multi_attn import MultiAttn
from .simam import SimAM
from .stream_memory import StreamMemory
from .swin_plan import VSCConfig
from .temporal_conv_net import TemporalConvNet
from .visual_sequence_compression import VisualSequenceCompression
from .vsc_swin import VSCSwin, VSCSwinOutput

__all__ = [
    "MLP",
    "MLSTM",
    "CommonSpace",
    "CrossAttention",
    "CrossModalCascade",
    "DialogueCRN",
    "DualEncoder",
    "EncoderAlignment",
    "FeatureScaler",
    "FeatureScalers",
    "GatedRecurrence",
    "KeptPatches",
    "MLSTMState",
    "MaskGate",
    "MaskGateOutput",
    "ModalityEncoder",
    "MultiAttn",
    "SimAM",
    "StreamMemory",
    "TemporalConvNet",
    "VSCConfig",
    "VSCSwin",
    "VSCSwinOutput",
    "VisualSequenceCompression",
]
