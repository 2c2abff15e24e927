"""Published tables made again, with the published figures beside ours."""

from emofuse.training.reproduction.deepmsi_mer import Reproduction, reproduce_deepmsi_mer
from emofuse.training.reproduction.paper_runs import PaperReproduction, reproduce_paper
from emofuse.training.reproduction.paper_tables import paper_rows, paper_tables, write_paper_reproduction
from emofuse.training.reproduction.papers import PLANS
from emofuse.training.reproduction.plan import PaperPlan
from emofuse.training.reproduction.published import PublishedScore, published_scores
from emofuse.training.reproduction.tables import reproduction_tables, write_reproduction

__all__ = [
    "PLANS",
    "PaperPlan",
    "PaperReproduction",
    "PublishedScore",
    "Reproduction",
    "paper_rows",
    "paper_tables",
    "published_scores",
    "reproduce_deepmsi_mer",
    "reproduce_paper",
    "reproduction_tables",
    "write_paper_reproduction",
    "write_reproduction",
]
