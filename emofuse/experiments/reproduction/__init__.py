"""Published tables made again, with the published figures beside ours."""

from emofuse.experiments.reproduction.deepmsi_mer import Reproduction, reproduce_deepmsi_mer
from emofuse.experiments.reproduction.paper_runs import PaperReproduction, reproduce_paper
from emofuse.experiments.reproduction.paper_tables import paper_rows, paper_tables, write_paper_reproduction
from emofuse.experiments.reproduction.papers import PLANS
from emofuse.experiments.reproduction.plan import PaperPlan
from emofuse.experiments.reproduction.published import PublishedScore, published_scores
from emofuse.experiments.reproduction.tables import reproduction_tables, write_reproduction

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
