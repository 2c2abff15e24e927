"""Published tables made again, with the published figures beside ours."""

from emofuse.training.reproduction.deepmsi_mer import Reproduction, reproduce_deepmsi_mer
from emofuse.training.reproduction.published import PublishedScore, published_scores
from emofuse.training.reproduction.tables import reproduction_tables, write_reproduction

__all__ = [
    "PublishedScore",
    "Reproduction",
    "published_scores",
    "reproduce_deepmsi_mer",
    "reproduction_tables",
    "write_reproduction",
]
