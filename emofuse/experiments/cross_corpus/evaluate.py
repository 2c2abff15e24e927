"""A run on a corpus that it was not made for, through a label map where the labels differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.corpora.demo import is_demo_corpus
from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.manifest import Manifest
from emofuse.data.manifest_columns import SPLITS
from emofuse.errors import EmofuseError
from emofuse.evaluation import (
    ClassificationReport,
    SentimentReport,
    classification_report,
    sentiment_report,
)
from emofuse.evaluation.protocols.label_map import LabelMap
from emofuse.evaluation.protocols.label_map_files import write_label_map
from emofuse.inference.evaluate import subsets_of
from emofuse.inference.few_rows import few_rows_line
from emofuse.inference.outcome import SubsetScore
from emofuse.inference.predict_rows import predict_row_subsets
from emofuse.inference.prediction_table import prediction_table
from emofuse.runs.classification import Classification
from emofuse.runs.corpus import Progress
from emofuse.runs.normalisation import transductive_note
from emofuse.runs.predictions import Predictions
from emofuse.runs.regression import Regression
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.tasks import recorded_task
from emofuse.training.stage_one import seen_by


@dataclass(frozen=True)
class OutsideOutcome:
    """How a run scored on rows of another manifest.

    Attributes:
        record: of the run.
        manifest: name of the corpus that was scored.
        part: of the corpus: train, val, test or all.
        parts: part → how many rows of it were scored; empty for a corpus without parts.
        report: metrics over its labelled rows, in the names that the label map leads to.
        left_out: labelled rows that the label map leaves out.
        shared: what the corpus shares with what the run was trained on, in lines.
        mapping: what the label map did, in lines.
        metrics_file: where it was written.
        subsets: the same for every set of modalities; empty when not asked for.
        synthetic: the corpus, or that which the run was trained on, was drawn by a program.
        asked: somebody chose the part.
        transductive: what of the judged part the features rest on beyond each utterance; empty where nothing does.
    """

    record: RunRecord
    manifest: str
    part: str
    parts: Mapping[str, int]
    report: ClassificationReport | SentimentReport
    left_out: int
    shared: list[str]
    mapping: list[str]
    metrics_file: Path
    subsets: Sequence[SubsetScore[Any]] = ()
    synthetic: bool = False
    asked: bool = False
    transductive: str = ""

    def to_dict(self) -> dict[str, Any]:
        """What its metrics.json holds."""
        return {
            "data": self.manifest,
            "part": self.part,
            "parts": dict(self.parts),
            "task": self.record.task,
            "synthetic": self.synthetic,
            "test": self.report.to_dict(),
            "subsets": [{"modalities": s.modalities, "test": s.report.to_dict()} for s in self.subsets],
            "left_out": self.left_out,
            "label_map": self.mapping,
            "warnings": self.shared,
            "transductive": self.transductive,
        }

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        task = recorded_task(self.record.task, self.record.labels)
        left_out = f", {self.left_out} left out" if self.left_out else ""
        return [
            f"{self.manifest}{' (synthetic data)' if self.synthetic else ''}: "
            f"{self.report.n} labelled utterances{self._which()}{left_out}",
            *[f"  {line}" for line in task.lines(self.report)],
            *[f"  given {s.name}: {task.lines(s.report)[0]}" for s in self.subsets],
            *[f"  {line}" for line in self.mapping],
            *[f"  warning: {line}" for line in self.shared],
            *(f"  {line}" for line in (few_rows_line(self.report.n, "row"), self.transductive) if line),
        ]

    def _which(self) -> str:
        """Of which part they are; no test part is said, since that is what somebody would expect."""
        if not self.parts:
            return ""
        one = f" of the {self.part} part" if self.part != "all" else ""
        counts = ", ".join(f"{name} {count}" for name, count in self.parts.items())
        lacking = "" if "test" in self.parts or self.asked else "there is no test part"
        details = "; ".join(text for text in ("" if one else counts, lacking) if text)
        return f"{one} ({details})" if details else one


def labelled_part(manifest: Manifest, part: str | None, column: str = "label") -> pd.DataFrame:
    """The rows with a target, of one split or of all.

    Args:
        manifest: any corpus.
        part: a split, or ``"all"``; by default test where the corpus has such a part, and all where not.
        column: of the target.

    Raises:
        EmofuseError: there are none.
    """
    frame = manifest.frame
    wanted = frame[column].notna()
    if part is None and (wanted & (frame["split"] == "test")).any():
        part = "test"
    if part is not None and part != "all":
        wanted &= frame["split"] == part
    if not wanted.any():
        where = f" in split {part}" if part not in (None, "all") else ""
        raise EmofuseError(f"no row with a {column}{where}: there is nothing to score")
    return frame[wanted]


def evaluate_on(
    folder: RunFolder,
    manifest: Manifest,
    *,
    part: str | None = None,
    label_map: LabelMap | None = None,
    subsets: bool = False,
    progress: Progress | None = None,
) -> OutsideOutcome:
    """Score a run on the labelled rows of another manifest.

    Writes ``evaluations/<fingerprint>/{metrics.json,predictions.parquet,label-map.yaml}`` into the run
    folder. Rows that the run was trained or stopped on are named in a warning, because their figures are
    optimistic.

    Args:
        folder: a fitted run.
        manifest: any corpus whose labels the run knows, or the map leads to them.
        part: as in `labelled_part`.
        label_map: what the corpus's and the run's labels count as; by default themselves.
        subsets: score once more for every set of modalities that the run can be given.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: no row has a label, or there are labels that neither the run nor the map knows.
    """
    record = folder.read_record()
    scoring = _Scoring(record, manifest, part, label_map)
    chosen = manifest.select(scoring.ids)
    sets = list(subsets_of(record.model_config_["modalities"])) if subsets else []
    details = predict_row_subsets(folder, manifest, scoring.ids, [None, *sets], progress=progress)
    tables = [scoring.table(chosen, predictions) for predictions in details]
    target = folder.inside("evaluations", _name(chosen, label_map))
    with written_aside(target / "predictions.parquet") as aside:
        tables[0].to_parquet(aside, index=False)
    if label_map is not None:
        write_label_map(label_map, target / "label-map.yaml")
    outcome = OutsideOutcome(
        record=record,
        manifest=manifest.root.name,
        part=scoring.part,
        parts=scoring.parts,
        report=scoring.report(tables[0]),
        left_out=scoring.left_out,
        shared=_seen_before(folder, record, manifest, scoring.ids),
        mapping=scoring.mapping,
        metrics_file=target / "metrics.json",
        subsets=[
            SubsetScore(tuple(names), scoring.report(table))
            for names, table in zip(sets, tables[1:], strict=True)
        ],
        synthetic=record.synthetic or is_demo_corpus(manifest),
        asked=part is not None,
        transductive=transductive_note(folder.read_settings().data, record.encoders),
    )
    write_text_aside(outcome.metrics_file, json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n")
    return outcome


class _Scoring:
    """Which rows are scored, and how: classes through a label map, values as they are."""

    def __init__(
        self, record: RunRecord, manifest: Manifest, part: str | None, label_map: LabelMap | None
    ) -> None:
        self.record, self.map = record, label_map or LabelMap()
        self.is_classes = record.task == "classification"
        if not self.is_classes and label_map is not None:
            raise EmofuseError("--label-map goes with classes, and this run predicts values: leave it out")
        rows = labelled_part(manifest, part, "label" if self.is_classes else "valence")
        self.ids: list[str] = rows["id"].tolist()
        self.mapping: list[str] = []
        if self.is_classes:
            self.map.check(rows["label"], record.labels)
            truth = dict(zip(rows["id"], self.map.truth(rows["label"]), strict=True))
            self.ids = [i for i, label in truth.items() if label is not None]
            self.mapping = list(self.map.lines(rows["label"], record.labels))
        self.left_out = len(rows) - len(self.ids)
        if not self.ids:
            raise EmofuseError("the label map leaves every labelled row out: there is nothing to score")
        splits = rows.loc[rows["id"].isin(self.ids), "split"].dropna()
        self.parts = {name: int((splits == name).sum()) for name in SPLITS if (splits == name).any()}
        is_one_part = len(splits) == len(self.ids) and len(self.parts) == 1
        self.part = part or (next(iter(self.parts)) if is_one_part else "all")

    def table(self, manifest: Manifest, predictions: Predictions) -> pd.DataFrame:
        """One row per utterance, with what is true and what was said."""
        if self.is_classes:
            return _mapped_table(manifest, predictions, self.record, self.map, self.part)
        return prediction_table(manifest, predictions, Regression(), self.part)

    def report(self, table: pd.DataFrame) -> ClassificationReport | SentimentReport:
        """Metrics of such a table."""
        if self.is_classes:
            return _report(table, self.map.classes(self.record.labels))
        true, predicted = (table[name].to_numpy() for name in ("valence", "predicted_valence"))
        return sentiment_report(true, predicted, groups=table["dialogue"].tolist())


def _name(manifest: Manifest, label_map: LabelMap | None) -> str:
    """A folder for these rows under this map."""
    if label_map is None:
        return manifest.fingerprint()[:12]
    sides = json.dumps([dict(label_map.data), dict(label_map.run)], sort_keys=True)
    return f"{manifest.fingerprint()[:12]}-{hashlib.sha256(sides.encode()).hexdigest()[:6]}"


def _mapped_table(
    manifest: Manifest, predictions: Predictions, record: RunRecord, label_map: LabelMap, part: str
) -> pd.DataFrame:
    """The table of predictions in the names of the map; ``own_label`` is what the corpus itself says."""
    table = prediction_table(manifest, predictions, Classification(record.labels), part)
    columns = [f"p_{label}" for label in record.labels]
    classes = label_map.classes(record.labels)
    probabilities = label_map.probabilities(table[columns].to_numpy(), record.labels)
    mapped = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in classes], index=table.index)
    table = table.assign(
        own_label=table["label"],
        label=pd.Series(label_map.truth(table["label"]), index=table.index, dtype=object),
        predicted=[classes[i] for i in probabilities.argmax(axis=1)],
    )
    return pd.concat([table.drop(columns=columns), mapped], axis=1)


def _report(table: pd.DataFrame, classes: Sequence[str]) -> ClassificationReport:
    """Intervals resample dialogues, because utterances of one are not independent."""
    return classification_report(
        table["label"].tolist(),
        table["predicted"].tolist(),
        classes,
        probabilities=table[[f"p_{name}" for name in classes]].to_numpy(),
        groups=table["dialogue"].tolist(),
    )


def _seen_before(folder: RunFolder, record: RunRecord, manifest: Manifest, ids: Sequence[str]) -> list[str]:
    """What the run, or an encoder that was fine-tuned for it, may know of these utterances."""
    split = folder.read_split()
    lines = []
    if seen := len(set(ids) & {*split.train, *split.val}):
        lines.append(
            f"{seen} of {len(ids)} utterance ids stand in the run's training or validation part: optimistic if they are "
            "the same"
        )
    for modality, part in record.encoders.items():
        if tuned := len(seen_by(folder.encoder_spec(part, modality), manifest, ids)):
            lines.append(
                f"the {modality} encoder was fine-tuned on {tuned} of these {len(ids)} utterances: optimistic"
            )
    return lines
