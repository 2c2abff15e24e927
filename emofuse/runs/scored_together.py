"""Folders whose scores are of a run together with others: an ensemble, a cross-validation, several of these."""

from __future__ import annotations

import os
import re
from pathlib import Path

from emofuse.errors import EmofuseError
from emofuse.runs.ensemble_folder import names_of

SCORES = ("report.html", "report.md", "metrics.json", "predictions.parquet")
_FOLD, _SEED = re.compile(r"fold-[0-9]+"), re.compile(r"seed-[0-9]+")


def folders_that_score(run: Path) -> list[Path]:
    """The folders above a run that score it together with others."""
    path = Path(os.path.abspath(run))  # noqa: PTH100 - a run may be named as "."
    above = path.parent
    if _FOLD.fullmatch(path.name) and _is_training(above):
        seeds = above.parent
        of_seeds = _SEED.fullmatch(above.name) is not None and _is_training(seeds)
        return [above, seeds] if of_seeds else [above]
    try:
        return [above] if path.name in names_of(above) else []
    except EmofuseError:  # a damaged file is told where the ensemble itself is asked for
        return []


def remove_scores(folder: Path) -> bool:
    """Remove the scores, predictions and report of a folder, and say whether there were any."""
    held = [folder / name for name in SCORES if (folder / name).exists()]
    for file in held:
        file.unlink()
    return bool(held)


def _is_training(folder: Path) -> bool:
    """Whether a training of several runs has begun in a folder; a run alone keeps a record beside its settings."""
    return (folder / "config.yaml").is_file() and not (folder / "run.json").exists()
