"""Encoders that learn together with the system that reads them, in one backward pass."""

from emofuse.training.end_to_end.preparing import check_end_to_end, join_encoders
from emofuse.training.end_to_end.system import JointSystem, Places

__all__ = ["JointSystem", "Places", "check_end_to_end", "join_encoders"]
