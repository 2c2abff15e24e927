"""How much each modality moved a prediction: Shapley values and leave-one-out, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import torch

from emofuse.data import MODALITIES, Modality
from emofuse.data.batch import Batch
from emofuse.data.manifest import Utterance
from emofuse.errors import EmofuseError
from emofuse.explanation.encoded_dialogue import EncodedDialogue
from emofuse.inference.batches import dataset_of
from emofuse.models import model_info
from emofuse.models.late_fusion import LateFusion
from emofuse.nn.kept_patches import KeptPatches
from emofuse.pipeline import EmotionPipeline

UNTRAINED_ABSENCE = (
    "The run was trained without modality dropout, so that it has hardly seen an utterance that lacks a modality: what "
    "it says with one withheld is a guess beyond its training, and so are the shares."
)


@dataclass(frozen=True)
class Explanation:
    """What moved a prediction.

    Attributes:
        id: of the utterance.
        label: predicted with everything that it has.
        labels: the C classes.
        modalities: those that the utterance has, and the run uses.
        missing: modality → why it is not among them.
        given: set of modalities, as a sorted tuple, → (C,) probabilities when the run is given these alone; the
            empty one is what it says of nothing.
        shapley: modality → label → mean change of the label's probability as the modality joins the others, over
            all orders in which they can join (Shapley 1953). Over modalities they sum to the difference between
            everything and nothing.
        leave_one_out: modality → label → change of the probability when the modality joins all the others.
        frames: (F, H, W, 3) uint8, as the run saw them; None without video.
        kept: one entry per compression, indices (F, L), -1 where fewer were kept; empty without compression.
        notes: what should be known before anything is made of it.
    """

    id: str
    label: str
    labels: tuple[str, ...]
    modalities: tuple[Modality, ...]
    missing: Mapping[Modality, str]
    given: Mapping[tuple[Modality, ...], np.ndarray]
    shapley: Mapping[Modality, dict[str, float]]
    leave_one_out: Mapping[Modality, dict[str, float]]
    frames: np.ndarray | None = None
    kept: Sequence[KeptPatches] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def probabilities(self) -> dict[str, float]:
        """Label → probability with everything that there is."""
        return self._named(self.given[self.modalities])

    @property
    def nothing(self) -> dict[str, float]:
        """Label → probability when the run is given nothing."""
        return self._named(self.given[()])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; positions count the tokens of a grid row by row from its top left."""
        return {
            "id": self.id,
            "label": self.label,
            "probabilities": self.probabilities,
            "modalities": list(self.modalities),
            "missing": dict(self.missing),
            "shapley": {m: dict(values) for m, values in self.shapley.items()},
            "leave_one_out": {m: dict(values) for m, values in self.leave_one_out.items()},
            "given": [
                {"modalities": list(some), "probabilities": self._named(row)}
                for some, row in self.given.items()
            ],
            "patches": [
                {
                    "stage": patches.stage,
                    "block": patches.block,
                    "grid": list(patches.grid),
                    "kept": [row.tolist() for row in kept_rows(patches)],
                }
                for patches in self.kept
            ],
            "notes": list(self.notes),
        }

    def _named(self, row: np.ndarray) -> dict[str, float]:
        return {label: float(p) for label, p in zip(self.labels, row, strict=True)}


def explain(
    pipe: EmotionPipeline, utterance: Utterance, dialogue: Sequence[Utterance] | EncodedDialogue = ()
) -> Explanation:
    """Explain what a run says of one utterance.

    The run is asked once for every set of the utterance's modalities; media are read and encoded once. A
    withheld modality is withheld everywhere: from late fusion, and from what steers the compression.

    Args:
        pipe: a run of a system that takes utterances one by one, and predicts classes.
        utterance: with absolute paths.
        dialogue: the other turns, for an encoder that reads them along; and what else it is standardised with. As an
            `EncodedDialogue` where several of its utterances are explained: it is encoded once for all of them.

    Raises:
        EmofuseError: the run is of another kind, or the utterance has nothing that it uses.
    """
    _check(pipe)
    batch, held, missing = utterance_batch(pipe, utterance, dialogue)
    given: dict[tuple[Modality, ...], np.ndarray] = {}
    for count in range(len(held) + 1):
        for some in combinations(held, count):
            given[some], kept = _ask(pipe, batch, some)
    everything = given[held]
    label = pipe.labels[int(everything.argmax())]
    names = tuple(pipe.labels)
    frames = (
        batch.inputs["frames"][0].permute(0, 2, 3, 1).cpu().numpy()
        if "video" in held and "frames" in batch.inputs
        else None
    )
    return Explanation(
        id=utterance.id,
        label=label,
        labels=names,
        modalities=held,
        missing=missing,
        given=given,
        shapley=_named_values(shapley_values(given, held), names),
        leave_one_out=_named_values(leave_one_out(given, held), names),
        frames=frames,
        kept=kept if frames is not None else (),
        notes=_notes(pipe, held),
    )


