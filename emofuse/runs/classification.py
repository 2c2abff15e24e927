"""What differs where a run learns to say a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.data.targets import ClassTarget, Target
from emofuse.data.utterance import Utterance
from emofuse.evaluation import ClassificationReport, classification_report
from emofuse.evaluation.metrics.class_sums import confusion_matrix, metrics_from_confusions
from emofuse.evaluation.metrics.intervals import interval_words
from emofuse.models.system_info import Task as TaskName
from emofuse.runs.predictions import Predictions

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest


@dataclass(frozen=True)
class Classification:
    """One of several classes, the column ``label``."""

    labels: Sequence[str]
    name: ClassVar[TaskName] = "classification"
    own_metric: ClassVar[str] = "val_weighted_f1"
    definitions: ClassVar[Mapping[str, str]] = {}

    @property
    def target(self) -> Target:
        """The label's index."""
        return ClassTarget(tuple(self.labels))

    def model_options(self) -> dict[str, Any]:
        """How many classes there are."""
        return {"num_classes": len(self.labels)}

    def labelled(self, manifest: Manifest) -> Manifest:
        """The rows that have a label."""
        return manifest.select(manifest.frame.loc[manifest.frame["label"].notna(), "id"])

    def class_weights(self, utterances: Sequence[Utterance], how: str) -> Tensor | None:
        """``balanced``: inverse frequencies in the training part."""
        if how == "none":
            return None
        return balanced_class_weights([u.label for u in utterances if u.label is not None], self.labels)

    def validation(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Unweighted cross-entropy and weighted F1."""
        confusion = confusion_matrix(targets.numpy(), outputs.argmax(-1).numpy(), len(self.labels))
        weighted_f1 = metrics_from_confusions(confusion[None])["weighted_f1"][0]
        return {"val_loss": float(F.cross_entropy(outputs, targets)), "val_weighted_f1": float(weighted_f1)}

    def report(
        self, predictions: Predictions, groups: Sequence[str], train: Sequence[Utterance] = ()
    ) -> ClassificationReport:
        """Classification metrics, beside the class that is most frequent in training."""
        return classification_report(
            predictions.labels,
            predictions.predicted,
            self.labels,
            probabilities=predictions.probabilities,
            groups=groups,
            majority=_most_frequent(train),
        )

    def lines(self, report: ClassificationReport) -> list[str]:
        """Weighted F1, accuracy, UAR."""
        interval = interval_words(report.intervals["weighted_f1"], scale=100, digits=1)
        return [
            f"weighted F1 {100 * report.weighted_f1:.1f} ({interval}), "
            f"accuracy {100 * report.accuracy:.1f}, UAR {100 * report.uar:.1f}"
        ]

    def floor(self, predictions: Predictions, train: Sequence[Utterance]) -> str:
        """The class that is most frequent in training."""
        report = classification_report(
            predictions.labels,
            predictions.predicted,
            self.labels,
            bootstrap=0,
            majority=_most_frequent(train),
        )
        most = report.majority
        return (
            f"always saying {most.label}: weighted F1 {100 * most.weighted_f1:.1f}, "
            f"accuracy {100 * most.accuracy:.1f}"
        )

    def columns(self, predictions: Predictions) -> dict[str, Any]:
        """The class, and the probability of each."""
        probabilities = predictions.probabilities
        return {
            "predicted": [self.labels[i] for i in predictions.predicted],
            **{f"p_{label}": probabilities[:, i] for i, label in enumerate(self.labels)},
        }


def _most_frequent(train: Sequence[Utterance]) -> str | None:
    """The most frequent label, of equally frequent ones the first by name."""
    labels = sorted(u.label for u in train if u.label is not None)
    return max(dict.fromkeys(labels), key=labels.count) if labels else None


def balanced_class_weights(labels: Sequence[str], classes: Sequence[str]) -> Tensor:
    """(C,) weights n / (C · n_c) from the training labels; a class with no example weighs nothing."""
    counts = np.array([sum(label == c for label in labels) for c in classes], dtype=np.float64)
    weights = np.divide(len(labels), len(classes) * counts, out=np.zeros_like(counts), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)
