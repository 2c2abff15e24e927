"""CM-MSF on CMU-MOSI's feature file and transcripts, against ridge and logistic regression on the same features.

    python -m benchmarks.mosi path/to/mosi_trainvalid.pkl --text-encoder path/to/MiniLM --work mosi-runs

The official validation part is what everything is judged on; epochs, and the strength of the regressions, are
chosen on held-out films of the training part. What was finished is kept in the working folder, so the command
may be interrupted. Prints the table and writes benchmarks/results/mosi.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.script import argument_parser, publish
from benchmarks.seeds import spread
from emofuse.data import Modality
from emofuse.data.manifest import Manifest
from emofuse.evaluation import sentiment_report
from emofuse.features import FeatureStore
from emofuse.features.importers import import_features
from emofuse.inference.evaluate import evaluate_fit
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run

SEEDS = (0, 1, 2)
STRENGTHS = np.logspace(-1, 5, 13)
COLUMNS = ("mae", "corr", "acc2_nonnegative", "f1_nonnegative", "acc2_positive", "f1_positive", "acc7")
RECIPE = "cm-msf/mosi-small"
NOTE = """Corr and both ways of Acc-2 and F1 as in `emofuse.evaluation.metrics.sentiment`; shares in percent. CM-MSF: recipe
`cm-msf/mosi-small`, mean ± standard deviation over three seeds; it gives up a seventh of the training films, which choose
the epoch, and its MAE on them is the last column. The regressions are fitted on all of them, their strength chosen by
cross-validation over films. Nothing was chosen on the validation part, which judges.

**What the file's features are worth.** Those who published the file fitted its text features on this very training part.
The last column shows it: on films that CM-MSF has not seen, but the features have, the error is far below that on the
validation part, for the words and for the pictures of the file alike. Whatever is chosen on such films is chosen badly,
and a network trusts such features more than a strongly regularised regression does: on the file's words, ridge has the
smaller error. The validation part flatters too: a sign that is right in 98 of 100 cases is not a property of sentiment
analysis. The sound of the file says nothing, to any of the three: on 8 films, Acc-2 then says how many are positive.

