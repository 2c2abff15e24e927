"""All runs below a folder in one table, read anew each time from what the runs wrote themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emofuse.data.paths import real_path
from emofuse.data.stored_files import is_there
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.aggregation import mean_sd
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.metrics.sentiment import NOT_SHARES
from emofuse.evaluation.reporting.report_rows import METRIC_NAMES
from emofuse.experiments.compared_runs import FoundRun, common_name, method_key
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_results import read_metrics

LESS_IS_BETTER = ("ece", "mae")
_HEADLINE = ("weighted_f1", "mae")


@dataclass(frozen=True)
class LeaderboardRow:
    """A run, or several of one method.

    Attributes:
        run: its folder, seen from the one that was asked for; of several, what they have in common.
        runs: how many.
        corpus: name of the corpus's folder and the beginning of its fingerprint: other content, other name.
        protocol: that split it.
        evaluated_on: ``test``, or the name of another corpus that the run was scored on.
        model: the system.
        modalities: that it uses.
        seed: of the run; None of several.
        fold: of the run; None of several.
        n: utterances judged, in all runs.
        metrics: metric → score with its interval, or with its standard deviation over several runs.
        optimistic: the protocol flatters, or the run has seen what it was scored on.
        synthetic: the data were drawn by a program.
        leaks: warnings of the leak audit, of the run with most.
        parameters: of the model.
        fit_seconds: mean over the runs.
        started: when the latest began.
    """

    run: str
    runs: int
    corpus: str
    protocol: str
    evaluated_on: str
    model: str
    modalities: tuple[str, ...]
    seed: int | None
    fold: int | None
    n: int
    metrics: dict[str, Estimate]
    optimistic: bool
    synthetic: bool
    leaks: int
    parameters: int | None
    fit_seconds: float | None
    started: str
    key: str = field(repr=False)

    @property
    def board(self) -> tuple[str, str, bool, str]:
        """Rows with the same one may stand in one table: corpus, protocol, and what was scored, own tests first."""
        return self.corpus, self.protocol, self.evaluated_on != "test", self.evaluated_on

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain = asdict(self)
        del plain["key"]
        plain["modalities"] = list(self.modalities)
        plain["metrics"] = {name: _estimate_dict(score) for name, score in self.metrics.items()}
        return plain


def _estimate_dict(score: Estimate) -> dict[str, Any]:
    return {
        "value": score.value if score.defined else None,
        "sd": score.sd,
        "interval": [score.low, score.high] if score.low is not None else None,
    }


@dataclass(frozen=True)
class Leaderboard:
    """What was found below a folder.

    Attributes:
        rows: the best of each board first.
        unfinished: runs that have not been scored, or cannot be read, with the reason.
    """

    rows: list[LeaderboardRow]
    unfinished: dict[str, str]


def read_leaderboard(folder: Path, *, by_method: bool = False, sort: str | None = None) -> Leaderboard:
    """Read every run below a folder.

    Args:
        folder: where to look; what lies inside of a run is part of it.
        by_method: put runs that differ only in seed or fold into one row, as mean ± sd.
        sort: metric to sort by; weighted F1 or the mean absolute error by default.

    Raises:
        EmofuseError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise EmofuseError(f"{folder}: there is no such folder; name one that holds runs")
    rows: list[LeaderboardRow] = []
    unfinished: dict[str, str] = {}
    for path in _run_folders(folder):
        name = str(path.relative_to(folder))
        try:
            rows += _rows(path, name if name != "." else real_path(path).name)
        except EmofuseError as error:
            unfinished[name] = str(error)
    if not rows and not unfinished:
        raise EmofuseError(f"{folder}: holds no runs; `emofuse train` makes them")
    if by_method:
        rows = _by_method(rows)
    _check_sort(sort, rows)
    return Leaderboard(sorted(rows, key=lambda row: (row.board, *_rank(row, sort))), unfinished)


def _run_folders(folder: Path) -> Iterator[Path]:
    for place, below, files in os.walk(folder):
        below.sort()
        if "run.json" in files:
            below.clear()
            yield Path(place)


