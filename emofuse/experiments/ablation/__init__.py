"""Component ablations: one system with one part of it changed at a time."""

from emofuse.experiments.ablation.deepmsi_mer import Ablation, ablate_deepmsi_mer
from emofuse.experiments.ablation.tables import ablation_tables, write_ablation
from emofuse.experiments.ablation.variants import Variant, list_variants

__all__ = [
    "Ablation",
    "Variant",
    "ablate_deepmsi_mer",
    "ablation_tables",
    "list_variants",
    "write_ablation",
]
