"""Who is trained on and who is judged: splits, leak audit, published splits, label maps between corpora."""

from emofuse.evaluation.protocols.splits import PROTOCOLS, ProtocolInfo, Split, protocol_note, splits

__all__ = ["PROTOCOLS", "ProtocolInfo", "Split", "protocol_note", "splits"]
