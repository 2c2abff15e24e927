"""What a fine-tuned classifier says of a part of its corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from emofuse.data.quarantine import Quarantine
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.errors import EmofuseError
from emofuse.evaluation import ClassificationReport, classification_report
from emofuse.runs.corpus import Progress
from emofuse.training.finetuning.batches import TuningRows, tuning_loader
from emofuse.training.finetuning.module import quarantine_failures
from emofuse.training.finetuning.network import UtteranceClassifier

Judgement = Mapping[str, tuple[int, int]]
"""Utterance → its class and the class that an encoder's head gives."""


@dataclass(frozen=True)
class JudgedPart:
    """What a classifier says of the utterances of a part that could be read."""

    ids: list[str]
    probabilities: np.ndarray
    true: np.ndarray

    def report(self, labels: Sequence[str]) -> ClassificationReport:
        """Scores."""
        return classification_report(
            self.true,
            self.probabilities.argmax(axis=1),
            labels,
            probabilities=self.probabilities,
            bootstrap=0,
        )

    def judgement(self) -> Judgement:
        """Utterance → class and the class that was said."""
        said = self.probabilities.argmax(axis=1).tolist()
        return dict(zip(self.ids, zip(self.true.tolist(), said, strict=True), strict=True))


def judge_part(
    classifier: UtteranceClassifier,
    rows: TuningRows,
    settings: FineTuneSettings,
    device: str,
    workers: int,
    quarantine: Quarantine,
    progress: Progress | None,
) -> JudgedPart:
    """Classify the utterances of a part, in float64 probabilities.

    Raises:
        EmofuseError: none of them could be read.
    """
    classifier.to(device).eval()
    ids: list[str] = []
    logits, truth, done = [], [], 0
    with torch.inference_mode():
        for batch in tuning_loader(rows, settings.batch_size, workers=workers):
            quarantine_failures(quarantine, batch.decode_failures)
            done += len(batch) + len(batch.decode_failures)
            if len(batch):
                ids += batch.ids
                logits.append(classifier(batch.to(device)).cpu().double())
                truth.append(batch.labels)
            if progress is not None:
                progress(done, len(rows), "scoring")
    classifier.cpu()
    if not logits:
        raise EmofuseError(
            f"finetune: none of the {len(rows)} utterances to score could be read; see quarantine.csv"
        )
    probabilities = torch.cat(logits).softmax(dim=-1).numpy()
    return JudgedPart(ids, probabilities, torch.cat(truth).numpy().astype(np.int64))
