"""What the starter scores on what it has not learnt from, by corpus and label, and how far its sets of labels hold there.

    emofuse prepare csv --split train=goemotions/train.csv,val=goemotions/dev.csv -o go/manifest.csv
    python -m benchmarks.starter_parts --comments go/manifest.csv --write

Words, voices and faces of the run's own test part are in its predictions. GoEmotions' dev part is predicted by words alone; a
comment whose text is also among GoEmotions' training comments is left out. Intervals are of 1,000 draws of dialogues.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from benchmarks.starter_voices import class_lines
from emofuse import EmotionPipeline
from emofuse.data.manifest import Manifest
from emofuse.evaluation import ClassificationReport, classification_report
from emofuse.inference.label_sets import LabelSets, kinds_of, scores_of
from emofuse.runs.run_folder import RunFolder

RESULTS = Path(__file__).parent / "results" / "starter_parts.md"
COVERAGE = 0.9
PARTS = {
    "words-": "words: MELD's dev part",
    "voices-": "voices: RAVDESS, actors 17 and 18",
    "faces-": "faces: half of FER2013's public test part",
}


def comments(pipe: EmotionPipeline, manifest: Manifest) -> pd.DataFrame:
    """What the starter says of the validation comments, as a table of predictions."""
    frame = manifest.frame
    known = set(frame.loc[frame["split"] == "train", "text"].str.strip().str.lower())
    rows = [u for u in manifest.rows() if u.split == "val" and (u.text or "").strip().lower() not in known]
    said = pipe.predict(rows, modalities=["text"])
    return pd.DataFrame(
        [
            {"id": u.id, "dialogue": u.dialogue, "label": u.label, "predicted": s.label, "has_text": True}
            | {f"p_{label}": p for label, p in s.probabilities.items()}
            for u, s in zip(rows, said, strict=True)
        ]
    )


def report_of(table: pd.DataFrame, labels: list[str]) -> ClassificationReport:
    """Figures of a table of predictions."""
    return classification_report(
        table["label"].tolist(), table["predicted"].tolist(), labels, groups=table["dialogue"].tolist()
    )


def line(what: str, table: pd.DataFrame, labels: list[str], sets: LabelSets) -> str:
    """A row: scores with intervals, and what the sets of labels do."""
    report = report_of(table, labels)
    scores = []
    for name in ("accuracy", "uar", "macro_f1", "weighted_f1"):
        low, high = report.intervals[name] or (np.nan, np.nan)
        scores.append(f"{100 * getattr(report, name):.1f} ({100 * low:.0f} to {100 * high:.0f})")
    probabilities, truth = scores_of(table, labels)
    named = sets.sets(probabilities, kinds_of(table))
    held = named[np.arange(len(truth)), truth]
    cover, spread = 100 * held.mean(), 196 * np.sqrt(held.mean() * (1 - held.mean()) / len(held))
    return f"| {what} | {len(table)} | {' | '.join(scores)} | {cover:.1f} ± {spread:.1f} | {named.sum(1).mean():.1f} |"


def main() -> None:
    """Score, print or write the tables."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--comments", type=Path, required=True, help="manifest of GoEmotions, its dev part as val"
    )
    parser.add_argument(
        "--starter", default="starter", help="its run folder, where it is not the installed one"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    pipe = EmotionPipeline.from_pretrained(given.starter, device="cpu")
    assert pipe.folder is not None
    labels = pipe.labels
    everything = pd.read_parquet(RunFolder(pipe.folder.path).predictions_file)
    sets = LabelSets.of_run(pipe.folder, COVERAGE)
    judged = everything[everything["part"] == "test"]
    tables = {what: judged[judged["id"].str.startswith(prefix)] for prefix, what in PARTS.items()}
    tables["words: GoEmotions' dev part"] = comments(
        pipe, Manifest.read(given.comments).validate(check_files=False)
    )
    rows = [line(what, table, labels, sets) for what, table in tables.items()]
    heads = (
        "judged on",
        "n",
        "accuracy",
        "average recall",
        "macro F1",
        "weighted F1",
        "sets of 90 % hold",
        "labels each",
    )
    found = (
        "| " + " | ".join(heads) + " |\n|---|" + "---:|" * (len(heads) - 1) + "\n" + "\n".join(rows) + "\n"
    )
    for what, table in tables.items():
        found += f"\n{what[0].upper()}{what[1:]}:\n\n| | n | recall | F1 |\n|---|---:|---:|---:|\n"
        found += "\n".join(class_lines(report_of(table, labels))) + "\n"
    print(found)
    if given.write:
        RESULTS.write_text(
            f"# The starter by corpus\n\n{machine_line(given.threads)}.\n\n{found}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
