"""A system on voices alone against the linear model on the same features and folds, over several seeds.

    python -m benchmarks.voice_systems CORPUS/manifest.csv --work voice-runs
    python -m benchmarks.voice_systems CORPUS/manifest.csv --work voice-runs --recipe deepmsi-mer/ravdess-voice --seeds 5

Every seed is of the division into folds and of the weights. Each utterance is judged once per seed, by a run that has not
met its speaker; the validation part chooses the epoch, and the linear model's strength. Features are encoded once and kept
beside the work. Writes benchmarks/results/NAME.md, a row for each recipe.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import balanced_accuracy_score, f1_score

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from benchmarks.seeds import spread
from emofuse.data.manifest import Manifest
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.predict_rows import predict_rows
from emofuse.inference.prediction_table import prediction_table
from emofuse.recipes import find_recipe
from emofuse.runs.corpus import splits_of
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import recorded_task
from emofuse.training.fit import fit_run

RESULTS = Path(__file__).parent / "results"
RECIPES = ("deepmsi-mer/ravdess-voice",)


def judged(folder: RunFolder, manifest: Manifest) -> dict[str, pd.DataFrame]:
    """What the system and the linear model say of a run's test part: id, label, predicted."""
    record, split = folder.read_record(), folder.read_split()
    task = recorded_task(record.task, record.labels)
    own = prediction_table(manifest, predict_rows(folder, manifest, split.test), task, "test")
    fit_baselines(folder, manifest)
    linear = pd.read_parquet(folder.baselines_file)
    linear = linear[(linear["part"] == "test") & (linear["baseline"] == "linear model")]
    names = ["id", "label", "predicted"]
    return {"system": own[names], "linear": linear[names]}


def run_seed(
    settings: RunSettings, manifest: Manifest, work: Path, seed: int
) -> tuple[dict[str, Any], list[float]]:
    """(average recall, weighted F1) of both over all folds of one seed, in percent; seconds of each fit."""
    settings = settings.with_changes({"seed": seed, "data.split_seed": seed})
    tables: dict[str, list[pd.DataFrame]] = {"system": [], "linear": []}
    seconds = []
    for fold, split in enumerate(splits_of(settings, manifest)):
        path = work / f"seed-{seed}-fold-{fold}"
        own = settings.with_changes({"data.fold": fold})
        folder = fit_run(own, manifest, path, split=split, resume=path.exists())
        seconds.append(folder.read_record().fit_seconds or 0.0)
        for name, table in judged(folder, manifest).items():
            tables[name].append(table)
    return {name: _scores(pd.concat(parts)) for name, parts in tables.items()}, seconds


def _scores(table: pd.DataFrame) -> tuple[float, float]:
    truth, said = table["label"].to_numpy(str), table["predicted"].to_numpy(str)
    return (
        100 * float(balanced_accuracy_score(truth, said)),
        100 * float(f1_score(truth, said, average="weighted")),
    )


def row_of(name: str, found: Sequence[dict[str, Any]], seconds: Sequence[float]) -> str:
    """A line of the table: the system, the linear model, and the difference seed by seed."""
    cells = [spread([f[who][k] for f in found]) for who in ("system", "linear") for k in (0, 1)]
    gain = spread([f["system"][1] - f["linear"][1] for f in found])
    return f"| {name} | {' | '.join(cells)} | {gain} | {statistics.median(seconds):.0f} |"


def main() -> None:
    """Train what is missing, score, write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", action="append", help="may be repeated")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="voice_systems", help="of the file of results")
    given = parser.parse_args()
    manifest = Manifest.read(given.manifest).validate()
    rows = []
    for recipe in given.recipe or RECIPES:
        settings = RunSettings.from_yaml(find_recipe(recipe)).with_changes(
            {
                "data.manifest": str(given.manifest.resolve()),
                "data.features": str((given.work / "features").resolve()),
                "threads": given.threads,
                "device": "cpu",
            }
        )
        found, seconds = [], []
        for seed in range(given.seeds):
            began = time.perf_counter()
            scores, fits = run_seed(settings, manifest, given.work / recipe.replace("/", "-"), seed)
            found.append(scores)
            seconds += fits
            print(recipe, seed, scores, f"{time.perf_counter() - began:.0f} s", flush=True)
        rows.append(row_of(recipe, found, seconds))
    labels, speakers = manifest.frame["label"], manifest.frame["speaker"]
    text = (
        f"# Voices alone: a system against the linear model\n\n{len(manifest)} utterances of {speakers.nunique()} speakers, "
        f"{labels.nunique()} classes; {settings.data.folds} folds by speaker, mean ± standard deviation over "
        f"{given.seeds} seeds of division and weights. Average recall (UAR) and weighted F1 in percent; the gain is in weighted "
        f"F1, seed by seed. {machine_line(given.threads)}.\n\n"
        "| recipe | system UAR | system F1 | linear UAR | linear F1 | gain | s per fit |\n|---|---|---|---|---|---|---:|\n"
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{given.name}.md").write_text(text + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
