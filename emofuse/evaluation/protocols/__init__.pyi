from .protocol_info import PROTOCOLS, ProtocolInfo, Split
from .splits import protocol_note, splits

__all__ = ["PROTOCOLS", "ProtocolInfo", "Split", "protocol_note", "splits"]