**The claim rests on the transcripts**, through a sentence encoder that has never seen MOSI, whose held-out films and
validation part agree."""


@dataclass(frozen=True)
class Row:
    """One line of the table: which features, and what was said from them."""

    name: str
    modalities: tuple[Modality, ...]
    transcripts: bool = False

    @property
    def slug(self) -> str:
        """In the names of files."""
        return ("transcripts-" if self.transcripts else "") + "-".join(self.modalities)


ROWS = (
    Row("T of the file", ("text",)),
    Row("A of the file", ("audio",)),
    Row("V of the file", ("video",)),
    Row("T + A + V of the file", ("text", "audio", "video")),
    Row("T: transcripts through MiniLM", ("text",), transcripts=True),
    Row("T through MiniLM + A + V of the file", ("text", "audio", "video"), transcripts=True),
)


def cm_msf(row: Row, manifest: Manifest, work: Path, encoder: str, seed: int) -> dict[str, float]:
    """Train one run, or take up what there is of it; its metrics on the official validation part."""
    changes: dict[str, Any] = {
        "data.workers": 0,
        "data.manifest": str(manifest.root / "manifest.csv"),
        "model.modalities": list(row.modalities),
        "seed": seed,
    }
    if row.transcripts:
        changes["encoders.text"] = {"modality": "text", "name": encoder, "pooling": "tokens"}
    path = work / "runs" / f"{row.slug}-{seed}"
    if not (path / "metrics.json").exists():
        settings = RunSettings.from_yaml(find_recipe(RECIPE)).with_changes(changes)
        folder = fit_run(settings, manifest, path, resume=True)
        evaluate_fit(folder, manifest)
    metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    return {name: metrics["test"][name] for name in COLUMNS} | {"held_out": metrics["val"]["mae"]}


def matrices(row: Row, manifest: Manifest) -> np.ndarray:
    """(N, d) of all rows: the vectors of the file, and the mean token of a transcript."""
    store = FeatureStore(manifest.root / "features")
    parts = []
    for modality in row.modalities:
        raw = row.transcripts and modality == "text"
        identity = next(
            i for i in store.identities() if i.modality == modality and (i.kind == "imported") is not raw
        )
        reader = store.reader(identity)
        parts.append(np.stack([np.atleast_2d(reader[i]).mean(axis=0) for i in manifest.ids]))
    return np.hstack(parts).astype(np.float64)


def linear(row: Row, manifest: Manifest, work: Path) -> list[dict[str, float]]:
    """Ridge and logistic regression; what was found is kept, because choosing their strength takes minutes."""
    kept = work / f"linear-{row.slug}.json"
    if not kept.exists():
        kept.write_text(json.dumps(fit_linear(row, manifest)), encoding="utf-8")
    found: list[dict[str, float]] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def fit_linear(row: Row, manifest: Manifest) -> list[dict[str, float]]:
    """Ridge on the score, and logistic regression on its sign, their strength chosen over films of training."""
    frame, x = manifest.frame, matrices(row, manifest)
    train = (frame["split"] == "train").to_numpy()
    y, films = frame["valence"].to_numpy(), frame["dialogue"].to_numpy()
    ridge = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS, cv=_folds(films[train]))).fit(
        x[train], y[train]
    )
    scores = sentiment_report(y[~train], ridge.predict(x[~train]), bootstrap=0).metrics
    classes = {}
    for name, kept, true in (("nonnegative", y == y, y >= 0), ("positive", y != 0, y > 0)):
        chosen = GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
            {"logisticregression__C": 1 / STRENGTHS},
            cv=_folds(films[train & kept]),
        ).fit(x[train & kept], true[train & kept])
        signs = np.where(chosen.predict(x[~train]), 1.0, -1.0)
        report = sentiment_report(y[~train], signs, bootstrap=0)
        classes |= {f"{m}_{name}": report.metrics[f"{m}_{name}"] for m in ("acc2", "f1")}
    return [{name: scores[name] for name in COLUMNS}, classes]


def _folds(films: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(GroupKFold(5).split(films, groups=films))


def cells(values: Sequence[dict[str, float]]) -> str:
    """The columns of the table: one value, or mean ± standard deviation."""
    shown = []
    for name in (*COLUMNS, "held_out"):
        found = [each[name] for each in values if name in each]
        share = name.startswith(("acc", "f1"))
        scale, digits = (100, 1) if share else (1, 3)
        shown.append(spread([scale * value for value in found], digits) if found else "–")
    return " | ".join(shown)


def table(manifest: Manifest, work: Path, encoder: str) -> str:
    """The whole result as Markdown."""
    lines = [
        "# CM-MSF on CMU-MOSI: validation part",
        "",
        f"{(manifest.frame['split'] == 'train').sum()} training and {(manifest.frame['split'] == 'val').sum()} "
        "validation utterances. Made by `python -m benchmarks.mosi mosi_trainvalid.pkl --text-encoder MINILM`.",
        "",
        "| features | model | MAE ↓ | Corr | Acc-2 neg/non-neg | F1 | Acc-2 neg/pos | F1 | Acc-7 | held-out films, MAE |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in ROWS:
        ours = [cm_msf(row, manifest, work, encoder, seed) for seed in SEEDS]
        ridge, logistic = linear(row, manifest, work)
        lines += [
            f"| {row.name} | CM-MSF | {cells(ours)} |",
            f"| | ridge | {cells([ridge])} |",
            f"| | logistic regression | {cells([logistic])} |",
        ]
    return "\n".join([*lines, "", NOTE, ""])


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("file", type=Path, help="mosi_trainvalid.pkl, in the MMSA layout")
    parser.add_argument("--text-encoder", required=True, help="folder or name of a MiniLM sentence encoder")
    parser.add_argument("--work", type=Path, default=Path("mosi-runs"), help="where runs are kept")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not (given.work / "manifest.csv").exists():
        manifest, _, _ = import_features(given.file, "mmsa", given.work / "features")
        manifest.validate().write(given.work / "manifest.csv")
    text = table(Manifest.read(given.work / "manifest.csv"), given.work, given.text_encoder)
    target = Path(__file__).parent / "results" / "mosi.md"
    publish(text, target)


if __name__ == "__main__":
    main()
