"""Utterances in, emotions out: a trained run with its encoders, whatever it was loaded from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from emofuse.data import Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.loader import make_loader
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.familiarity import Familiarity
from emofuse.features import FeatureStore, UtteranceEncoder
from emofuse.inference.batches import dataset_of
from emofuse.inference.calibration import with_temperature
from emofuse.inference.forward import predict_subsets
from emofuse.inference.gathered_features import GatheredFeatures, Progress
from emofuse.inference.label_sets import LabelSets, ValidationScores
from emofuse.inference.novelty import novelty_of, with_doubts
from emofuse.inference.predicted_segments import predicted_segments, scores_of
from emofuse.inference.timeline import EmotionTimeline
from emofuse.models import model_info
from emofuse.runs.modalities import IMPORTED, imported_features
from emofuse.runs.normalisation import groups_of
from emofuse.runs.predictions import Predictions
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.settings import DataSettings
from emofuse.runs.tasks import recorded_task

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest
    from emofuse.features.normalisation import TrainingStatistics

__all__ = ["Progress", "UtterancePipeline"]


class UtterancePipeline:
    """A trained run, ready for utterances; :class:`emofuse.pipeline.EmotionPipeline` names the arguments."""

    def __init__(
        self,
        model: nn.Module,
        record: RunRecord,
        encoders: dict[Modality, UtteranceEncoder],
        device: str = "cpu",
        temperature: float = 1.0,
        data: DataSettings | None = None,
        familiarity: Mapping[str, Familiarity] | None = None,
        folder: RunFolder | None = None,
        statistics: Mapping[Modality, TrainingStatistics] | None = None,
        notes: Sequence[str] = (),
        autocast: torch.dtype | None = None,
    ) -> None:
        self.notes = tuple(notes)
        self.autocast = autocast
        self.familiarity = dict(familiarity or {})
        self.folder = folder
        self.model = model.to(device).eval()
        self.record = record
        self.encoders = encoders
        self.device = device
        self.temperature = temperature
        self.data = data or DataSettings()
        self.statistics = dict(statistics or {})
        self.task = recorded_task(record.task, record.labels)
        self.expert_lines: tuple[str, ...] = ()
        self._validation: ValidationScores | None = None

    @property
    def labels(self) -> list[str]:
        """The emotions that the run knows."""
        return self.record.labels

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the run uses."""
        config: Any = self.model.config
        return tuple(config.modalities)

    def predict(
        self,
        utterances: Sequence[Utterance],
        *,
        modalities: Sequence[Modality] | None = None,
        progress: Progress | None = None,
        features: Mapping[Modality, FeatureSource] | None = None,
        coverage: float | None = None,
        by_modality: bool = False,
    ) -> EmotionTimeline:
        """One segment per utterance; what is missing is masked and named, never a crash.

        Args:
            utterances: rows with absolute paths; those of one dialogue are seen together by a run whose
                system sees dialogues.
            modalities: use only these of the run's modalities.
            progress: called with (done, total, what).
            features: modality → features by utterance id, for modalities that the run had imported.
            coverage: as in a call.
            by_modality: as in a call.

        Raises:
            EmofuseError: a modality is not the run's, or it cannot make sets of labels.
        """
        sets = self._label_sets(coverage)
        chosen = self._chosen(modalities)
        gathered = self._gathered(utterances, chosen, features or {}, progress)
        keyed, notes = gathered.utterances, gathered.notes
        given = self.normalised(keyed, gathered.found, notes)
        rows = [u if "video" in chosen else _without_video(u) for u in keyed]
        several = [m for m in self.modalities if m in chosen] if by_modality else []
        predictions, *alone = self._forward(rows, given, [None, *([m] for m in several)], progress)
        novelty = novelty_of(
            keyed, self.modalities, self.familiarity, self.record.encoders, given, predictions
        )
        predictions = with_doubts(predictions, self.model, self.modalities, novelty, self.temperature)
        segments = predicted_segments(
            utterances, predictions, self.task, self.modalities, gathered.missing, notes
        )
        by_alone = dict(zip(several, alone, strict=True))
        timeline = [
            replace(
                segment,
                novelty={m: values[i] for m, values in novelty.items() if m in segment.used and i in values},
                # Without a prediction there is no set either: it would be made of the run's habit.
                label_set=()
                if sets is None or segment.label is None
                else self._names(
                    sets.sets(predictions.probabilities[i : i + 1], [frozenset(segment.used)])[0]
                ),
                by_modality={
                    m: scores_of(self.task, part, i) for m, part in by_alone.items() if m in segment.used
                },
            )
            for i, segment in enumerate(segments)
        ]
        return EmotionTimeline(timeline, self.labels, self.notes)

    def _gathered(
        self,
        utterances: Sequence[Utterance],
        chosen: set[Modality],
        features: Mapping[Modality, FeatureSource],
        progress: Progress | None,
    ) -> GatheredFeatures:
        gathered = GatheredFeatures.none_yet(utterances, self.record.encoders)
        for modality in self.modalities:
            if modality not in chosen:
                gathered.switch_off(modality)
            elif self._is_imported(modality):
                gathered.look_up(modality, features.get(modality, {}), self.imported_only()[modality])
            elif modality in self.encoders:
                gathered.encode(modality, self.encoders[modality], progress)
            elif modality in self.record.encoders:
                gathered.leave_out(modality)
        return gathered

    def _label_sets(self, coverage: float | None) -> LabelSets | None:
        if coverage is None:
            return None
        if self.folder is None:
            raise EmofuseError(
                "sets of labels are calibrated on a run's own validation part, which experts by name have not; load a run "
                "with from_pretrained, or leave out the coverage"
            )
        # Once, and at the temperature that was loaded: the folder may be calibrated anew while the run is served.
        if self._validation is None:
            self._validation = ValidationScores.of_run(self.folder, self.temperature)
        return LabelSets.of_scores(self._validation, coverage)

    def _names(self, chosen: np.ndarray) -> tuple[str, ...]:
        return tuple(label for label, inside in zip(self.labels, chosen, strict=True) if inside)

    def normalised(
        self,
        utterances: Sequence[Utterance],
        features: Mapping[Modality, Mapping[str, np.ndarray]],
        notes: Sequence[dict[Modality, str]] | None = None,
    ) -> dict[Modality, FeatureSource]:
        """Features as the system takes them: standardised per speaker or recording where the run was trained so.

        Args:
            utterances: whose statistics are taken together.
            features: modality → features by utterance id, as the encoders give them.
            notes: of every utterance; told of one whose group is too small to know its own mean and spread.
        """
        from emofuse.features.normalisation import NormalisedFeatures

        done: dict[Modality, FeatureSource] = dict(features)
        for modality, training in self.statistics.items():
            how = self.data.normalise[modality]
            source = NormalisedFeatures(features[modality], groups_of(utterances, how), training)
            done[modality] = source
            for utterance, noted in zip(utterances, notes or (), strict=bool(notes)):
                if utterance.id in source and (note := source.note(utterance.id)):
                    noted[modality] = "; ".join(filter(None, (noted.get(modality), note)))
        return done

    def _chosen(self, modalities: Sequence[Modality] | None) -> set[Modality]:
        chosen = set(modalities) if modalities is not None else set(self.modalities)
        unknown = chosen - set(self.modalities)
        if unknown:
            raise EmofuseError(
                f"this run does not use {', '.join(sorted(unknown))}; it uses {', '.join(self.modalities)}"
            )
        return chosen

    def _is_imported(self, modality: Modality) -> bool:
        return modality in self.record.encoders and self.record.encoders[modality].spec.name == IMPORTED

    def imported_only(self) -> dict[Modality, str]:
        """Modalities whose features were imported → why nothing of a raw clip is used for them."""
        names = {m: part.identity.name for m, part in self.record.encoders.items() if self._is_imported(m)}
        return {
            m: f"the run was trained on imported features ({name}); there are none"
            for m, name in names.items()
        }

    def _imported_names(self) -> str:
        return ", ".join(part.identity.name for part in self.record.encoders.values())

    def _imported(self, manifest: Manifest, modality: Modality) -> FeatureSource | None:
        """Imported features of a manifest, or None where it has none that fit."""
        if not self._is_imported(modality):
            return None
        part, store = self.record.encoders[modality], FeatureStore(manifest.root / "features")
        try:
            info = model_info(self.record.model_name)
            return imported_features(manifest, part.spec, store, info, like=part.identity).reader
        except EmofuseError:
            return None

    def _forward(
        self,
        utterances: Sequence[Utterance],
        features: Mapping[Modality, FeatureSource],
        subsets: Sequence[Sequence[Modality] | None],
        progress: Progress | None,
    ) -> list[Predictions]:
        dataset = dataset_of(utterances, self.model, features, self.data)
        loader = make_loader(dataset, batch_size=8)
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            if progress is not None:
                progress(done, len(utterances), "predicting")

        ids = [u.id for u in utterances]
        # Of what is encoded, the encoder's features are looked at; the system's own of what it reads itself.
        own = any(modality not in self.record.encoders for modality in self.familiarity)
        own = own or hasattr(self.model, "pool_of_experts")
        found = predict_subsets(
            self.model,
            loader,
            subsets,
            device=self.device,
            autocast=self.autocast,
            on_batch=advance,
            keep_features=own,
        )
        return [with_temperature(predictions.of(ids), self.temperature) for predictions in found]


def _without_video(utterance: Utterance) -> Utterance:
    return replace(utterance, video=None)
