"""Recipes in five folds of a corpus's training part, each beside the best linear model on the same features and folds.

    emofuse prepare meld meld
    emofuse import mmsa mosi_trainvalid.pkl --out mosi
    emofuse prepare ravdess ravdess
    python -m benchmarks.training_folds mfcre/words=meld bc-lstm/mosi-words=mosi deepmsi-mer/ravdess-voice=ravdess --work folds

Folds are of whole dialogues, or of speakers where the recipe is judged so. Every utterance is judged once, by a run that was
not trained on its dialogue or speaker; intervals resample dialogues or speakers of all folds together. Validation and test
parts of the corpora are not touched. Two hours of a core for five seeds; what was finished is kept in the working folder.
Writes benchmarks/results/training_folds.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser, publish
from benchmarks.seeds import spread
from emofuse.data.manifest import Manifest
from emofuse.experiments.cross_validation.run import CrossValidation, cross_validate, pooled_baselines
from emofuse.experiments.cross_validation.seeds import ensemble_of_folds
from emofuse.inference.baselines.pool_scores import SYSTEM
from emofuse.inference.baselines.scores import BaselineScore, read_rivals
from emofuse.inference.ensemble import mean_table
from emofuse.recipes import find_recipe
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import Task, task_of

RESULTS = Path(__file__).parent / "results" / "training_folds.md"
FOLDS = 5


def training_rows(corpus: Path) -> Path:
    """A manifest of the rows that are trained on; the corpus's own where it has no parts."""
    manifest = Manifest.read(corpus / "manifest.csv").validate()
    frame = manifest.frame
    if frame["split"].isna().all():
        return corpus / "manifest.csv"
    kept = manifest.select(frame.loc[frame["split"] == "train", "id"])
    file = corpus / "manifest-training.csv"  # beside the corpus's own, with whose features it shares a folder
    Manifest(kept.frame.assign(split=None), kept.root).write(file)
    return file


def over_seeds(recipe: str, corpus: Path, seeds: int, work: Path) -> list[CrossValidation]:
    """All folds, with the linear models, seed by seed."""
    file = training_rows(corpus)
    manifest = Manifest.read(file).validate()
    settings = RunSettings.from_yaml(find_recipe(recipe))
    by_speaker = settings.data.protocol == "speaker"
    settings = settings.with_changes(
        {
            "data.manifest": str(file.resolve()),
            "data.protocol": "speaker" if by_speaker else "dialogue",
            "data.folds": FOLDS,
            "threads": 1,
        }
    )
    found = []
    for seed in range(seeds):
        folder = work / f"{recipe.replace('/', '-')}-{seed}"
        seeded = settings.with_changes({"seed": seed})
        found.append(cross_validate(seeded, manifest, folder, resume=folder.exists(), baseline=True))
    return found


def best_linear(baselines: Sequence[BaselineScore]) -> BaselineScore:
    """The linear model that all folds together score best: what the system is up against at the least."""
    return min(baselines, key=lambda score: score.gain)


def row_of(recipe: str, corpus: str, found: list[CrossValidation]) -> str:
    """A line of the table."""
    pooled, linear, alone, gains = [], [], [], []
    for outcome in found:
        score = best_linear(outcome.baselines)
        measure, scale, digits = _shown(score)
        pooled.append(scale * score.difference.b)
        linear.append(scale * score.difference.a)
        if outcome.pool is not None:
            alone.append(scale * outcome.pool.system.difference.a)
        gains.append(gain_text(score))
    cells = [spread(scores, digits) if scores else "–" for scores in (alone, linear, pooled)]
    return f"| {recipe} | {corpus} | {measure} | {' | '.join(cells)} | {'; '.join(gains)} |"


def ensemble_row(recipe: str, corpus: str, found: list[CrossValidation]) -> str:
    """A line of the second table: the mean of all seeds' answers, of the systems alone and of their pools."""
    task = task_of(found[0].settings, Manifest.read(found[0].settings.data.manifest).validate())
    runs = [[fold.folder for fold in outcome.folds] for outcome in found]
    alone = mean_table([told_alone(of_seed, task) for of_seed in runs], task, [one.folder for one in found])
    cells = []
    for baselines in (
        pooled_baselines(runs[0], [alone], task),
        ensemble_of_folds(found, found[0].folder, task).baselines,
    ):
        score = best_linear(baselines)
        _, scale, digits = _shown(score)
        cells.append(f"{scale * score.difference.b:.{digits}f} | {gain_text(score)}")
    return f"| {recipe} | {corpus} | {' | '.join(cells)} |"


def told_alone(runs: Sequence[RunFolder], task: Task) -> pd.DataFrame:
    """What the systems of all folds say of their test parts, without the linear models of their pools."""
    table = pd.concat([read_rivals(run.pool_file, task, "evaluate it") for run in runs], ignore_index=True)
    return table[table["baseline"] == SYSTEM]


def gain_text(score: BaselineScore) -> str:
    """The gain over a linear model with its interval; above 0 is better."""
    _, scale, digits = _shown(score)
    gain, low, high = (f"{scale * each:.{digits}f}" for each in (score.gain, *score.interval))
    return f"{gain} ({low} to {high})".replace("-", "−")


def _shown(score: BaselineScore) -> tuple[str, float, int]:
    """The measure's name in the table, what it is multiplied by, and its digits."""
    return ("MAE ↓", 1.0, 3) if score.metric == "mae" else ("weighted F1", 100.0, 1)


def main() -> None:
    """Train what is missing, write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("tasks", nargs="+", help="RECIPE=CORPUS")
    parser.add_argument("--work", type=Path, required=True, help="keeps the runs")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    lines = [
        "# Recipes in folds of training parts\n",
        f"{FOLDS} folds, {given.seeds} seeds, mean ± standard deviation over the seeds. The gain is that of the recipe over the "
        "linear model that these folds like best, seed by seed, with its 95 % interval over dialogues or speakers; above 0 is "
        f"better. {machine_line(1)}.\n",
        "| recipe | corpus | measure | system alone | best linear model | recipe (pooled) | gain over the linear model |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    together = [
        f"\nThe mean of what the {given.seeds} seeds say (`--seeds {given.seeds}`), and its gain over the same linear model:\n",
        "| recipe | corpus | systems alone | gain | pooled | gain |",
        "|---|---|---:|---|---:|---|",
    ]
    for task in given.tasks:
        recipe, _, corpus = task.partition("=")
        found = over_seeds(recipe, Path(corpus), given.seeds, given.work)
        lines.append(row_of(recipe, Path(corpus).name, found))
        together.append(ensemble_row(recipe, Path(corpus).name, found))
    publish("\n".join(lines + together), RESULTS)


if __name__ == "__main__":
    main()
