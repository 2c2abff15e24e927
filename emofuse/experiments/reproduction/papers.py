"""The papers whose tables are planned, by the name of their system."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emofuse.experiments.reproduction.cm_msf import CM_MSF_PLAN
from emofuse.experiments.reproduction.mfcre import MFCRE_PLAN
from emofuse.experiments.reproduction.plan import PaperPlan

PLANS: Mapping[str, PaperPlan] = MappingProxyType({plan.system: plan for plan in (MFCRE_PLAN, CM_MSF_PLAN)})