def shapley_values(
    given: Mapping[tuple[Modality, ...], np.ndarray], players: Sequence[Modality]
) -> dict[Modality, np.ndarray]:
    """φ_m = Σ_S |S|! (n − |S| − 1)! / n! · (v(S ∪ m) − v(S)), S over all sets without m; exact.

    Args:
        given: v, for every subset of the players, in their order.
        players: n of them.
    """
    n, values = len(players), {}
    for player in players:
        others = [p for p in players if p != player]
        total = np.zeros_like(given[()], dtype=np.float64)
        for count in range(n):
            weight = factorial(count) * factorial(n - count - 1) / factorial(n)
            for some in combinations(others, count):
                joined = tuple(p for p in players if p == player or p in some)
                total += weight * (given[joined] - given[some])
        values[player] = total
    return values


def leave_one_out(
    given: Mapping[tuple[Modality, ...], np.ndarray], players: Sequence[Modality]
) -> dict[Modality, np.ndarray]:
    """v(all) − v(all but m) for every player m."""
    everything = given[tuple(players)]
    return {m: everything - given[tuple(p for p in players if p != m)] for m in players}


def kept_rows(patches: KeptPatches) -> list[np.ndarray]:
    """Positions that were kept, a row per frame, without padding."""
    return [row[row >= 0].cpu().numpy() for row in patches.indices]


def _check(pipe: EmotionPipeline) -> None:
    if pipe.task.name != "classification":
        raise EmofuseError("explain: this run predicts values, and only classes can be explained")
    info = model_info(pipe.record.model_name)
    if info.scope == "dialogue":
        raise EmofuseError(
            f"explain: {info.title} sees whole dialogues; explanations are of systems that take utterances one by one"
        )


def utterance_batch(
    pipe: EmotionPipeline, utterance: Utterance, dialogue: Sequence[Utterance] | EncodedDialogue
) -> tuple[Batch, tuple[Modality, ...], dict[Modality, str]]:
    """The utterance as the system takes it, the modalities that it holds, and why another is not among them.

    Raises:
        EmofuseError: it holds none.
    """
    features: dict[Modality, dict[str, np.ndarray]] = {m: {} for m in pipe.record.encoders}
    missing = pipe.imported_only()
    encoded = dialogue if isinstance(dialogue, EncodedDialogue) else EncodedDialogue(pipe, dialogue)
    if encoded.pipe is not pipe:
        raise ValueError("the dialogue was encoded by another run")
    encoded = encoded.around(utterance)
    for modality in pipe.encoders:
        for id, result in encoded.features(modality, utterance).items():
            if isinstance(result, np.ndarray):
                features[modality][id] = result
            elif id == utterance.id:
                missing[modality] = str(result) if result else f"no {modality} was given"
    dataset = dataset_of([utterance], pipe.model, pipe.normalised(encoded.turns, features), pipe.data)
    batch = dataset.collate([dataset[0]])
    for decode_failure in batch.decode_failures:
        missing[decode_failure.modality] = decode_failure.message
    present = batch.inputs["present"]
    held = tuple(m for m in MODALITIES if m in present and bool(present[m].all()))
    if "video" in pipe.modalities and "video" not in held:
        missing.setdefault("video", "no video was given")
    if not held:
        reasons = "; ".join(f"{m}: {why}" for m, why in missing.items())
        raise EmofuseError(f"{utterance.id}: there is nothing to explain a prediction from ({reasons})")
    return batch.to(pipe.device), held, missing


def _ask(
    pipe: EmotionPipeline, batch: Batch, some: Sequence[Modality]
) -> tuple[np.ndarray, Sequence[KeptPatches]]:
    """(C,) probabilities when only some modalities are given, and what was kept of the frames."""
    present = {
        m: flags & (m in some) for m, flags in batch.inputs["present"].items()
    }  # nothing else is withheld, since a system must be handed at least one tensor
    with torch.inference_mode():
        output = pipe.model(**(batch.inputs | {"present": present}))
    logits = output.logits.double() / pipe.temperature
    patches = [replace(kept, indices=kept.indices[0]) for kept in getattr(output, "kept", ())]
    return logits.softmax(dim=-1)[0].cpu().numpy(), patches


def _named_values(
    values: Mapping[Modality, np.ndarray], labels: Sequence[str]
) -> dict[Modality, dict[str, float]]:
    return {m: {label: float(v) for label, v in zip(labels, row, strict=True)} for m, row in values.items()}


def _notes(pipe: EmotionPipeline, held: Sequence[Modality]) -> tuple[str, ...]:
    if len(held) < 2 or isinstance(pipe.model, LateFusion):  # each of its classifiers was trained alone
        return ()
    return () if getattr(pipe.model.config, "modality_dropout", 0.0) else (UNTRAINED_ABSENCE,)
