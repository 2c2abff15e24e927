"""Import paths of earlier versions: each still leads to the module that took its place, with a warning."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_EVALUATION = {
    "audit": "protocols.audit",
    "calibration": "metrics.calibration",
    "classification": "metrics.classification",
    "compare_methods": "comparison.compare_methods",
    "compared": "comparison.methods",
    "figures": "reporting.figures",
    "intervals": "metrics.intervals",
    "label_map": "protocols.label_map",
    "report": "reporting.report",
    "sentiment": "metrics.sentiment",
    "split_files": "protocols.split_files",
    "tables": "reporting.tables",
}
_TRAINING = {
    "ablation": "experiments.ablation",
    "calibrate": "inference.fit_calibration",
    "calibration": "inference.calibration",
    "config": "runs.settings",
    "cross_corpus": "experiments.cross_corpus.evaluate",
    "cross_report": "experiments.cross_validation.report",
    "cross_validation": "experiments.cross_validation.run",
    "evaluate": "inference.evaluate",
    "leaderboard": "experiments.leaderboard.rank",
    "modalities": "runs.modalities",
    "predict_rows": "inference.predict_rows",
    "preparation": "runs.corpus",
    "report": "inference.reporting.run_report",
    "reproduction": "experiments.reproduction",
    "run_folder": "runs.run_folder",
    "sweep": "experiments.sweep",
    "tasks": "runs.tasks",
}
MOVED = {f"emofuse.evaluation.{old}": f"emofuse.evaluation.{new}" for old, new in _EVALUATION.items()} | {
    f"emofuse.training.{old}": f"emofuse.{new}" for old, new in _TRAINING.items()
}


class MovedModuleFinder(MetaPathFinder, Loader):
    """Finds a module under the path that it had in an earlier version."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """A spec for a name of `MOVED`, None for all others."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that took its place."""
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is now {new}", DeprecationWarning, stacklevel=2)
        module = import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back; it has been run under its own name."""
        if module.__spec__ is not None and module.__spec__.loader is self:
            module.__spec__ = module.__spec__.loader_state

    @classmethod
    def install(cls) -> None:
        """Look old paths up after everything else has been tried."""
        if not any(isinstance(finder, cls) for finder in sys.meta_path):
            sys.meta_path.append(cls())
