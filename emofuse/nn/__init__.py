"""Blocks that know nothing of the systems they serve; each is traceable to an equation."""

from emofuse.nn.cascade import CrossModalCascade
from emofuse.nn.cross_attention import CrossAttention
from emofuse.nn.cross_modal_alignment import CommonSpace, EncoderAlignment
from emofuse.nn.dialogue_crn import DialogueCRN
from emofuse.nn.dual_encoder import DualEncoder
from emofuse.nn.feature_scaler import FeatureScaler, FeatureScalers
from emofuse.nn.gated_recurrence import GatedRecurrence
from emofuse.nn.mask_gate import MaskGate, MaskGateOutput
from emofuse.nn.mlp import MLP
from emofuse.nn.mlstm import MLSTM, MLSTMState
from emofuse.nn.modality_encoder import ModalityEncoder
from emofuse.nn.multi_attn import MultiAttn
from emofuse.nn.simam import SimAM
from emofuse.nn.stream_memory import StreamMemory
from emofuse.nn.swin_plan import VSCConfig
from emofuse.nn.temporal_conv_net import TemporalConvNet
from emofuse.nn.visual_sequence_compression import VisualSequenceCompression
from emofuse.nn.vsc_swin import KeptPatches, VSCSwin, VSCSwinOutput

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
