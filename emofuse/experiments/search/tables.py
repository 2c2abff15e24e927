"""A search as two tables: its trials, and what the choice was worth on the outer folds."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside
from emofuse.data.spreadsheet import spreadsheet_csv
from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.reporting.tables import Cell, Table, markdown_tables
from emofuse.experiments.search.run import ALL, Search, Trial, best
from emofuse.experiments.sweep.grid import format_value

_AS_IT_IS = "as it is"


def write_search(found: Search) -> list[Path]:
    """Write search.md, trials.csv and results.json."""
    written = [found.folder / name for name in ("search.md", "trials.csv", "results.json")]
    write_text_aside(written[0], markdown_tables(search_tables(found)))
    write_text_aside(written[1], spreadsheet_csv(pd.DataFrame([_row(found, t) for t in found.trials])))
    write_text_aside(written[2], json.dumps(search_dict(found), indent=1, ensure_ascii=False) + "\n")
    return written


def search_tables(found: Search) -> list[Table]:
    """What the choice was worth first, then what it was chosen from."""
    return [_fold_table(found), _trial_table(found)]


def search_dict(found: Search) -> dict[str, Any]:
    """Plain values, for JSON."""
    return {
        "grid": {axis.name: list(axis.values) for axis in found.axes},
        "chosen": dict(found.chosen.changes),
        "differences": found.differences,
        "folds": [
            {
                "chosen": dict(f.chosen.changes),
                "gain": dict(f.gain),
                "recipe": dict(f.recipe),
                "failure": f.failure or None,
            }
            for f in found.folds
        ],
        "trials": [
            {
                "fold": trial.study,
                "number": trial.number,
                "settings": dict(trial.changes),
                "gains": {name: list(values) for name, values in trial.gains.items()},
                "failure": trial.failure or None,
            }
            for trial in found.trials
        ],
        "not_applied": {corpus.name: dict(corpus.unknown) for corpus in found.corpora},
    }


def _fold_table(found: Search) -> Table:
    names = [corpus.name for corpus in found.corpora]
    rows = [
        (
            Cell(str(number)),
            *_settings(found, fold.chosen),
            *(Cell(f"{_gain(fold.gain, n)} ({_gain(fold.recipe, n)})") for n in names),
            Cell(
                "failed"
                if fold.failure
                else _percent(statistics.mean(fold.gain[n] - fold.recipe[n] for n in names))
            ),
        )
        for number, fold in enumerate(found.folds, start=1)
    ]
    every = [statistics.mean(column) for column in zip(*found.differences.values(), strict=True)]
    rows.append(
        (
            Cell("chosen once", bold=True),
            *_settings(found, found.chosen, bold=True),
            *(Cell(f"{_spread(found.differences[n])} on the recipe") for n in names),
            Cell(_spread(every), bold=True),
        )
    )
    return Table(
        title="What the choice is worth",
        columns=("outer fold", *(axis.short for axis in found.axes), *names, "on the recipes"),
        rows=tuple(rows),
        words=1 + len(found.axes),
        notes=(
            "Gain: the share of the linear model's error (mean absolute error, or 1 − weighted F1) that the system takes away, "
            "on a fold that had no say in the choice; in brackets that of the recipe as it is. The last column is the mean over "
            "corpora of the difference.",
            "The last row is the choice from the whole training parts. Its numbers are mean ± standard deviation over the outer "
            "folds, and are of the way to choose, not of this point.",
            *(
                f"Failed: fold {number}: {fold.failure}. It is in no mean; the same command tries it again."
                for number, fold in enumerate(found.folds, start=1)
                if fold.failure
            ),
            *_unknown(found),
        ),
    )


def _trial_table(found: Search) -> Table:
    names = [corpus.name for corpus in found.corpora]
    studies = [str(number) for number in range(1, len(found.folds) + 1)] + [ALL]
    rows = []
    for study in studies:
        trials = [trial for trial in found.trials if trial.study == study]
        chosen = best(trials)
        for trial in trials:
            gains = [Cell(_percent(trial.means[n]) if trial.gains else MISSING) for n in names]
            mean = Cell("failed" if trial.mean is None else _percent(trial.mean), bold=trial is chosen)
            rows.append((Cell(study), *_settings(found, trial, bold=trial is chosen), *gains, mean))
    return Table(
        title="Trials",
        columns=("outer fold", *(axis.short for axis in found.axes), *names, "mean"),
        rows=tuple(rows),
        words=1 + len(found.axes),
        notes=(
            "Gain over the linear model on the inner folds. Bold: the best of a study.",
            *(f"Failed: fold {t.study}, trial {t.number}: {t.failure}." for t in found.trials if t.failure),
        ),
    )


def _settings(found: Search, trial: Trial, *, bold: bool = False) -> list[Cell]:
    if not trial.changes:
        return [Cell(_AS_IT_IS, bold=bold)] * len(found.axes)
    return [Cell(format_value(trial.changes[axis.name]), bold=bold) for axis in found.axes]


def _unknown(found: Search) -> list[str]:
    return [
        f"{corpus.name} goes without {name}: {reason}"
        for corpus in found.corpora
        for name, reason in corpus.unknown.items()
    ]


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %".replace("-", "−")


def _gain(gains: Mapping[str, float], name: str) -> str:
    return _percent(gains[name]) if name in gains else MISSING


def _spread(values: Sequence[float]) -> str:
    if not values:
        return MISSING
    sd = statistics.stdev(values) if len(values) > 1 else math.nan
    return _percent(statistics.mean(values)) + ("" if math.isnan(sd) else f" ± {100 * sd:.1f}")


def _row(found: Search, trial: Trial) -> dict[str, Any]:
    return {
        "fold": trial.study,
        "trial": trial.number,
        **{axis.name: format_value(trial.changes[axis.name]) if trial.changes else "" for axis in found.axes},
        **{f"gain_{name}": value for name, value in trial.means.items()},
        "mean": trial.mean,
        "failure": trial.failure,
    }
