"""A system of dialogues on CMU-MOSI, beside the linear model with neighbours in the film, on the same features and films.

    emofuse import mmsa mosi_trainvalid.pkl --out mosi --pooling mean
    python -m benchmarks.mosi_dialogues mosi --work mosi-dialogues

The official validation part judges; epoch and linear model are chosen on held-out films of the training part. What was
finished is kept in the working folder. Writes benchmarks/results/mosi_dialogues.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser, publish
from benchmarks.seeds import spread
from emofuse.data.manifest import Manifest
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.evaluate import evaluate_fit
from emofuse.recipes import find_recipe
from emofuse.runs.corpus import corpus_file
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from emofuse.training.withholding import withhold_leaky

RESULTS = Path(__file__).parent / "results" / "mosi_dialogues.md"
THREADS = 1
METRICS = ("mae", "corr", "acc2_nonnegative", "acc2_positive", "acc7")


@dataclass(frozen=True)
class Row:
    """Features that a recipe is given.

    Attributes:
        name: in print and in folders.
        recipe: of the system.
        changes: to it.
        withhold: leave out what knows its training part.
    """

    name: str
    recipe: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    withhold: bool = False


_ALL = {"model.modalities": ["text", "audio", "video"]}
ROWS = (
    Row("transcripts", "bc-lstm/mosi-words"),
    Row("the file's words, sound and pictures", "bc-lstm/mosi", _ALL),
    Row(
        "transcripts, the file's sound and pictures, --withhold-leaky",
        "bc-lstm/mosi-words",
        _ALL,
        withhold=True,
    ),
)


def metrics_of(row: Row, manifest: Manifest, work: Path, seed: int) -> dict[str, dict[str, float]]:
    """Model → metrics on the judged part: the system, and the linear models."""
    path = work / f"{row.name.replace(' ', '-').replace(',', '')}-{seed}"
    kept = path / "scores.json"
    if not kept.exists():
        changes = {
            "data.manifest": str(manifest.root / "manifest.csv"),
            "seed": seed,
            "threads": THREADS,
            "device": "cpu",
        }
        settings = RunSettings.from_yaml(find_recipe(row.recipe)).with_changes({**row.changes, **changes})
        if row.withhold:
            settings, _ = withhold_leaky(settings, manifest)
        folder = fit_run(settings, manifest, path, resume=True)
        if seed == 0:  # it is the same for all
            fit_baselines(folder, manifest)
        kept.write_text(json.dumps(_scores(evaluate_fit(folder, manifest, kept=False))), encoding="utf-8")
    found: dict[str, dict[str, float]] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def _scores(outcome: Any) -> dict[str, dict[str, float]]:
    """The linear models, where they were fitted, and the system."""
    reports = {each.name: each.report for each in outcome.baselines}
    if outcome.pool is not None:
        reports["bc-LSTM alone"] = outcome.pool.system.report
    reports["bc-LSTM" if outcome.pool is None else "bc-LSTM + linear"] = outcome.test
    return {name: {m: report.metrics[m] for m in METRICS} for name, report in reports.items()}


def cells(values: Sequence[Mapping[str, float]]) -> str:
    """Mean ± standard deviation of each metric; a linear model is the same for every seed."""
    shown = []
    for name in METRICS:
        scale, digits = (100, 1) if name.startswith("acc") else (1, 3)
        shown.append(spread([scale * each[name] for each in values], digits))
    return " | ".join(shown)


def table(manifest: Manifest, work: Path, seeds: int) -> str:
    """All rows as Markdown."""
    judged = (manifest.frame["split"] != "train").sum()
    lines = [
        "# Dialogues of values: CMU-MOSI\n",
        f"{judged} utterances of films that are not trained on judge. Mean ± standard deviation over {seeds} seeds. Made by "
        f"`python -m benchmarks.mosi_dialogues`, on {machine_line(THREADS)}.\n",
        "| features | model | MAE ↓ | Corr | Acc-2 neg/non-neg | Acc-2 neg/pos | Acc-7 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in ROWS:
        found = []
        for seed in range(seeds):
            found.append(metrics_of(row, manifest, work, seed))
            print(row.name, seed, {n: round(v["mae"], 3) for n, v in found[-1].items()}, flush=True)
        for at, name in enumerate(found[0]):
            told = [each[name] for each in found if name in each]
            lines.append(f"| {'' if at else row.name} | {name} | {cells(told)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Train what is missing, write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path, help="folder that `emofuse import` wrote")
    parser.add_argument("--work", type=Path, required=True, help="keeps the runs")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    manifest = Manifest.read(corpus_file(given.corpus)).validate()
    text = table(manifest, given.work, given.seeds)
    publish(text, RESULTS)


if __name__ == "__main__":
    main()
