"""One published loss per file."""

from emofuse.losses.cross_modal_contrastive import CrossModalContrastiveLoss
from emofuse.losses.soft_hgr import SoftHGRLoss
from emofuse.losses.swfc import SampleWeightedFocalContrastiveLoss

__all__ = ["CrossModalContrastiveLoss", "SampleWeightedFocalContrastiveLoss", "SoftHGRLoss"]
