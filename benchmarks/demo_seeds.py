"""The demo's figures over seeds and threads, beside the linear models on the same features and split.

    emofuse demo demo
    python -m benchmarks.demo_seeds demo/corpus/manifest.csv --work demo-seeds

Every seed is of the weights, the batches and the dropout; the corpus and the split are the demo's. The demo's criterion is
that all three modalities together are ten points of weighted F1 over the best single one, and within ten of the ceiling
that the corpus has by construction. One row more is of a random split of the utterances, which flatters. What was
finished is kept in the working folder. Writes benchmarks/results/demo_seeds.md.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser, publish
from benchmarks.seeds import SeedScores, over_seeds, spread
from emofuse.corpora.demo import Scenario, ceilings
from emofuse.data import MODALITIES, Modality
from emofuse.data.manifest import Manifest
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings

RESULTS = Path(__file__).parent / "results" / "demo_seeds.md"
ALL = "text, audio, video"


def criterion(scores: dict[str, list[float]], ceiling: float) -> str:
    """Of each seed: points over the best single modality, and points below the ceiling."""
    alone = [max(scores[m][i] for m in MODALITIES) for i in range(len(scores[ALL]))]
    over = [f"{score - best:.1f}" for score, best in zip(scores[ALL], alone, strict=True)]
    below = [f"{ceiling - score:.1f}" for score in scores[ALL]]
    return f"over the best single modality {', '.join(over)}; below the ceiling {', '.join(below)}"


def row_of(name: str, threads: int, found: SeedScores, ceiling: float) -> str:
    """A line of the table."""
    cells = " | ".join(spread(each) for each in (found.system, found.linear, found.pooled))
    return f"| {name} | {threads} | {cells} | {ceiling:.1f} |"


def main() -> None:
    """Train what is missing, write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("manifest", type=Path, help="of the demo corpus")
    parser.add_argument("--work", type=Path, required=True, help="keeps the runs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    manifest = Manifest.read(given.manifest).validate()
    modalities: dict[str, list[Modality]] = {ALL: list(MODALITIES)} | {m: [m] for m in MODALITIES}
    ceiling = {
        name: 100 * ceilings(Scenario())[frozenset(used)].speaker_unknown for name, used in modalities.items()
    }
    demo = RunSettings.from_yaml(find_recipe("deepmsi-mer/demo")).with_changes(
        {
            "data.manifest": str(given.manifest.resolve()),
            "data.frame_cache": str((given.work / "frames").resolve()),
            "device": "cpu",
            "linear_pool": True,  # as `emofuse demo` does
        }
    )
    lines = [
        "# The demo over seeds and threads\n",
        f"DeepMSI-MER (tiny) on the **synthetic** demo corpus of {len(manifest)} clips, one split by speaker. Weighted F1 in "
        f"percent, mean ± standard deviation over {given.seeds} seeds. The linear model is the one that the validation part "
        f"ranks first. Pooled is what `emofuse demo` does. {machine_line(max(given.threads))}.\n",
        "| modalities | threads | DeepMSI-MER alone | linear model, same features and split | pooled | ceiling |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    told = []
    for threads in given.threads:
        scores: dict[str, list[float]] = {}
        for name, used in modalities.items():
            settings = demo.with_changes({"threads": threads, "model.modalities": used})
            place = f"{'-'.join(used)}-threads-{threads}-seed"
            found = over_seeds(manifest, settings, given.seeds, given.work, place)
            scores[name] = found.pooled
            lines.append(row_of(name, threads, found, ceiling[name]))
        told.append(
            f"- pooled, {threads} {'thread' if threads == 1 else 'threads'}, by seed: {criterion(scores, ceiling[ALL])}."
        )
    flattered = over_seeds(
        manifest,
        demo.with_changes({"threads": given.threads[0], "data.protocol": "random-kfold"}),
        given.seeds,
        given.work,
        f"random-kfold-threads-{given.threads[0]}-seed",
    )
    known = 100 * ceilings(Scenario())[frozenset(MODALITIES)].speaker_known
    lines.append(row_of(f"{ALL}, `random-kfold`: *optimistic*", given.threads[0], flattered, known))
    publish("\n".join([*lines, "", *told]), RESULTS)


if __name__ == "__main__":
    main()
