"""What differs where a run learns to say a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from emofuse.data.sentiments import SENTIMENTS, sentiment_of
from emofuse.data.targets import Target, ValenceTarget
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError
from emofuse.evaluation import SentimentReport, sentiment_report
from emofuse.evaluation.metrics.intervals import interval_words
from emofuse.evaluation.metrics.sentiment import UNIT_METRICS
from emofuse.models.system_info import Task as TaskName
from emofuse.runs.predictions import Predictions

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

SENTIMENT_DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "mae": "mean of |truth − prediction|, on the scores as they are",
        "corr": "Pearson's correlation, on the scores as they are",
        "acc7": "truth and prediction are clipped to −3..3 and rounded (halves to the even number); share of equal "
        "ones. It means nothing on another scale than −3..3",
        "acc5": "the same with −2..2",
        "acc2_nonnegative, f1_nonnegative": "truth ≥ 0 against prediction ≥ 0, on all utterances",
        "acc2_positive, f1_positive": "utterances with a true score of exactly 0 are left out; truth > 0 against "
        "prediction > 0",
        "f1": "of the two classes, weighted by how often each is true",
        "acc2_nonpositive, f1_nonpositive": "where no true score lies beyond −1..1, as on CH-SIMS: truth > 0 against "
        "prediction > 0, on all utterances",
        "acc3_sims": "there too: share of equal classes, up to −0.1, up to 0.1, above",
        "acc5_sims": "there too: up to −0.7, up to −0.1, up to 0.1, up to 0.7, above",
    }
)


@dataclass(frozen=True)
class Regression:
    """A value, the column ``valence``; its sign makes the class.

    Attributes:
        loss: what the system is trained with, which is what ``val_loss`` says too.
    """

    loss: Literal["l1", "mse"] = "l1"
    labels: Sequence[str] = SENTIMENTS
    name: ClassVar[TaskName] = "regression"
    own_metric: ClassVar[str] = "val_mae"
    definitions: ClassVar[Mapping[str, str]] = SENTIMENT_DEFINITIONS

    @property
    def target(self) -> Target:
        """The valence."""
        return ValenceTarget()

    def model_options(self) -> dict[str, Any]:
        """The options of a system without classes."""
        return {"task": "regression"}

    def labelled(self, manifest: Manifest) -> Manifest:
        """The rows that have a valence."""
        return manifest.select(manifest.frame.loc[manifest.frame["valence"].notna(), "id"])

    def class_weights(self, utterances: Sequence[Utterance], how: str) -> Tensor | None:
        """There are none.

        Raises:
            EmofuseError: some were asked for.
        """
        if how != "none":
            raise EmofuseError(
                f"setting optimiser.class_weights: {how} weighs classes, and a regression has none"
            )
        return None

    def validation(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The loss, the mean absolute error and Pearson's correlation (0 where it is not defined)."""
        from scipy.stats import pearsonr

        values, known = outputs[:, 0].double(), targets.double()
        mae = float(F.l1_loss(values, known))
        loss = mae if self.loss == "l1" else float(F.mse_loss(values, known))
        varies = len(values) > 1 and values.std() > 0 and known.std() > 0
        corr = float(pearsonr(known, values).statistic) if varies else 0.0
        return {"val_loss": loss, "val_mae": mae, "val_corr": corr}

    def report(
        self, predictions: Predictions, groups: Sequence[str], train: Sequence[Utterance] = ()
    ) -> SentimentReport:
        """Sentiment metrics."""
        return sentiment_report(predictions.labels, predictions.values, groups=groups)

    def lines(self, report: SentimentReport) -> list[str]:
        """Error and correlation; then both ways to count two classes, and seven."""
        sentences = [
            f"MAE {report.mae:.3f} ({interval_words(report.intervals['mae'])}), Corr {report.corr:.3f}, "
            f"Acc-7 {100 * report.acc7:.1f}",
            f"negative/non-negative: Acc-2 {100 * report.acc2_nonnegative:.1f}, F1 {100 * report.f1_nonnegative:.1f}; "
            f"negative/positive: Acc-2 {100 * report.acc2_positive:.1f}, F1 {100 * report.f1_positive:.1f}",
        ]
        if report.unit_scale:
            acc2, f1, acc3, acc5 = (100 * report.unit_scale[name] for name in UNIT_METRICS)
            sentences.append(
                f"as on CH-SIMS: Acc-2 {acc2:.1f}, F1 {f1:.1f}, Acc-3 {acc3:.1f}, Acc-5 {acc5:.1f}"
            )
        return sentences

    def floor(self, predictions: Predictions, train: Sequence[Utterance]) -> str:
        """The mean of the training part."""
        mean = float(np.mean([u.valence for u in train if u.valence is not None]))
        error = float(np.abs(predictions.labels - mean).mean())
        return f"always saying the training mean {mean:.2f}: MAE {error:.3f}"

    def columns(self, predictions: Predictions) -> dict[str, Any]:
        """The value, and the class that is its sign."""
        values = predictions.values
        return {
            "valence": predictions.labels,
            "predicted_valence": values,
            "predicted": [sentiment_of(float(v)) for v in values],
        }
