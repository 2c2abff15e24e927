"""How unlike its training data an utterance is, and what a late fusion makes of that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from emofuse.data import Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.utterance import Utterance
from emofuse.evaluation.metrics.familiarity import Familiarity
from emofuse.inference.familiarity import mean_vectors
from emofuse.inference.seen_pictures import SEEN_PICTURES
from emofuse.runs.predictions import Predictions


def novelty_of(
    utterances: Sequence[Utterance],
    modalities: Sequence[Modality],
    familiarity: Mapping[str, Familiarity],
    encoded: Collection[str],
    found: Mapping[Modality, FeatureSource],
    predictions: Predictions,
) -> dict[Modality, dict[int, float]]:
    """How unlike the training data each utterance is; 1 is the edge of what is usual there.

    Args:
        utterances: N of them.
        modalities: those of the run.
        familiarity: modality → what its training features look like.
        encoded: the modalities that an encoder reads; of the others the system's own features are looked at.
        found: modality → features by utterance id.
        predictions: of the utterances.

    Returns:
        Modality → row → novelty; rows without features of it have none.
    """
    novelty: dict[Modality, dict[int, float]] = {}
    for modality in modalities:
        is_encoded = modality in encoded
        # Runs of before keep what their system makes of pictures in the place of what these look like.
        looked_at = modality if is_encoded or modality in familiarity else SEEN_PICTURES
        gaussian = familiarity.get(looked_at)
        if gaussian is None:
            continue
        if is_encoded:
            rows = [i for i, u in enumerate(utterances) if u.id in found[modality]]
            vectors = mean_vectors(found[modality], [utterances[i].id for i in rows])
        else:
            rows = np.flatnonzero(predictions.present[modality]).tolist()
            vectors = predictions.features[looked_at][rows]
        if len(vectors) == len(rows) and len(rows):
            novelty[modality] = dict(zip(rows, map(float, gaussian.novelty(vectors)), strict=True))
    return novelty


def with_doubts(
    predictions: Predictions,
    model: nn.Module,
    modalities: Sequence[Modality],
    novelty: Mapping[Modality, Mapping[int, float]],
    temperature: float,
) -> Predictions:
    """In a late fusion, an expert of what is unlike anything in its training has less say.

    Args:
        predictions: of N utterances, their logits divided by the temperature.
        model: predictions of one that is no late fusion stay as they are.
        modalities: those of the run.
        novelty: as of :func:`novelty_of`.
        temperature: that of the logits.
    """
    pool = getattr(model, "pool_of_experts", None)
    doubted = sorted({row for rows in novelty.values() for row, value in rows.items() if value > 1})
    if pool is None or not doubted:
        return predictions
    experts = {m: torch.from_numpy(x[doubted]) for m, x in predictions.features.items()}
    present = {m: torch.from_numpy(x[doubted]) for m, x in predictions.present.items()}
    unlikeness = {m: torch.tensor([novelty.get(m, {}).get(row, 1.0) for row in doubted]) for m in modalities}
    logits = predictions.logits.copy()
    with torch.inference_mode():
        logits[doubted] = pool(experts, present, unlikeness).numpy() / temperature
    return replace(predictions, logits=logits)
