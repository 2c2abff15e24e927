"""The starter's expert of voices on all of RAVDESS's actors, each unheard, beside what one would pick instead.

    python -m benchmarks.voice_shift RAVDESS/manifest.csv --work voice-shift      # encodes the sounds, changed copies included
    python -m benchmarks.starter_voices RAVDESS/manifest.csv --work voice-shift --write

Six folds of three actors. The expert learns as in starter/build.py. Beside it stand linear SVMs on openSMILE's
ComParE 2016 (extra opensmile) and on functionals of log-mel bands, whose strength is chosen by folds over the training actors.
Intervals are of 1,000 draws of whole actors. Whisper's layers and the shrinkage were chosen on some of these actors once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from benchmarks.voice_shift import COPIES, FOLDS, Expert
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec
from emofuse.encoders.spec import LOGMEL_FUNCTIONALS, OPENSMILE_COMPARE
from emofuse.evaluation import ClassificationReport, classification_report
from emofuse.features import FeatureStore
from emofuse.runs.features import encode
from starter.build import RAVDESS_LABELS

RESULTS = Path(__file__).parent / "results" / "starter_voices.md"
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)


class LinearSvm:
    """A linear SVM on scaled vectors."""

    def __init__(self, vectors: np.ndarray, labels: np.ndarray, actors: np.ndarray) -> None:
        self.scaler = StandardScaler().fit(vectors)
        self.known = self.scaler.transform(vectors)
        gram = self.known @ self.known.T
        search = GridSearchCV(
            SVC(kernel="precomputed", class_weight="balanced"),
            {"C": STRENGTHS},
            scoring="balanced_accuracy",
            cv=GroupKFold(4),
        )
        self.model = search.fit(gram, labels, groups=actors)

    def say(self, vectors: np.ndarray) -> np.ndarray:
        """The labels of vectors."""
        return self.model.predict(self.scaler.transform(vectors) @ self.known.T)


def expert_says(
    plain: np.ndarray, copies: list[np.ndarray], labels: np.ndarray, actors: np.ndarray
) -> np.ndarray:
    """Labels of each recording, by an expert that has not heard its actor."""
    said = np.empty_like(labels)
    for train, test in GroupKFold(FOLDS).split(plain, labels, actors):
        heard = np.concatenate([each[train] for each in (plain, *copies)])
        said[test] = Expert(heard, np.tile(labels[train], 1 + len(copies))).say(plain[test])
    return said


def svm_says(vectors: np.ndarray, labels: np.ndarray, actors: np.ndarray) -> np.ndarray:
    """The same by linear SVMs."""
    said = np.empty_like(labels)
    for train, test in GroupKFold(FOLDS).split(vectors, labels, actors):
        said[test] = LinearSvm(vectors[train], labels[train], actors[train]).say(vectors[test])
    return said


def report_of(labels: np.ndarray, said: np.ndarray, actors: np.ndarray) -> ClassificationReport:
    """Figures with intervals over actors."""
    return classification_report(labels.tolist(), said.tolist(), sorted(set(labels)), groups=actors.tolist())


def line(what: str, report: ClassificationReport) -> str:
    """A row: average recall and weighted F1 with intervals."""
    cells = []
    for name in ("uar", "macro_f1", "weighted_f1"):
        interval = report.intervals[name]
        assert interval is not None
        cells.append(
            f"{100 * getattr(report, name):.1f} ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"
        )
    return f"| {what} | {report.n} | {' | '.join(cells)} |"


def class_lines(report: ClassificationReport) -> Iterator[str]:
    """A row for each class: recall and F1 with intervals."""
    for label, figures in report.per_class.items():
        low, high = figures.recall_interval or (np.nan, np.nan)
        least, most = figures.f1_interval or (np.nan, np.nan)
        yield (
            f"| {label} | {figures.support} | {100 * figures.recall:.0f} ({100 * low:.0f} to {100 * high:.0f}) | "
            f"{100 * figures.f1:.0f} ({100 * least:.0f} to {100 * most:.0f}) |"
        )


def main() -> None:
    """Encode what is missing, score, print or write the tables."""
    parser = argument_parser(__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="of benchmarks.voice_shift")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    manifest = Manifest.read(given.manifest).validate()
    actors, eight = (manifest.frame[name].to_numpy(str) for name in ("speaker", "label"))
    seven = manifest.frame["label"].replace(RAVDESS_LABELS).to_numpy(str)
    plain, *copies = (
        np.load(given.work / f"{name}.npy").astype(np.float64)
        for name in ("clean", *(f"copy-{n}" for n in range(1, COPIES.copies + 1)))
    )
    store, quarantine = FeatureStore(given.work / "features"), Quarantine(given.work / "quarantine.csv")
    others = {}
    for name, encoder in (
        ("ComParE 2016, linear SVM", OPENSMILE_COMPARE),
        ("log-mel functionals, linear SVM", LOGMEL_FUNCTIONALS),
    ):
        spec = EncoderSpec(modality="audio", name=encoder)
        reader = encode(manifest, spec, store, device="cpu", quarantine=quarantine, workers=0).reader
        others[name] = reader.matrix(manifest.ids).astype(np.float64)
    tables = {}
    for labels, count in ((seven, "seven"), (eight, "eight")):
        whole = report_of(labels, expert_says(plain, copies, labels, actors), actors)
        rows = [line("**the starter's expert**", whole)]
        rows += [
            line(name, report_of(labels, svm_says(vectors, labels, actors), actors))
            for name, vectors in others.items()
        ]
        tables[count] = rows
        print(count, *rows, sep="\n", flush=True)
    said = expert_says(plain, copies, seven, actors)
    odd = np.array([int(actor[-2:]) % 2 == 1 for actor in actors])  # RAVDESS: odd numbers are men
    sexes = [
        line(name, report_of(seven[rows], said[rows], actors[rows]))
        for name, rows in (("women", ~odd), ("men", odd))
    ]
    classes = list(class_lines(report_of(seven, said, actors)))
    print(*sexes, *classes, sep="\n")
    if given.write:
        head = "| | n | average recall | macro F1 | weighted F1 |\n|---|---:|---:|---:|---:|\n"
        RESULTS.write_text(
            f"# Voices of unheard actors\n\n{len(seven)} recordings of {len(set(actors))} actors, {FOLDS} folds of whole actors; "
            f"95 % intervals over actors. {machine_line(given.threads)}.\n\nSeven labels, those of the starter:\n\n"
            + head
            + "\n".join(tables["seven"] + [row.replace("| ", "| the expert, ", 1) for row in sexes])
            + "\n\nRAVDESS's own eight:\n\n"
            + head
            + "\n".join(tables["eight"])
            + "\n\nThe expert by label:\n\n| | n | recall | F1 |\n|---|---:|---:|---:|\n"
            + "\n".join(classes)
            + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