def _rows(path: Path, name: str) -> Iterator[LeaderboardRow]:
    folder = RunFolder.open(path)
    record, settings = folder.read_record(), folder.read_settings()
    key = method_key(FoundRun(folder, None, record, settings))
    scored = [("test", _json(path, path / "metrics.json"))]
    for file in sorted(path.glob("evaluations/*/metrics.json")):
        content = _json(path, file)
        scored.append((f"{content.get('data', '?')} ({content.get('part', 'all')})", content))
    corpus = settings.data.manifest.parent.name if settings.data.manifest is not None else "?"
    for where, content in scored:
        yield LeaderboardRow(
            run=name,
            runs=1,
            corpus=f"{corpus} ({record.data_fingerprint[:6]})",
            protocol=record.protocol,
            evaluated_on=where,
            model=folder.model_name(record),
            modalities=tuple(record.model_config_.get("modalities", ())),
            seed=record.seed,
            fold=settings.data.fold if record.protocol != "official" else None,
            n=int(content["test"]["n"]),
            metrics=_metrics(content["test"]),
            optimistic=record.optimistic if where == "test" else bool(content.get("warnings")),
            synthetic=record.synthetic or bool(content.get("synthetic")),
            leaks=len(content.get("audit", {}).get("flags", ())),
            parameters=record.parameters,
            fit_seconds=record.fit_seconds,
            started=record.started,
            key=key,
        )


def _json(run: Path, file: Path) -> dict[str, Any]:
    if not is_there(file):
        raise EmofuseError(f"has not been scored; run `emofuse evaluate {run}`")
    return read_metrics(file, f"run `emofuse evaluate {run}`")


def _metrics(test: dict[str, Any]) -> dict[str, Estimate]:
    scores = {}
    for name in METRIC_NAMES:
        if isinstance(test.get(name), float | int):
            low, high = (test.get("intervals") or {}).get(name) or (None, None)
            pair = None if low is None or high is None else (low, high)
            scores[name] = Estimate.of(test[name], pair, share=name not in NOT_SHARES)
    return scores


def _by_method(rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    groups: dict[tuple[Any, ...], list[LeaderboardRow]] = {}
    for row in rows:
        groups.setdefault((row.key, row.board), []).append(row)
    return [_mean_of_runs(group) if len(group) > 1 else group[0] for group in groups.values()]


def _mean_of_runs(rows: Sequence[LeaderboardRow]) -> LeaderboardRow:
    first = rows[0]
    seconds = [row.fit_seconds for row in rows if row.fit_seconds is not None]
    metrics = {}
    for name in first.metrics:
        mean, sd, _ = mean_sd([row.metrics[name].value for row in rows if name in row.metrics])
        metrics[name] = Estimate(mean, sd=sd, share=name not in NOT_SHARES)
    return LeaderboardRow(
        run=common_name([Path(row.run) for row in rows]) or first.model,
        runs=len(rows),
        corpus=first.corpus,
        protocol=first.protocol,
        evaluated_on=first.evaluated_on,
        model=first.model,
        modalities=first.modalities,
        seed=None,
        fold=None,
        n=sum(row.n for row in rows),
        metrics=metrics,
        optimistic=any(row.optimistic for row in rows),
        synthetic=any(row.synthetic for row in rows),
        leaks=max(row.leaks for row in rows),
        parameters=first.parameters,
        fit_seconds=sum(seconds) / len(seconds) if seconds else None,
        started=max(row.started for row in rows),
        key=first.key,
    )


def _check_sort(sort: str | None, rows: Sequence[LeaderboardRow]) -> None:
    known = list(dict.fromkeys(name for row in rows for name in row.metrics))
    if sort is not None and sort not in known:
        raise EmofuseError(f"--sort {sort}: the runs have {', '.join(known) or 'no scores'}")


def _rank(row: LeaderboardRow, sort: str | None) -> tuple[float, str]:
    """Best first; rows without the metric last."""
    for name in [sort] if sort else _HEADLINE:
        if name in row.metrics and row.metrics[name].defined:
            value = row.metrics[name].value
            return (value if name in LESS_IS_BETTER else -value), row.run
    return float("inf"), row.run
